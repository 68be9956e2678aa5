"""Downloads of the page: a table's rows of some days, one at a time, to whoever reads."""

import io
import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.page import page
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.servers import until
from mushroom_assets_tests.kit.web import BATCH, NOW, Served, Text

DAYS = "since=2026-01-19&until=2026-01-20"
FILE = f"/export/file?table=sample&{DAYS}"


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Served:
    served = Served(tmp_path, database)
    for room in ("607", "611"):
        put_batch(database, room, BATCH)
        served.put_minutes(room)
    return served


def csv(answer: Any) -> pd.DataFrame:
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return pd.read_csv(io.BytesIO(answer.content))


def test_rows_of_some_days_and_a_room_as_csv_and_parquet(served: Served) -> None:
    both = served.client.get(FILE)
    assert both.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''sample_2026-01-19_2026-01-20.csv"
    )
    assert len(csv(both)) == 2 * 3 * 70  # rooms, quantities, minutes
    own = csv(served.client.get(f"{FILE}&room=611"))
    assert len(own) == 3 * 70
    parquet = served.client.get(f"{FILE}&room=611&form=parquet").content
    read = pd.read_parquet(io.BytesIO(parquet))
    assert sorted(read["value"]) == sorted(own["value"])
    none = served.client.get("/export/file?table=sample&since=2026-01-01&until=2026-01-02")
    assert len(csv(none)) == 0


def test_the_form_begins_with_the_last_week(served: Served) -> None:
    fields = {
        tags["name"]: tags["value"]
        for tags in Text(served.get("/export?room=611")).attributes("input", type="date")
    }
    assert fields == {"since": "2026-01-14", "until": "2026-01-20"}
    assert NOW.isoformat() > "2026-01-20"
    assert 'href="/export?room=611"' in served.get("/rooms/611")
    assert "<option selected>611</option>" in served.get("/export?room=611&lang=zh")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (f"table=pg_user&{DAYS}", 422),
        (f"table=sample%22;drop&{DAYS}", 422),
        (f"table=sample&{DAYS}&room=999", 422),
        (f"table=sample&{DAYS}&room=%3Cscript%3E", 422),
        (f"table=sample&{DAYS}&form=exe", 404),
        ("table=sample&since=2026-01-20&until=2026-01-19", 422),
        ("table=sample&since=2025-12-20&until=2026-01-20", 422),  # 32 days of samples
        ("table=sample&since=0001-01-01&until=9999-12-31", 422),
        ("table=batch_day&since=0001-01-01&until=0001-01-02", 422),
        ("table=sample&since=x&until=y", 404),
        ("table=sample", 404),
        (f"table=sample&{DAYS}&room={'x' * 201}", 404),
    ],
)
def test_what_cannot_be_downloaded_is_told(asked: str, status: int, served: Served) -> None:
    page = served.get(f"/export/file?{asked}", status)
    assert "<script>" not in page.replace("<script src=", "")
    assert csv(served.client.get(FILE)) is not None  # the next one comes all the same


def test_one_at_a_time_and_so_many_a_minute(served: Served) -> None:
    downloads = served.app.state.downloads
    assert downloads.take()
    answer = served.client.get(FILE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "Somebody else is downloading" in answer.text
    downloads.give_back()
    statuses = [served.client.get(FILE).status_code for _ in range(10)]
    assert statuses == [200] * 9 + [429]


def test_while_the_database_is_away_a_download_says_so_and_the_next_one_comes(
    served: Served,
) -> None:
    downloads = served.app.state.downloads
    database = downloads.database
    downloads.database = Database("postgresql://postgres@127.0.0.1:1/none", retry=database.retry)
    assert "Remedy" in served.get(FILE, 503)
    downloads.database = database
    assert len(csv(served.client.get(FILE))) == 2 * 3 * 70


@pytest.mark.long
@pytest.mark.timeout(300)
def test_who_hangs_up_lets_the_next_one_come(tmp_path: Path, served: Served) -> None:
    served.put_minutes("611", 20_000, co2=2000.0)  # more than a socket's buffers hold
    given = {"DATABASE_URL": served.database.url, "MUSHROOM_HOME": str(tmp_path)}
    given["MUSHROOM_CONFIG"] = str(served.settings.config)
    asked = "/export/file?table=sample&since=2026-01-01&until=2026-01-20"
    with page(given, tmp_path) as running:
        with socket.create_connection(("127.0.0.1", running.port)) as phone:
            phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            phone.sendall(f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert phone.recv(12) == b"HTTP/1.1 200"
            assert running.get(FILE)[0] == 503  # it reads no further
            assert running.alive()
        until(lambda: running.get(FILE)[0] == 200)
    assert "Traceback" not in running.log.read_text()
