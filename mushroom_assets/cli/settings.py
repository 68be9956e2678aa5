"""`mushroom settings`: bands, limits and words that hold from a day on, beside the farm file.

It reads arguments and prints what comes back. What a setting means is the business of
`domain.in_force`, how one is added that of `ingestion.setting`.
"""

import datetime as dt
import getpass
import json
from collections.abc import Callable, Sequence
from typing import Any

import click
import sqlalchemy as sa

from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.options import DAY
from mushroom_assets.cli.touched import tell_touched
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.in_force import Setting, Settings
from mushroom_assets.domain.settable import Settable, UnusableSetting, settable, value_in
from mushroom_assets.ingestion import setting as ingestion
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.inputs import own_reach
from mushroom_assets.storage.setting import read_settings

ROOM = click.option("--room", "room_id", metavar="ROOM", help="Of this room; unset: of all.")
REASON = click.option("--reason", required=True, help="Why.")
AUTHOR = click.option("--author", default=getpass.getuser, show_default="you", help="Who says so.")


@click.group(short_help="Bands, limits and words that hold from a day on.")
def settings() -> None:
    """Show and change what holds from a farm day on, without touching the farm file.

    Nothing is ever rewritten: what was computed for earlier days stays as it is.
    """


@settings.command("show")
@click.argument("key", required=False, default="")
@ROOM
@click.option("--day", type=DAY, metavar="DAY", help="On this farm day; unset: today.")
@click.option("--all", "everything", is_flag=True, help="Every key, set or not.")
def show(key: str, room_id: str | None, day: dt.datetime | None, *, everything: bool) -> None:
    """Show what is set, and what the farm file says.

    KEY is a part of the keys to show, such as bands.co2.
    """
    farm = load_settings().read_farm()
    on = day.date() if day else _today(farm)
    if room_id is not None and room_id not in farm.rooms:
        raise click.BadParameter(f"no room {room_id}: {', '.join(farm.rooms)}", param_hint="--room")
    with machine() as environment, open_database(environment) as database:
        with database.transaction() as connection:
            found = read_settings(connection, farm)
    rooms = [room_id] if room_id else list(farm.rooms)
    keys = settable(farm)
    wanted = [name for name in keys if key in name]
    if not key and not everything:
        wanted = [name for name in wanted if _set_lines(found, name, keys[name], rooms, on)]
    for name in wanted:
        click.echo(f"{name}: {_value(value_in(farm, keys[name]), keys[name].unit)}")
        click.echo("".join(_set_lines(found, name, keys[name], rooms, on)), nl=False)
    lost = [each for each in found.all if each.version in found.misfits and key in each.key]
    for setting in lost:
        click.echo(_line(setting, found, farm))
    if not wanted and not lost and key:
        raise UnusableSetting(
            f"{key!r} is no part of a key. Remedy: `mushroom settings show --all` lists them"
        )
    if not wanted and not lost:
        click.echo(
            f"nothing is set on {on} or later: the farm file holds. "
            f"`mushroom settings show --all` lists all {len(keys)} keys that can be set"
        )


def _set_lines(
    found: Settings, name: str, key: Settable, rooms: Sequence[str], day: dt.date
) -> list[str]:
    """What is set of a key on a day, a line a room, and what begins later."""
    lines = []
    for room in rooms:
        setting = found.of(name, room, day)
        if setting is not None:
            lines.append(f"  {room}: {_value(setting.value, key.unit)} {_told(setting)}\n")
    for each in found.counting:
        is_meant = each.room_id is None or each.room_id in rooms
        if each.key == name and each.valid_from > day and is_meant:
            value = _value(each.value, key.unit)
            lines.append(f"  later, {_scope(each)}: {value} {_told(each)}\n")
    return lines


@settings.command("set")
@click.argument("key")
@click.argument("value")
@ROOM
@click.option("--batch", type=DAY, metavar="DAY", help="Of the room's batch that came in then.")
@click.option(
    "--from", "since", type=DAY, metavar="DAY", help="From this farm day on; unset: tomorrow."
)
@REASON
@AUTHOR
@click.option(
    "--seen",
    type=click.IntRange(0),
    metavar="VERSION",
    help="The newest version that you know of: refused if somebody has set the same since.",
)
def set_command(
    key: str,
    value: str,
    room_id: str | None,
    batch: dt.datetime | None,
    since: dt.datetime | None,
    reason: str,
    author: str,
    seen: int | None,
) -> None:
    """Set KEY to VALUE from a farm day on.

    VALUE is written as in the farm file: 0.8, "[1500, 3500]", CO2. `none` takes a band or a limit
    away; `null` leaves the key to what is set for all rooms, or to the farm file.
    """
    farm = load_settings().read_farm()
    today = _today(farm)
    change = ingestion.Change(
        key=key,
        text=value,
        room_id=room_id,
        in_date=batch.date() if batch else None,
        valid_from=since.date() if since else today + dt.timedelta(days=1),
        author=author,
        reason=reason,
        seen=seen,
    )
    _make(farm, lambda connection: ingestion.set_value(connection, change, farm, today))


@settings.command("undo")
@click.argument("version", type=click.IntRange(1))
@REASON
@AUTHOR
def undo_command(version: int, reason: str, author: str) -> None:
    """Make as if VERSION had never been set; to undo that brings it back."""
    farm = load_settings().read_farm()
    _make(farm, lambda connection: ingestion.undo(connection, version, author, reason, farm))


@settings.command("history")
@click.argument("key", required=False, default="")
@ROOM
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each version.")
def history(key: str, room_id: str | None, *, as_json: bool) -> None:
    """List every version, the oldest first."""
    farm = load_settings().read_farm()
    with machine() as environment, open_database(environment) as database:
        with database.transaction() as connection:
            found = read_settings(connection, farm)
    if not as_json:
        click.echo("version 0: the farm file")
    for setting in found.all:
        if key in setting.key and (not room_id or setting.room_id in (None, room_id)):
            click.echo(_json(setting) if as_json else _line(setting, found, farm))


def _make(farm: Farm, add: Callable[[sa.Connection], Setting]) -> None:
    """Add a setting and tell what it is and what it touches."""
    with machine() as environment, open_database(environment) as database:
        with database.transaction() as connection:
            made = add(connection)
            touched = own_reach(connection, farm)
            found = read_settings(connection, farm)
    click.echo(_line(made, found, farm))
    if made.undoes is None and not _holds_anywhere(made, found, farm):
        click.echo("it changes nothing from its day on: a narrower or later setting holds there")
    tell_touched(touched, farm)


def _holds_anywhere(made: Setting, found: Settings, farm: Farm) -> bool:
    """Whether a setting is in force on its first day in any room that it is meant for."""
    first = max(made.valid_from, made.in_date or made.valid_from)
    rooms = [made.room_id] if made.room_id else list(farm.rooms)
    return made.value is None or made in [found.of(made.key, room, first) for room in rooms]


def _line(setting: Setting, found: Settings, farm: Farm) -> str:
    """A version in one line."""
    key = settable(farm).get(setting.key)
    unit = key.unit if key else ""
    what = f"{setting.key} = {_value(setting.value, unit)}"
    if setting.undoes is not None:
        what = f"undoes version {setting.undoes}: {what} again"
    by = found.undone_by(setting.version)
    end = f"; undone by version {by.version}" if by else ""
    if setting.version in found.misfits:
        end = f"; does not count: {found.misfits[setting.version]}"
    at = f"{setting.set_at.astimezone(farm.zone):%Y-%m-%d %H:%M}" if setting.set_at else ""
    told = f"{setting.author}, {at}: {setting.reason}{end}"
    where = f"{_scope(setting)}, from {setting.valid_from} on"
    return f"version {setting.version}: {what}, {where} ({told})"


def _scope(setting: Setting) -> str:
    if setting.room_id is None:
        return "all rooms"
    batch = f", batch of {setting.in_date}" if setting.in_date else ""
    return f"room {setting.room_id}{batch}"


def _told(setting: Setting) -> str:
    return (
        f"(since {setting.valid_from}, version {setting.version}, {setting.author}: "
        f"{setting.reason})"
    )


def _value(value: Any, unit: str) -> str:
    if value is None:
        return "null"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text} {unit}".strip()


def _json(setting: Setting) -> str:
    return json.dumps(setting._asdict(), ensure_ascii=False, default=str)


def _today(farm: Farm) -> dt.date:
    return dt.datetime.now(farm.zone).date()
