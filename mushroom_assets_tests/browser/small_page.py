"""The farm's page over a small farm of its own: two rooms that deliver, one that has nothing."""

import datetime as dt
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from playwright.sync_api import Browser, Page, ViewportSize
from psycopg.conninfo import conninfo_to_dict

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_room_report
from mushroom_assets_tests.kit.page import page as served_page
from mushroom_assets_tests.kit.plant import put_batch, put_samples, write_farm
from mushroom_assets_tests.kit.tcp_proxy import Proxy

ZONE = ZoneInfo("Asia/Shanghai")
FARM = """
timezone: Asia/Shanghai
first_day: {first}
rooms: {{'607': {{}}, '611': {{}}, '612': {{}}}}
"""
STATUS = "mushroom_env_status"
LEVELS = {"temperature": 18.0, "humidity": 90.0, "co2": 2000.0}
REASON = {
    "severity": "act",
    "code": "in_range",
    "quantity": "temperature",
    "share": 0.5975,
    "low": 17.0,
    "high": 19.5,
    "unit": "°C",
    "above": 0.4025,
    "out_integral": 12.5,
    "longest_out_s": 5400.0,
    "text": "",
}
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}


@dataclass
class SmallPage:
    """The running server, its database without the proxy between them, and the proxy."""

    url: str
    database: Database
    proxy: Proxy

    def put(self, room: str, minutes: int, every_s: int = 60, **levels: float) -> None:
        """Samples until now, a level of each quantity that moves a little."""
        now = dt.datetime.now(dt.UTC)
        rows = []
        for name, level in (LEVELS | levels).items():
            for number in range(minutes * 60 // every_s):
                at = now - dt.timedelta(seconds=number * every_s)
                value = level + (number % 2) * level / 1000
                rows.append((room, STATUS, f"sensor_{room}", name, at, value))
        put_samples(self.database, rows)

    @property
    def yesterday(self) -> dt.date:
        """The farm's."""
        return dt.datetime.now(ZONE).date() - dt.timedelta(days=1)


@contextmanager
def small_page(database: Database, folder: Path) -> Iterator[SmallPage]:
    """Fill the farm, and serve its page behind a proxy."""
    today = dt.datetime.now(ZONE).date()
    write_farm(folder / "farm.yaml", FARM.format(first=today - dt.timedelta(days=40)))
    given = conninfo_to_dict(database.url)
    with Proxy(f"{given['host']}/.s.PGSQL.5432") as proxy:
        environment = {
            "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{proxy.port}/{given['dbname']}",
            "MUSHROOM_HOME": f"{folder}",
            "MUSHROOM_CONFIG": f"{folder / 'farm.yaml'}",
        }
        (folder / "images").mkdir(exist_ok=True)
        small = SmallPage("", database, proxy)
        for room in ("607", "611"):
            put_batch(database, room, today - dt.timedelta(days=10))
            small.put(room, 48 * 60)
        _report(small, "607", "good", [])
        _report(small, "611", "act", [REASON])
        with served_page(environment, folder) as served:
            small.url = f"http://127.0.0.1:{served.port}"
            yield small
    shutil.rmtree(folder, ignore_errors=True)


def _report(small: SmallPage, room: str, verdict: str, reasons: list[dict[str, object]]) -> None:
    row = {
        "stat_date": small.yesterday,
        "room_id": room,
        "verdict": verdict,
        "reasons": reasons,
        "summary_md": "",
        "run_id": "r",
        "computed_at": dt.datetime.now(dt.UTC),
    }
    with small.database.transaction() as connection:
        connection.execute(sa.insert(daily_room_report), row)


@contextmanager
def shown(
    browser: Browser, url: str, width: str = "phone", language: str = "en", **given: object
) -> Iterator[Page]:
    """A page in a fresh browser: nothing is remembered. Whatever it reports is a fault."""
    size = PHONE if width == "phone" else DESK
    context = browser.new_context(viewport=size, locale=language, **given)  # type: ignore[arg-type]
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"{error}"))
    page.on(
        "request", lambda asked: None if asked.url.startswith(url) else faults.append(asked.url)
    )
    yield page
    context.close()
    assert faults == []
