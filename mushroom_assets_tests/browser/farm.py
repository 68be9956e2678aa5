"""A small farm as a user starts it, by `mushroom up` in a process of its own, and its tables."""

import datetime as dt
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.service.ui import ask_ui
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.plant import rows
from mushroom_assets_tests.kit.servers import until

START_S = 300
STOP_S = 120
FILE = """
timezone: {zone}
first_day: {first_day}
language: {language}
rooms: {rooms}
"""
ROOMS = ("607", "611", "608", "612")
# The farm's day must not end while the tests look at it.
ZONES = ("Asia/Shanghai", "Asia/Dubai")


@dataclass
class RunningFarm:
    """A simulated farm of the last full days; `start` fills it, and resumes it when called again.

    Attributes:
        home: where everything lives but the database.
        database: an empty one of its own.
        port: a free one, of 127.0.0.1.
        days: full days; one partition each.
        rooms: how many of the reference farm's.
        language: of the farm file.
    """

    home: Path
    database: Database
    port: int
    days: int
    rooms: int
    language: str = "en"
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def zone(self) -> ZoneInfo:
        """The farm's time zone."""
        return parse_farm((self.home / "farm.yaml").read_text(encoding="utf-8")).zone

    def start(self) -> None:
        """Until the UI is up."""
        self.home.mkdir(exist_ok=True)
        path = self.home / "farm.yaml"
        if not path.exists():
            path.write_text(self._farm_file(), encoding="utf-8")
        log = self.home / "up.log"
        environment = os.environ | {
            "MUSHROOM_HOME": str(self.home),
            "MUSHROOM_CONFIG": str(path),
            "DATABASE_URL": self.database.url,
        }
        command = command_line("up", "--days", self.days, "--port", self.port, "--page-port", 0)
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self.process

        def is_up() -> bool:
            told = log.read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, f"ended before the UI was up:\n{told[-3000:]}"
            return "The farm is up" in told

        until(is_up, START_S)

    def _farm_file(self) -> str:
        today, zone = next(today for today in map(_today, ZONES) if today[0].hour < 23)
        rooms = [
            f'"{room}": {{folder: "{room.removeprefix("60")}"}}'
            for room in sorted(ROOMS[: self.rooms])
        ]
        return FILE.format(
            zone=zone,
            first_day=today.date() - dt.timedelta(days=self.days),
            language=self.language,
            rooms=f"{{{', '.join(rooms)}}}",
        )

    def stop(self) -> None:
        """By Ctrl-C, as its user does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(STOP_S) == 0
            self.process = None

    def ask(self, query: str) -> dict[str, Any]:
        """What the GraphQL API of the UI answers."""
        return ask_ui("127.0.0.1", self.port, query, timeout_s=60)

    def about(self, asset: str, what: str) -> Any:
        """A field of an asset, as GraphQL names it, with the fields wanted of it."""
        (node,) = self.ask(f'{{assetNodes(assetKeys: [{{path: ["{asset}"]}}]) {{{what}}}}}')[
            "assetNodes"
        ]
        return node[what.split(maxsplit=1)[0]]

    def partitions(self, asset: str) -> list[str]:
        """Keys of every closed partition, oldest first."""
        return list(self.about(asset, "partitionKeys"))

    def states(self, asset: str) -> dict[str, set[str]]:
        """Keys of the partitions by state: MATERIALIZED, FAILED, MATERIALIZING.

        Those of no state are missing.
        """
        keys = self.partitions(asset)
        found: dict[str, set[str]] = {}
        ranges = "ranges {status startKey endKey}"
        asked = f"assetPartitionStatuses {{... on TimePartitionStatuses {{{ranges}}}}}"
        for part in self.about(asset, asked)["ranges"]:
            span = keys[keys.index(part["startKey"]) : keys.index(part["endKey"]) + 1]
            found.setdefault(part["status"], set()).update(span)
        return found

    def rows(self, asset: str, *, provenance: bool = False) -> list[dict[str, Any]]:
        """An asset's rows in key order; which run wrote them, and when, on demand."""
        return rows(self.database, RESULTS[asset], provenance=provenance)

    def execute(self, statement: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(sa.text(statement))


def _today(zone: str) -> tuple[dt.datetime, str]:
    return dt.datetime.now(ZoneInfo(zone)), zone
