"""A room's day on a card: the report's Markdown, in the farm's language.

What the verdict is, `report` says.

In the manner of the ambulatory glucose profile: the verdict and why, the numbers, what was moved
and what followed, how earlier batches did at the same age, and what the cameras saw. Pictures are
put between the parts by `metadata`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.report import (
    ALIKE_FROM,
    Likeness,
    RoomDay,
    Rows,
    Verdict,
    growth_text,
    judge,
)
from mushroom_assets.domain.setpoints import change_text
from mushroom_assets.domain.texts import decimals, number_text, quantity_name, say, share_text

EVENTS_SHOWN = 12  # setpoint moves; 5-10 a room and day are usual
PEERS_SHOWN = 3  # earlier batches
NOTHING = (None, None)  # is known of what followed
MARKS = {"good": "✓", "watch": "!", "act": "‼", "insufficient_data": "?"}


@dataclass(frozen=True)
class Card:
    """The report of one room and day.

    `parts` are Markdown: `head`, `statistics`, `changes`, `peers` and `images`, in the order in
    which they are read.
    """

    room_day: RoomDay
    verdict: Verdict
    reasons: Sequence[dict[str, Any]]
    parts: Mapping[str, str]

    def row(self) -> dict[str, Any]:
        """The row of `daily_room_report`, but for run_id and computed_at."""
        return {
            "stat_date": self.room_day.day,
            "room_id": self.room_day.room_id,
            "verdict": self.verdict,
            "reasons": self.reasons,
            "summary_md": "\n\n".join(self.parts.values()),
        }


def card(room_day: RoomDay, farm: Farm) -> Card:
    """Judge a room's day and put it into words."""
    verdict, reasons = judge(room_day, farm)
    parts = {
        "head": _head(room_day, verdict, reasons, farm),
        "statistics": _statistics(room_day, farm),
        "changes": _changes(room_day, farm),
        "peers": _peers(room_day, verdict, farm),
        "images": _images(room_day, farm),
    }
    return Card(room_day, verdict, reasons, parts)


def verdict_text(verdict: Verdict, farm: Farm) -> str:
    """The verdict with a mark that is seen without reading."""
    return f"{MARKS[verdict]} {say(verdict, farm)}"


def _head(
    room_day: RoomDay, verdict: Verdict, reasons: Sequence[dict[str, Any]], farm: Farm
) -> str:
    told = verdict_text(verdict, farm)
    title = say("room", farm, room=room_day.room_id, day=room_day.day, verdict=told)
    lines = [f"### {title}", "", growth_text(room_day, farm), ""]
    lines += [f"- {reason['text']}" for reason in reasons] or [
        f"- {say('all_good', farm, limit=farm.report.watch_below)}"
    ]
    return "\n".join(lines)


def _statistics(room_day: RoomDay, farm: Farm) -> str:
    lines = [say("columns", farm), "|---|---|---|---|---|---|"]
    places = {quantity: place for place, quantity in enumerate(farm.units())}
    for row in sorted(
        room_day.statistics, key=lambda row: places.get(row["quantity"], len(places))
    ):
        unit = row["unit"]
        shown_to = decimals(row["quantity"], unit, farm)
        numbers = [number_text(row[name], shown_to, unit) for name in ("mean", "min", "max")]
        shares = [share_text(row["in_range"]), share_text(row["coverage"])]
        lines.append(_line(quantity_name(row["quantity"], farm), *numbers, *shares))
    return "\n".join(lines)


def _changes(room_day: RoomDay, farm: Farm) -> str:
    """The moves in time, each with the means of the hour before and after."""
    changes = room_day.changes
    title = f"**{say('changes', farm, count=len(changes))}**"
    if not changes:
        return title
    effects = room_day.effects or [{} for _ in changes]
    told = sorted(zip(changes, effects, strict=True), key=lambda pair: pair[0]["changed_at"])
    names = [
        name
        for name in farm.quantities
        if any(effect.get(name, NOTHING) != NOTHING for effect in effects)
    ]
    headings = [f"{quantity_name(name, farm)} {farm.units()[name]}" for name in names]
    heading = _line(say("time", farm), say("move", farm), *headings)
    lines = [title, "", heading, "|---" * (2 + len(names)) + "|"]
    for row, effect in told[:EVENTS_SHOWN]:
        followed = [_followed(name, effect.get(name, NOTHING), farm) for name in names]
        lines.append(
            _line(
                f"{row['changed_at'].astimezone(farm.zone):%H:%M}",
                change_text(row, farm),
                *followed,
            )
        )
    if len(changes) > EVENTS_SHOWN:
        lines += ["", say("more", farm, count=len(changes) - EVENTS_SHOWN)]
    return "\n".join([*lines, "", say("followed", farm)] if names else lines)


def _followed(name: str, means: tuple[float | None, float | None], farm: Farm) -> str:
    """`18.4 → 18.0`."""
    places = decimals(name, farm.units()[name], farm)
    return " → ".join(number_text(mean, places) for mean in means)


def _images(room_day: RoomDay, farm: Farm) -> str:
    lines = [_seen(room_day, farm)]
    # Random weights see little but the light: of 694 rendered pictures those most alike were no
    # nearer in growth day (7 days apart in the middle) than any two (8).
    alike = room_day.alike
    if alike is not None and room_day.images_trained and alike.similarity >= ALIKE_FROM:
        lines += ["", _alike(alike, farm)]
    return "\n".join(lines)


def _seen(room_day: RoomDay, farm: Farm) -> str:
    images = room_day.images
    if not images:
        return say("no_images", farm)
    stages = Counter(image["stage"] for image in images if image["stage"])
    if not room_day.images_trained or not stages:
        return say("untrained", farm, count=len(images))
    stage = stages.most_common(1)[0][0]
    label = farm.vision.stages.get(stage)
    named = farm.say(label.text) if label else None
    return say("images", farm, count=len(images), stage=named or stage)


def _alike(alike: Likeness, farm: Farm) -> str:
    details = [say("alike_similarity", farm, similarity=alike.similarity)]
    if alike.growth_day is not None:
        details.insert(0, say("alike_growth", farm, day=alike.growth_day))
    if alike.verdict is not None:
        details.append(say("alike_verdict", farm, verdict=say(alike.verdict, farm)))
    told = say("comma", farm).join(details)
    return say("alike", farm, room=alike.room_id, day=alike.day, details=told)


def _peers(room_day: RoomDay, verdict: Verdict, farm: Farm) -> str:
    """The day next to earlier batches at the same growth day: its own room's first, then the latest
    elsewhere.
    """
    own = next(iter(room_day.statistics), None)
    if own is None or own["growth_day"] is None:
        return say("no_peers_without_batch", farm)
    days: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    for row in room_day.peers:
        days.setdefault((row["room_id"], row["batch_date"]), []).append(row)
    latest = sorted(days.items(), key=lambda item: item[0][1], reverse=True)
    chosen = sorted(latest, key=lambda item: item[0][0] != room_day.room_id)[:PEERS_SHOWN]
    if not chosen:
        return say("no_peers", farm, day=own["growth_day"])
    names = list(farm.quantities)
    headings = [f"{quantity_name(name, farm)} {farm.units()[name]}" for name in names]
    lines = [
        f"**{say('peers', farm, day=own['growth_day'])}**",
        "",
        _line(
            say("batch_heading", farm),
            say("room_heading", farm),
            say("verdict_heading", farm),
            *headings,
        ),
        "|---" * (3 + len(names)) + "|",
        _line(
            own["batch_date"],
            room_day.room_id,
            say(verdict, farm),
            *_means(room_day.statistics, names, farm),
        ),
    ]
    for (room, batch), rows in chosen:
        told = rows[0]["verdict"]
        verdict_told = say(told, farm) if told else "–"
        lines.append(_line(batch, room, verdict_told, *_means(rows, names, farm)))
    return "\n".join(lines)


def _means(rows: Rows, names: Sequence[str], farm: Farm) -> list[str]:
    """Mean and share in range of each quantity: `18.4, 97%`; a dash where too little of the day is
    known.
    """
    by_name = {row["quantity"]: row for row in rows if row["coverage"] >= farm.report.min_coverage}
    cells = []
    for name in names:
        row = by_name.get(name)
        if row is None or row["mean"] is None:
            cells.append("–")
            continue
        mean = number_text(row["mean"], decimals(name, row["unit"], farm))
        cells.append(mean if row["in_range"] is None else f"{mean}, {share_text(row['in_range'])}")
    return cells


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
