"""The farm's page at scale: forty rooms, three years of results, fifty phones.

    python -m benchmarks.bench_page [--seconds 300] [--years 3]

Fills a farm's tables by SQL: results of three years, samples of the last day; then starts
`mushroom web` in a process of its own. Alone: each page is asked for so seldom that it looks anew
each time, on a connection that is kept. Fifty phones: each asks for this morning every 10 s, all at
random within them, by a connection of its own. Each figure with its limit and the number of runs.
"""

import argparse
import datetime as dt
import http.client
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.web.reading import FRESH_S
from mushroom_assets_tests.kit.servers import free_port, until

ROOMS = 40
PHONES = 50
EVERY_S = 10.0
ALONE = 11
MORNING_MS = 500
P95_MS = 1000
VIEW_BYTES = 300_000
FILL = """
CREATE TEMP TABLE room AS SELECT (600 + n)::text AS id FROM generate_series(1, {rooms}) AS n;
CREATE TEMP TABLE day AS SELECT d::date AS d FROM generate_series(
    current_date - {days}, current_date - 1, '1 day') AS d;
INSERT INTO farm.batch (room_id, in_date, bag_count)
    SELECT id, d, 9800 FROM room, day WHERE (d - '2020-01-01'::date + id::int) % 30 = 0;
CREATE TEMP TABLE age AS SELECT id, d, (SELECT max(in_date) FROM farm.batch
    WHERE room_id = id AND in_date <= d) AS in_date FROM room, day;
INSERT INTO farm.daily_env_stats (stat_date, room_id, quantity, unit, sensor_count, sample_count,
    rejected_count, suspect_count, mean, min, q25, median, q75, max, coverage, longest_gap_s,
    in_range, below, above, longest_out_s, out_integral, growth_day, batch_date, is_growth_phase,
    run_id, computed_at)
SELECT d, id, quantity, unit, 1, 1440, 0, 0, 18, 17, 17.5, 18 + random(), 18.5, 19, 1, 60,
    CASE WHEN random() < 0.9 THEN 1 ELSE 0.8 END, 0, 0, 0, 0, d - in_date + 1, in_date,
    d - in_date < 27, 'bench', now()
FROM age, (VALUES ('temperature', '°C'), ('humidity', '%'), ('co2', 'ppm'), ('vpd', 'kPa'),
    ('dew_point', '°C')) AS q (quantity, unit);
INSERT INTO farm.daily_room_report (stat_date, room_id, verdict, reasons, summary_md, run_id,
    computed_at)
SELECT d, id, v, CASE v WHEN 'good' THEN '[]'::jsonb ELSE jsonb_build_array(jsonb_build_object(
    'severity', v, 'code', 'in_range', 'quantity', 'co2', 'share', 0.5, 'low', 1500, 'high', 3800,
    'unit', 'ppm', 'above', 0.5, 'out_integral', 9000, 'longest_out_s', 4000, 'text', '')) END,
    repeat('a line of the card' || chr(10), 60), 'bench', now()
FROM (SELECT id, d, (ARRAY['good', 'good', 'good', 'watch', 'act'])[1 + floor(random() * 5)] AS v
    FROM age) AS judged;
INSERT INTO farm.point (room_id, device_type, device_name, device_alias, point_name, point_alias)
SELECT id, type, type, type || '_' || id, alias, alias FROM room, (VALUES
    ('mushroom_env_status', 'temperature'), ('mushroom_env_status', 'humidity'),
    ('mushroom_env_status', 'co2'), ('air_cooler', 'temp_set'), ('air_cooler', 'on_off'),
    ('fresh_air_fan', 'co2_on'), ('fresh_air_fan', 'co2_off'), ('fresh_air_fan', 'mode'),
    ('humidifier', 'mode'), ('grow_light', 'model')) AS p (type, alias);
INSERT INTO farm.sample (point_id, sampled_at, value)
SELECT point_id, date_trunc('minute', now()) - m * interval '1 minute',
    CASE point_alias WHEN 'temperature' THEN 18 + random() WHEN 'humidity' THEN 90 + random()
    WHEN 'co2' THEN 2500 + 100 * random() WHEN 'temp_set' THEN 18 ELSE 1 END
FROM farm.point, generate_series(-30, 1440) AS m;
INSERT INTO farm.hourly_setpoint_changes (change_id, point_id, changed_at, previous_at, room_id,
    device_type, device_alias, point_alias, point_description, change_type, previous_value,
    current_value, delta, run_id, detected_at)
SELECT gen_random_uuid(), point_id, d + h * interval '3 hours', d + h * interval '3 hours' -
    interval '1 minute', room_id, device_type, device_alias, point_alias, 'temperature setpoint',
    'analog_value', 18, 18.5, 0.5, 'bench', now()
FROM farm.point, day, generate_series(1, 7) AS h WHERE point_alias = 'temp_set';
INSERT INTO farm.daily_clip_inference (image_path, model_id, room_id, image_date, camera,
    captured_at, status, content_sha256, embedding, stage, condition, stage_margin, run_id,
    computed_at)
SELECT id || '/' || d || '/' || h, 'mushroom-tiny/renders-9d437a11/prompts-117ed1b8', id, d, 'top',
    d + h * interval '1 hour', 'ok', md5(id || d || h), '[1,0]', 'fruiting', 'healthy', random(),
    'bench', now()
FROM room, day, generate_series(0, 23) AS h WHERE d >= current_date - 60;
ANALYZE;
"""


class Answer(NamedTuple):
    """An answer: how long it took, and how many bytes came."""

    ms: float
    size: int


class Phone:
    """A client with a connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> Answer:
        """Ask for a page.

        Raises:
            RuntimeError: it is not there, or says that something is wrong.
        """
        started = time.perf_counter()
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - started) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        return Answer(took, len(body))


@contextmanager
def served(folder: Path, days: int) -> Iterator[int]:
    """The server over a filled farm; its port."""
    rooms = ", ".join(f'"{600 + number}": {{}}' for number in range(1, ROOMS + 1))
    first = dt.date.today() - dt.timedelta(days=days)
    farm = folder / "farm.yaml"
    farm.write_text(f"{{timezone: Asia/Shanghai, first_day: {first}, rooms: {{{rooms}}}}}")
    with embedded_postgres(folder / "pg") as url:
        fill(url, days)
        port = free_port()
        given = {
            "MUSHROOM_HOME": f"{folder}",
            "DATABASE_URL": url,
            "MUSHROOM_CONFIG": f"{farm}",
        }
        command = [sys.executable, "-m", "mushroom_assets.cli.main", "web", "--port", f"{port}"]
        with (folder / "web.log").open("w") as log:
            server = subprocess.Popen(  # noqa: S603 - our own server
                command, env=os.environ | given, stdout=log, stderr=log
            )
        try:
            until(lambda: answers(port))
            yield port
        finally:
            server.terminate()
            server.wait(30)
            print((folder / "web.log").read_text()[-1500:])


def fill(url: str, days: int) -> None:
    """The tables of a farm of so many days."""
    started = time.perf_counter()
    database = Database(url)
    with database.transaction() as connection:
        migrations.upgrade(connection)
        ensure_months(connection, dt.date.today() - dt.timedelta(days=2), dt.date.today())
    statements = FILL.format(rooms=ROOMS, days=days)
    with database.session() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SET session_replication_role = replica")  # no log of changes
        for statement in statements.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%"))
    database.dispose()
    print(f"filled {ROOMS} rooms x {days} days in {time.perf_counter() - started:.0f} s")


def answers(port: int) -> bool:
    """Whether the server is up."""
    try:
        return Phone(port).get("/healthz").size > 0
    except OSError:
        return False


def alone(port: int, name: str, path: str, limit_ms: float | None) -> None:
    """A page that looks anew each time."""
    phone = Phone(port)
    found = []
    for _ in range(ALONE):
        found.append(phone.get(path))
        time.sleep(FRESH_S + 0.2)
    times = [answer.ms for answer in found[1:]]
    limit = "" if limit_ms is None else f", limit {limit_ms:.0f} ms"
    print(
        f"{name}: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms{limit}; "
        f"the first after the start {found[0].ms:.0f} ms; {found[-1].size / 1000:.0f} kB "
        f"({len(times)} runs)"
    )


def phones(port: int, seconds: float) -> None:
    """Fifty of them for a while."""
    answers: list[Answer] = []
    faults: list[str] = []
    end = time.monotonic() + seconds
    lock = threading.Lock()

    def one() -> None:
        phone = Phone(port)
        time.sleep(random.uniform(0, EVERY_S))  # noqa: S311 - no secret
        while time.monotonic() < end:
            begun = time.monotonic()
            try:
                answer = phone.get("/")
            except (OSError, RuntimeError, http.client.HTTPException) as fault:
                with lock:
                    faults.append(f"{fault!r}")
                phone = Phone(port)
            else:
                with lock:
                    answers.append(answer)
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - begun)))

    threads = [threading.Thread(target=one) for _ in range(PHONES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(answer.ms for answer in answers)
    p95 = times[int(0.95 * (len(times) - 1))]
    print(
        f"{PHONES} phones, every {EVERY_S:.0f} s for {seconds:.0f} s: p50 "
        f"{statistics.median(times):.0f} ms, p95 {p95:.0f} ms, limit {P95_MS} ms, worst "
        f"{times[-1]:.0f} ms, {len(faults)} errors, limit 0 ({len(times)} answers) {faults[:3]}"
    )


def first_view(port: int) -> None:
    """All bytes of the first view on a phone that has nothing of it yet."""
    phone = Phone(port)
    paths = ["/", "/static/page.css", "/static/page.js", "/static/icon.svg"]
    size = sum(phone.get(path).size for path in paths)
    chart = ["/static/uplot.min.js", "/static/uplot.min.css", "/static/charts.js"]
    room = sum(phone.get(path).size for path in ["/rooms/601", *chart])
    limit = VIEW_BYTES // 1000
    print(f"first view {size / 1000:.0f} kB, limit {limit} kB; a room and its charts besides: "
          f"{room / 1000:.0f} kB (1 run)")  # fmt: skip


def main() -> None:
    """Fill, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--years", type=float, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        days = int(365 * given.years)
        with served(Path(name), days) as port:
            print(f"load {os.getloadavg()[0]:.1f} before")
            alone(port, "this morning", "/", MORNING_MS)
            alone(port, "a room, live", "/rooms/601", None)
            alone(port, "a room, its batch", "/rooms/601?span=cycle", None)
            alone(port, "labels", "/labels", None)
            first_view(port)
            phones(port, given.seconds)
            print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
