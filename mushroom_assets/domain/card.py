"""A room's day on a card: the report's Markdown, in the farm's language.

`report` decides the verdict. Pictures are put between the parts by `metadata`.

A card is made in the manner of the ambulatory glucose profile: the verdict and why, the numbers,
what was moved and what followed, how earlier batches did at the same age, and what the cameras saw.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mushroom_assets.domain.environment import DailyEnvStats
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.names import REPORT
from mushroom_assets.domain.origin import may_judge, origin_text
from mushroom_assets.domain.peers import RoomAge, quoted
from mushroom_assets.domain.report import (
    ALIKE_FROM,
    EVENTS_SHOWN,
    DailyRoomReport,
    Likeness,
    Means,
    Reason,
    RoomDay,
    Verdict,
    first_moves,
    growth_text,
    is_trained,
)
from mushroom_assets.domain.setpoints import change_text
from mushroom_assets.domain.texts import (
    decimals,
    duration_text,
    number_text,
    quantity_name,
    say,
    share_text,
)
from mushroom_assets.domain.verdict import assess, unjudged
from mushroom_assets.domain.vision import label_text
from mushroom_assets.domain.written_down import harvests_told, notes_told

NOTHING: Means = (None, None)  # nothing is known of what followed
MARKS = {"good": "✓", "watch": "!", "act": "‼", "insufficient_data": "?"}


@dataclass(frozen=True)
class Card:
    """The report of one room and day.

    `parts` are Markdown: `head`, `statistics`, `changes`, `peers` and `images`, in the order in
    which they are read. After `changes` come `notes` and `harvest` where there are any.
    `settings_version` is the newest setting that they were made with.
    """

    room_day: RoomDay
    verdict: Verdict
    reasons: Sequence[Reason]
    parts: Mapping[str, str]
    settings_version: int = 0

    def row(self) -> DailyRoomReport:
        """The row of `daily_room_report`."""
        return {
            "stat_date": self.room_day.day,
            "room_id": self.room_day.room_id,
            "verdict": self.verdict,
            "reasons": self.reasons,
            "summary_md": "\n\n".join(self.parts.values()),
            "settings_version": self.settings_version,
        }


def card(room_day: RoomDay, farm: Farm) -> Card:
    """Judge a room's day and put it into words, by the farm that is in force."""
    verdict, reasons = assess(room_day, farm)
    parts = {
        "head": _head(room_day, verdict, reasons, farm),
        "statistics": _statistics(room_day, farm),
        "changes": _changes(room_day, farm),
        **_written_down(room_day, farm),
        "peers": _peers(room_day, farm),
        "images": _images(room_day, farm),
    }
    return Card(room_day, verdict, reasons, parts, farm.settings_version(REPORT))


def verdict_text(verdict: Verdict, farm: Farm) -> str:
    """The verdict with a mark that is seen without reading."""
    return f"{MARKS[verdict]} {say(verdict, farm)}"


def _head(room_day: RoomDay, verdict: Verdict, reasons: Sequence[Reason], farm: Farm) -> str:
    judged = verdict_text(verdict, farm)
    title = say("room", farm, room=room_day.room_id, day=room_day.day, verdict=judged)
    told = [reason["text"] for reason in reasons]
    why = unjudged(room_day)
    if why is not None:
        told.append(say(why, farm))
    if not told:
        told = [say("all_good", farm, limit=farm.report.watch_below)]
    points = [f"- {line}" for line in told]
    return "\n".join([f"### {title}", "", growth_text(room_day, farm), "", *points])


def _statistics(room_day: RoomDay, farm: Farm) -> str:
    places = {quantity: place for place, quantity in enumerate(farm.units())}

    def place(row: DailyEnvStats) -> int:
        return places.get(row["quantity"], len(places))

    lines = [say("columns", farm), "|---|---|---|---|---|---|"]
    for row in sorted(room_day.statistics, key=place):
        unit = row["unit"]
        shown_to = decimals(row["quantity"], unit, farm)
        cells = [
            quantity_name(row["quantity"], farm),
            number_text(row["mean"], shown_to, unit),
            number_text(row["min"], shown_to, unit),
            number_text(row["max"], shown_to, unit),
            share_text(row["in_range"]),
            share_text(row["coverage"]),
        ]
        lines.append(_line(*cells))
    told = [_wetness(room_day, farm), _moves(room_day, farm), _spreads(room_day, farm)]
    return "\n".join([*lines, *(f"\n{line}" for line in told if line)])


def _wetness(room_day: RoomDay, farm: Farm) -> str:
    """How long the room was wet, if it was."""
    wet = [row["wet_hours"] for row in room_day.statistics if row["wet_hours"]]
    return say("wet", farm, time=duration_text(3600 * wet[0], farm)) if wet else ""


def _measured(room_day: RoomDay, farm: Farm) -> list[DailyEnvStats]:
    """The rows of the measured quantities, in the farm's order."""
    rows = {row["quantity"]: row for row in room_day.statistics}
    return [rows[name] for name in farm.quantities if name in rows]


def _moves(room_day: RoomDay, farm: Farm) -> str:
    """The steepest rise and fall of an hour of each quantity: `temperature +1.2 −0.8 °C`."""
    parts = []
    for row in _measured(room_day, farm):
        rise = row["steepest_rise"]
        fall = row["steepest_fall"]
        if rise is not None and fall is not None:
            places = decimals(row["quantity"], row["unit"], farm)
            name = quantity_name(row["quantity"], farm)
            parts.append(f"{name} +{rise:.{places}f} −{fall:.{places}f} {row['unit']}")
    return say("steepest", farm, parts=say("comma", farm).join(parts)) if parts else ""


def _spreads(room_day: RoomDay, farm: Farm) -> str:
    """How far several sensors of a quantity differ: `temperature 0.4 °C`."""
    parts = []
    for row in _measured(room_day, farm):
        if row["spread"] is not None:
            places = decimals(row["quantity"], row["unit"], farm)
            apart = number_text(row["spread"], places, row["unit"])
            parts.append(f"{quantity_name(row['quantity'], farm)} {apart}")
    return say("sensors_differ", farm, parts=say("comma", farm).join(parts)) if parts else ""


def _changes(room_day: RoomDay, farm: Farm) -> str:
    """The moves in time, each with the means of the hour before and after."""
    changes = room_day.changes
    title = f"**{say('changes', farm, count=len(changes))}**"
    if not changes:
        return title
    moved = first_moves(changes)
    effects = room_day.effects or [{}] * len(moved)
    names = [name for name in farm.quantities if _is_known(name, effects)]
    lines = [
        title,
        "",
        _line(say("time", farm), say("move", farm), *_headings(names, farm)),
        _rule(2 + len(names)),
    ]
    for change, effect in zip(moved, effects, strict=True):
        at = change["changed_at"].astimezone(farm.zone)
        followed = [_followed(name, effect.get(name, NOTHING), farm) for name in names]
        lines.append(_line(f"{at:%H:%M}", change_text(change, farm), *followed))
    if len(changes) > EVENTS_SHOWN:
        lines += ["", say("more", farm, count=len(changes) - EVENTS_SHOWN)]
    if names:
        lines += ["", say("followed", farm)]
    return "\n".join(lines)


def _is_known(name: str, effects: Sequence[Mapping[str, Means]]) -> bool:
    """Whether anything is known of a quantity before or after any of the moves."""
    return any(effect.get(name, NOTHING) != NOTHING for effect in effects)


def _followed(name: str, means: Means, farm: Farm) -> str:
    """`18.4 → 18.0`."""
    shown_to = decimals(name, farm.units()[name], farm)
    return " → ".join(number_text(mean, shown_to) for mean in means)


def _written_down(room_day: RoomDay, farm: Farm) -> dict[str, str]:
    """The parts that people wrote, where there are any."""
    parts = {}
    if room_day.notes:
        parts["notes"] = notes_told(room_day.notes, farm)
    if room_day.harvests:
        parts["harvest"] = harvests_told(room_day.harvests, room_day.day, farm)
    return parts


def _images(room_day: RoomDay, farm: Farm) -> str:
    lines = [_seen(room_day, farm)]
    usable = [image for image in room_day.images if image["status"] == "ok"]
    # Random weights see little but the light: among 694 rendered pictures, the most similar ones
    # were not nearer in growth day (7 days apart in the middle) than any two (8).
    sees = is_trained(room_day)
    if room_day.model_id is not None and sees and usable:
        told = [origin_text(room_day.model_id, usable, farm)]
        # To a model of drawings all photographs are alike: a palace and a retina 0.99
        sees = may_judge(room_day.model_id, usable, farm)
        if not sees:
            told.append(say("origin_not_judging", farm))
        lines += ["", say("sentence_gap", farm).join(told)]
    alike = room_day.alike
    if alike is not None and sees and alike.similarity >= ALIKE_FROM:
        lines += ["", _alike(alike, farm)]
    return "\n".join(lines)


def _seen(room_day: RoomDay, farm: Farm) -> str:
    count = len(room_day.images)
    if not count:
        return say("no_images", farm)
    stages = Counter(image["stage"] for image in room_day.images if image["stage"])
    if not is_trained(room_day) or not stages:
        return say("untrained", farm, count=count)
    commonest, _ = stages.most_common(1)[0]
    return say("images", farm, count=count, stage=label_text("stage", commonest, farm))


def _alike(alike: Likeness, farm: Farm) -> str:
    details = []
    if alike.growth_day is not None:
        details.append(say("alike_growth", farm, day=alike.growth_day))
    details.append(say("alike_similarity", farm, similarity=alike.similarity))
    told = say("comma", farm).join(details)
    return say("alike", farm, room=alike.room_id, day=alike.day, details=told)


def _peers(room_day: RoomDay, farm: Farm) -> str:
    """The day next to earlier batches at the same growth day."""
    own = next(iter(room_day.statistics), None)
    if own is None or own["growth_day"] is None:
        return say("no_peers_without_batch", farm)
    batches = _peer_batches(room_day)
    if not batches:
        return say("no_peers", farm, day=own["growth_day"])
    names = list(farm.quantities)
    headings = [say(f"{column}_heading", farm) for column in ("batch", "room")]
    own_means = _means(room_day.statistics, names, farm)
    lines = [
        f"**{say('peers', farm, day=own['growth_day'])}**",
        "",
        _line(*headings, *_headings(names, farm)),
        _rule(len(headings) + len(names)),
        _line(own["batch_date"], room_day.room_id, *own_means),
    ]
    for rows in batches:
        first = rows[0]
        means = _means(rows, names, farm)
        lines.append(_line(first["batch_date"], first["room_id"], *means))
    return "\n".join(lines)


def _peer_batches(room_day: RoomDay) -> list[list[DailyEnvStats]]:
    """The rows of the earlier batches that are shown."""
    of_age: dict[RoomAge, list[DailyEnvStats]] = {}
    for row in room_day.peers:
        of_age.setdefault(RoomAge.of(row), []).append(row)
    own = RoomAge.of(room_day.statistics[0])
    return [of_age[age] for age in quoted(own, of_age)]


def _means(rows: Sequence[DailyEnvStats], names: Sequence[str], farm: Farm) -> list[str]:
    """Mean and share in range of each quantity: `18.4, 97%`.

    A dash where too little of the day is known.
    """
    known = {row["quantity"]: row for row in rows if row["coverage"] >= farm.report.min_coverage}
    return [_mean(known.get(name), farm) for name in names]


def _mean(row: DailyEnvStats | None, farm: Farm) -> str:
    if row is None or row["mean"] is None:
        return "–"
    mean = number_text(row["mean"], decimals(row["quantity"], row["unit"], farm))
    return mean if row["in_range"] is None else f"{mean}, {share_text(row['in_range'])}"


def _headings(names: Sequence[str], farm: Farm) -> list[str]:
    return [f"{quantity_name(name, farm)} {farm.units()[name]}" for name in names]


def _rule(columns: int) -> str:
    return "|---" * columns + "|"


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
