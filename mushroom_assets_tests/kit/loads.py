"""Files for `mushroom load`, and what is stored afterwards."""

import datetime as dt
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from click.testing import Result

from mushroom_assets.storage.connection import Database

HEADER = "room_id,device_type,device_alias,point_alias,sampled_at,value"
SENSOR = "611,mushroom_env_status,env_611,temperature"
FARM = 'timezone: {}\nfirst_day: 2025-10-01\nrooms: {{"611": {{}}, "612": {{}}}}\n'


class Load(Protocol):
    def __call__(
        self, what: str, file: Path, *options: str, timezone: str = "Asia/Shanghai"
    ) -> Result: ...


def write(path: Path, *lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return path


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def stored(database: Database) -> list[tuple[Any, ...]]:
    """(room, device_type, device_alias, point_alias, instant, value) of every sample."""
    statement = """
        SELECT room_id, device_type, device_alias, point_alias, sampled_at, value
        FROM farm.sample JOIN farm.point USING (point_id)
        ORDER BY room_id, point_alias, sampled_at"""
    with database.transaction() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def batches(database: Database) -> list[tuple[Any, ...]]:
    """(room, day, bags) of every batch."""
    with database.transaction() as connection:
        rows = connection.execute(sa.text("SELECT * FROM farm.batch ORDER BY 1, 2"))
        return [tuple(row) for row in rows]


def faults(result: Result) -> list[list[str]]:
    """Line and reason of each bad row that was told."""
    lines = [line for line in result.output.splitlines() if line.startswith("  line ")]
    return [line.removeprefix("  line ").split(": ")[:2] for line in lines]
