"""What growers write down: what a note and a picking are, and which ones are taken.

Pure: the page, the commands and the loader of files ask here before they store. What is in the
tables may have come another way, so whoever shows a text makes it harmless itself (`markdown`).
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.markdown import steers
from mushroom_assets.domain.texts import say_in

LONGEST_NOTE = 500  # characters
LONGEST_AUTHOR = 80
SKEW = dt.timedelta(minutes=5)  # that a phone's clock may be ahead of ours
# A batch of 9,800 bags gives about 4 t in all; what is more for a day is a slip, as grams for kilos
MOST_KG = 20_000.0
LINES = "\n\t"


class RecordError(ValueError):
    """A note or a picking that is not taken.

    Args:
        key: of the text below `record` that says why, with the remedy; the message is English.
        values: of the text.
    """

    def __init__(self, key: str, /, **values: Any) -> None:
        self._key = f"record.{key}"
        self._values = values
        super().__init__(self.told("en"))

    def told(self, language: Language) -> str:
        """Why, in a language: for a person who typed it."""
        return say_in(language, self._key, **self._values)


@dataclass(frozen=True)
class Note:
    """A row of the table of notes: a text about a room at an instant."""

    note_id: int
    room_id: str
    noted_at: dt.datetime
    text: str
    author: str = ""


@dataclass(frozen=True)
class Picking:
    """A row of the table of harvests: the kilos of a batch on a farm-local day."""

    room_id: str
    in_date: dt.date
    picked_on: dt.date
    weight_kg: float


@dataclass(frozen=True)
class Harvest:
    """What was picked of a batch up to a day, pickings in time; `bag_count` may not be known."""

    room_id: str
    in_date: dt.date
    pickings: Sequence[Picking]
    bag_count: int | None = None

    @property
    def weight_kg(self) -> float:
        """All of it."""
        return math.fsum(picking.weight_kg for picking in self.pickings)

    @property
    def kg_per_bag(self) -> float | None:
        """None where the bags are not known, or none came in."""
        return self.weight_kg / self.bag_count if self.bag_count else None


def require_room(room_id: str, farm: Farm) -> None:
    """Refuse a room that the farm has not.

    Raises:
        RecordError: with the rooms that it has.
    """
    if room_id not in farm.rooms:
        raise RecordError("no_room", room=room_id, rooms=", ".join(farm.rooms))


def note_text(text: str) -> str:
    """A note's text without blanks around it, lines ended by LF.

    Raises:
        RecordError: it is empty, too long, or no text.
    """
    return _typed(text, "note", LONGEST_NOTE, required=True)


def author_text(author: str) -> str:
    """Who wrote a note, in one line without blanks around it; may be empty.

    Raises:
        RecordError: it is too long, or no text.
    """
    return " ".join(_typed(author, "author", LONGEST_AUTHOR, required=False).split())


def check_noted_at(noted_at: dt.datetime, now: dt.datetime, farm: Farm) -> None:
    """Refuse an instant that no day of the farm has, or has yet.

    Args:
        noted_at: with its zone.
        now: with its zone.
        farm: its first day and zone.

    Raises:
        RecordError: it has no zone, lies ahead, or before the farm's first day.
    """
    if noted_at.tzinfo is None:
        raise RecordError("no_zone", typed=noted_at)
    local = noted_at.astimezone(farm.zone)
    if noted_at > now + SKEW:
        raise RecordError("time_ahead", at=local, now=now.astimezone(farm.zone))
    if local.date() < farm.first_day:
        raise RecordError("before_first_day", day=local.date(), first=farm.first_day)


def check_picking(
    picking: Picking, in_dates: Sequence[dt.date], now: dt.datetime, farm: Farm
) -> None:
    """Refuse a picking that cannot be.

    Args:
        picking: of a room of the farm.
        in_dates: the room's batches.
        now: with its zone.
        farm: rooms and zone.

    Raises:
        RecordError: no such room or batch, a day before the batch or ahead, or no weight.
    """
    require_room(picking.room_id, farm)
    if picking.in_date not in in_dates:
        known = ", ".join(f"{day}" for day in sorted(in_dates)[-3:]) or "–"
        values = {"room": picking.room_id, "batch": picking.in_date, "known": known}
        raise RecordError("no_batch_of", **values)
    if picking.picked_on < picking.in_date:
        raise RecordError("picked_before", day=picking.picked_on, batch=picking.in_date)
    today = (now + SKEW).astimezone(farm.zone).date()
    if picking.picked_on > today:
        raise RecordError("picked_ahead", day=picking.picked_on, today=today)
    check_weight(picking.weight_kg)


def check_weight(weight_kg: float) -> None:
    """Refuse what is no weight of a day's picking.

    Raises:
        RecordError: it is not above 0, or over `MOST_KG`.
    """
    if not math.isfinite(weight_kg) or not 0 < weight_kg <= MOST_KG:
        raise RecordError("no_weight", weight=weight_kg, most=MOST_KG)


def batch_of(picked_on: dt.date, in_dates: Sequence[dt.date]) -> dt.date | None:
    """The batch that a picking is of if nobody says: the latest that came in before that day.

    On the day on which the next bags come in, it is the old batch that is picked.
    """
    earlier = [day for day in in_dates if day < picked_on]
    return max(earlier, default=None)


def _typed(text: str, what: str, longest: int, *, required: bool) -> str:
    """What somebody typed as `what`, a part of the keys of its faults, without blanks around it.

    Characters that steer a terminal or turn the direction of what follows are refused: the table's
    text type cannot hold the first of them, and nobody types them on purpose.
    """
    lines = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    if required and not lines:
        raise RecordError(f"{what}_empty")
    if len(lines) > longest:
        raise RecordError(f"{what}_long", count=len(lines), most=longest)
    odd = next((sign for sign in lines if sign not in LINES and steers(sign)), None)
    if odd is not None:
        raise RecordError(f"{what}_odd", sign=f"U+{ord(odd):04X}")
    return lines
