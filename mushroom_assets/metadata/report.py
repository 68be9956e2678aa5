"""What a day of `daily_room_report` shows: all rooms in a line each, and a card a room.

Rooms that need somebody come first. The UI opens a text at its end, with the button that closes it
in sight: so each card has an entry of its own, its picture comes before the verdict, and what is
read more rarely has another entry.

`domain.card` writes a card's words, `plots` draws its ribbons, `contact_sheet` shows its photos.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from mushroom_assets.domain.card import Card, verdict_text
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.markdown import plain
from mushroom_assets.domain.report import SEVERITY, growth_text, is_trained
from mushroom_assets.domain.ribbon import Ribbon
from mushroom_assets.domain.setpoints import change_text
from mushroom_assets.domain.texts import quantity_name, say, share_text
from mushroom_assets.domain.windows import to_us
from mushroom_assets.domain.written_down import NOTES_SHOWN
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.contact_sheet import Draw, room_pictures
from mushroom_assets.metadata.links import link, room_link
from mushroom_assets.metadata.pictures import inline

# Characters of all pictures of a day. A card has 30,000 of ribbons and 20,000 of photos; a dozen
# rooms have both; if there are more rooms, those with the gravest verdicts have them.
PICTURES = 700_000
APART = ("peers", "images")  # parts of a card in an entry of their own
SHOWN_AT_ONCE = 900  # characters; the UI hides Markdown of 1,000 and more behind a click


def report_metadata(
    cards: Sequence[Card],
    farm: Farm,
    newest: dt.date,
    ribbons: Mapping[str, Sequence[Ribbon]] | None = None,
    draw: Draw | None = None,
) -> Metadata:
    """One day of `daily_room_report`: an overview, the cards, each room at a glance, and counts.

    Args:
        cards: the day's, in the order of the rooms.
        farm: its language, and the words in force in each room.
        newest: the newest day that has a report: the asset's first page shows the latest run,
            whatever its day.
        ribbons: the day's course by room; without it the cards are words and numbers alone.
        draw: small camera pictures by path; without it the cards have none.
    """
    worst_first = sorted(cards, key=lambda card: -SEVERITY.index(card.verdict))
    pictures = _pictures(worst_first, farm, ribbons or {}, draw)
    shown: Metadata = {}
    if newest > cards[0].room_day.day:
        shown["newest"] = dg.MetadataValue.md(_link(newest, farm))
    lines = [_line(card, farm) for card in worst_first]
    shown["overview"] = dg.MetadataValue.md("\n".join(lines))
    for card in worst_first:
        shown |= _written(card, pictures.get(card.room_day.room_id), farm)
    for card in worst_first:
        rules = farm.on(card.room_day.room_id, card.room_day.day)
        shown[f"room_{card.room_day.room_id}"] = dg.MetadataValue.md(_glance(card, rules))
    shown["dagster/partition_row_count"] = len(cards)
    verdicts = Counter(card.verdict for card in cards)
    return shown | {verdict: verdicts[verdict] for verdict in SEVERITY}


def _line(card: Card, farm: Farm) -> str:
    """`**611** ‼ act: CO2 in its band of 1500 to 3800 ppm for 30% of the known time`."""
    day = card.room_day
    room = room_link(plain(day.room_id), day.room_id, day.day)
    told = f"- **{room}** {verdict_text(card.verdict, farm)}"
    if not card.reasons:
        return told
    return f"{told}{say('colon', farm)}{card.reasons[0]['text']}"


def _glance(card: Card, farm: Farm) -> str:
    """A room in few words: verdict, why, time in range, what was moved."""
    day = card.room_day
    moves = sorted(day.changes, key=lambda row: row["changed_at"])
    lines = [f"**{verdict_text(card.verdict, farm)}** {growth_text(day, farm)}", ""]
    lines += [f"- {reason['text']}" for reason in card.reasons]
    lines += _in_band(card, farm)
    if day.notes:
        lines.append(f"- {say('notes', farm, count=len(day.notes))}")
    lines.append(f"- {say('changes', farm, count=len(moves))}")
    told = "\n".join(lines)
    for number, row in enumerate(moves):
        line = f"\n    - {row['changed_at'].astimezone(farm.zone):%H:%M} {change_text(row, farm)}"
        if len(told) + len(line) > SHOWN_AT_ONCE:
            return f"{told}\n    - {say('more', farm, count=len(moves) - number)}"
        told += line
    return told


def _in_band(card: Card, farm: Farm) -> list[str]:
    """A line with each quantity's time in its band; none where no quantity has one."""
    known = {row["quantity"]: row["in_range"] for row in card.room_day.statistics}
    judged = [name for name in farm.units() if known.get(name) is not None]
    shares = [f"{quantity_name(name, farm)} {share_text(known[name])}" for name in judged]
    told = say("comma", farm).join(shares)
    return [f"- {say('in_range_short', farm)} {told}"] if shares else []


def _link(day: dt.date, farm: Farm) -> str:
    return say("newest", farm, link=link(f"{day}", "daily_room_report", f"{day}"))


class Pictures(NamedTuple):
    """Markdown of a room's pictures: the day's course, and photos."""

    course: str
    photos: str


def _pictures(
    cards: Sequence[Card], farm: Farm, ribbons: Mapping[str, Sequence[Ribbon]], draw: Draw | None
) -> dict[str, Pictures]:
    """The pictures of as many rooms as `PICTURES` has room for."""
    found: dict[str, Pictures] = {}
    left = PICTURES
    for card in cards:
        day = card.room_day
        if day.room_id not in ribbons:
            continue
        # Brings matplotlib: half a second
        from mushroom_assets.metadata.plots import ribbons as drawing

        rules = farm.on(day.room_id, day.day)
        noted = [to_us(note.noted_at) for note in day.notes[:NOTES_SHOWN]]
        drawn = drawing.card(ribbons[day.room_id], rules, noted, day.picked_kg)
        course = inline(drawn, f"{day.room_id} {day.day}")
        photos = ""
        if draw:
            photos = room_pictures(day.images, farm, draw, trained=is_trained(day))
        left -= len(course) + len(photos)
        if left < 0:
            break
        found[day.room_id] = Pictures(course, photos)
    return found


def _written(card: Card, pictures: Pictures | None, farm: Farm) -> Metadata:
    """The two entries of a room: its card, and what earlier batches and the cameras say to it."""
    room = card.room_day.room_id
    above = pictures.course if pictures else f"*{say('not_drawn', farm)}*"
    below = pictures.photos if pictures else ""
    first = [part for name, part in card.parts.items() if name not in APART]
    more = [card.parts[name] for name in APART]
    return {
        f"card_{room}": dg.MetadataValue.md("\n\n".join([above, *first])),
        f"more_{room}": dg.MetadataValue.md("\n\n".join(filter(None, [*more, below]))),
    }
