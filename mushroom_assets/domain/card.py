"""A room's day on a card: the report's Markdown, in the farm's language.

What the verdict is, `report` says.

In the manner of the ambulatory glucose profile: the verdict and why, the numbers, what was moved
and what followed, how earlier batches did at the same age, and what the cameras saw. Pictures are
put between the parts by `metadata`.
"""

import functools
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
from mushroom_assets.domain.texts import DECIMALS, number_text, quantity_name, share_text, text

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
    return f"{MARKS[verdict]} {text(verdict, farm.language)}"


def _head(
    room_day: RoomDay, verdict: Verdict, reasons: Sequence[dict[str, Any]], farm: Farm
) -> str:
    say = functools.partial(text, language=farm.language)
    title = say("room").format(
        room=room_day.room_id, day=room_day.day, verdict=verdict_text(verdict, farm)
    )
    lines = [f"### {title}", "", growth_text(room_day, farm), ""]
    lines += [f"- {reason['text']}" for reason in reasons] or [
        f"- {say('all_good').format(limit=farm.report.watch_below)}"
    ]
    return "\n".join(lines)


def _statistics(room_day: RoomDay, farm: Farm) -> str:
    lines = [text("columns", farm.language), "|---|---|---|---|---|---|"]
    places = {quantity: place for place, quantity in enumerate(farm.units())}
    for row in sorted(
        room_day.statistics, key=lambda row: places.get(row["quantity"], len(places))
    ):
        numbers = [number_text(row[name], row["unit"]) for name in ("mean", "min", "max")]
        shares = [share_text(row["in_range"]), share_text(row["coverage"])]
        lines.append(_line(quantity_name(row["quantity"], farm.language), *numbers, *shares))
    return "\n".join(lines)


def _changes(room_day: RoomDay, farm: Farm) -> str:
    """The moves in time, each with the means of the hour before and after."""
    say, changes = functools.partial(text, language=farm.language), room_day.changes
    title = f"**{say('changes').format(count=len(changes))}**"
    if not changes:
        return title
    effects = room_day.effects or [{} for _ in changes]
    told = sorted(zip(changes, effects, strict=True), key=lambda pair: pair[0]["changed_at"])
    names = [
        name
        for name in farm.quantities
        if any(effect.get(name, NOTHING) != NOTHING for effect in effects)
    ]
    headings = [f"{quantity_name(name, farm.language)} {farm.units()[name]}" for name in names]
    lines = [title, "", _line(say("time"), say("move"), *headings), "|---" * (2 + len(names)) + "|"]
    for row, effect in told[:EVENTS_SHOWN]:
        followed = [_followed(effect.get(name, NOTHING), farm.units()[name]) for name in names]
        lines.append(
            _line(
                f"{row['changed_at'].astimezone(farm.zone):%H:%M}",
                change_text(row, farm),
                *followed,
            )
        )
    if len(changes) > EVENTS_SHOWN:
        lines += ["", say("more").format(count=len(changes) - EVENTS_SHOWN)]
    return "\n".join([*lines, "", say("followed")] if names else lines)


def _followed(means: tuple[float | None, float | None], unit: str) -> str:
    """`18.4 → 18.0`."""
    return " → ".join(
        "–" if mean is None else f"{mean:.{DECIMALS.get(unit, 2)}f}" for mean in means
    )


def _images(room_day: RoomDay, farm: Farm) -> str:
    lines = [_seen(room_day, farm)]
    # Random weights see little but the light: of 694 rendered pictures those most alike were no
    # nearer in growth day (7 days apart in the middle) than any two (8).
    alike = room_day.alike
    if alike is not None and room_day.images_trained and alike.similarity >= ALIKE_FROM:
        lines += ["", _alike(alike, farm)]
    return "\n".join(lines)


def _seen(room_day: RoomDay, farm: Farm) -> str:
    say, images = functools.partial(text, language=farm.language), room_day.images
    if not images:
        return say("no_images")
    stages = Counter(image["stage"] for image in images if image["stage"])
    if not room_day.images_trained or not stages:
        return say("untrained").format(count=len(images))
    stage = stages.most_common(1)[0][0]
    label = farm.vision.stages.get(stage)
    return say("images").format(
        count=len(images), stage=(farm.say(label.text) if label else None) or stage
    )


def _alike(alike: Likeness, farm: Farm) -> str:
    say = functools.partial(text, language=farm.language)
    details = [say("alike_similarity").format(similarity=alike.similarity)]
    if alike.growth_day is not None:
        details.insert(0, say("alike_growth").format(day=alike.growth_day))
    if alike.verdict is not None:
        details.append(say("alike_verdict").format(verdict=say(alike.verdict)))
    return say("alike").format(
        room=alike.room_id, day=alike.day, details=say("comma").join(details)
    )


def _peers(room_day: RoomDay, verdict: Verdict, farm: Farm) -> str:
    """The day next to earlier batches at the same growth day: its own room's first, then the latest
    elsewhere.
    """
    say = functools.partial(text, language=farm.language)
    own = next(iter(room_day.statistics), None)
    if own is None or own["growth_day"] is None:
        return say("no_peers_without_batch")
    days: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    for row in room_day.peers:
        days.setdefault((row["room_id"], row["batch_date"]), []).append(row)
    latest = sorted(days.items(), key=lambda item: item[0][1], reverse=True)
    chosen = sorted(latest, key=lambda item: item[0][0] != room_day.room_id)[:PEERS_SHOWN]
    if not chosen:
        return say("no_peers").format(day=own["growth_day"])
    names = list(farm.quantities)
    headings = [f"{quantity_name(name, farm.language)} {farm.units()[name]}" for name in names]
    lines = [
        f"**{say('peers').format(day=own['growth_day'])}**",
        "",
        _line(say("batch_heading"), say("room_heading"), say("verdict_heading"), *headings),
        "|---" * (3 + len(names)) + "|",
        _line(
            own["batch_date"],
            room_day.room_id,
            say(verdict),
            *_means(room_day.statistics, names, farm),
        ),
    ]
    for (room, batch), rows in chosen:
        told = rows[0]["verdict"]
        lines.append(_line(batch, room, say(told) if told else "–", *_means(rows, names, farm)))
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
        mean = f"{row['mean']:.{DECIMALS.get(row['unit'], 2)}f}"
        cells.append(mean if row["in_range"] is None else f"{mean}, {share_text(row['in_range'])}")
    return cells


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
