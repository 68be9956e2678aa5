"""The database is away: every page says so at once, since when, and comes back by itself."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict

from mushroom_assets.storage.connection import Database
from mushroom_assets.web import reading
from mushroom_assets.web.reading import NotThere, Reader
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.tcp_proxy import Fault, Proxy
from mushroom_assets_tests.kit.web import Served, Text

PAGES = ("/", "/rooms/611", "/rooms/611?day=2026-01-19", "/rooms/611?span=cycle", "/labels")


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    folder = conninfo_to_dict(database_url)["host"]
    with Proxy(f"{folder}/.s.PGSQL.5432") as proxy:
        yield proxy


@pytest.fixture
def far(database_url: str, proxy: Proxy) -> Iterator[Database]:
    """The database behind the proxy."""
    name = conninfo_to_dict(database_url)["dbname"]
    far = Database(f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}", retry=NO_RETRY)
    yield far
    far.dispose()


def one(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT 1")).scalar_one())


def test_every_page_says_so_since_when_and_comes_back(
    proxy: Proxy, far: Database, tmp_path: Path
) -> None:
    served = Served(tmp_path, far)
    assert "The database does not answer" not in served.get("/")
    proxy.decide = lambda opening, commit: Fault.RESET
    served.forget()
    pages = {path: served.get(path, 503) for path in PAGES}
    since = {str(Text(page)).split("since ")[1].split(".")[0] for page in pages.values()}
    assert len(since) == 1  # of the first that met it
    for page in pages.values():
        assert "Nothing is known of the rooms meanwhile; this page comes back by itself" in page
        assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
        assert 'data-refresh="5"' in page
    assert "数据库没有应答" in served.get("/?lang=zh", 503)
    for path in ("/notes", "/harvest", "/labels", "/labels/undo"):
        form = {
            "room": "611", "text": "x", "at": "2026-01-19T10:00", "batch": "2026-01-10",
            "picked": "2026-01-19", "weight": "1", "path": "x", "kind": "stage",
            "name": "primordia",
        }  # fmt: skip
        served.post(path, form, 503)
    proxy.decide = lambda opening, commit: None
    served.forget()
    assert "The database does not answer" not in served.get("/?lang=en")
    assert served.place.reader.away is None


def test_a_database_that_hangs_holds_one_thread_however_many_ask(
    proxy: Proxy, far: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WAIT_S", 0.2)
    reader = Reader(far.url)
    proxy.decide = lambda opening, commit: Fault.SWALLOW
    before = threading.active_count()

    async def ask() -> list[Any]:
        asked = [reader.shared("rooms", one) for _ in range(50)]
        return await asyncio.gather(*asked, return_exceptions=True)

    told = asyncio.run(ask())
    assert {type(fault) for fault in told} == {NotThere}
    assert threading.active_count() <= before + 2  # the look's, and the proxy's
    assert reader.away is not None and "no answer in 0 s" in reader.away.told


def test_what_is_a_fault_of_ours_is_no_outage(far: Database) -> None:
    reader = Reader(far.url)

    def wrong(connection: sa.Connection) -> int:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        asyncio.run(reader.shared("wrong", wrong))
    assert reader.away is None
    assert asyncio.run(reader.shared("right", one)) == 1


def test_few_questions_are_kept(far: Database) -> None:
    reader = Reader(far.url)
    for number in range(reading.KEPT + 10):
        assert asyncio.run(reader.shared(number, one)) == 1
    assert len(reader._looks) == reading.KEPT
