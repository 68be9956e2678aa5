"""The room's day with a verdict: what was in range, what changed, what the cameras saw, how far to trust it.

Every text is in the farm's language. Rows come in as frames of the result tables; nothing is read or written here.
"""

import datetime as dt
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.setpoints import change_text
from mushroom_assets.domain.texts import number_text, quantity_name, share_text, text

Verdict = Literal["good", "watch", "act", "insufficient_data"]
SEVERITY: tuple[Verdict, ...] = ("good", "watch", "act", "insufficient_data")  # the worst reason decides
EVENTS_SHOWN = 12  # setpoint moves listed in the summary; 5-10 a room and day are usual


Rows = Sequence[dict[str, Any]]
# Cosine of two days' mean vectors from which they are called alike. The nearest past day of a room in a stage that no
# other room was in lay at 0.27 to 0.31 in the simulated plant, with growth days 11 to 21 apart.
ALIKE_FROM = 0.5


@dataclass(frozen=True)
class Likeness:
    """The past room day whose images looked most like a day's; `similarity` is a cosine, `verdict` its report's."""

    room_id: str
    day: dt.date
    similarity: float
    growth_day: int | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class RoomDay:
    """What is known of one room and day: rows of the three result tables, in key order, and the past day most like it.

    `images` are those of one model; `images_trained` says whether its labels and its vectors mean anything.
    """

    room_id: str
    day: dt.date
    statistics: Rows
    changes: Rows
    images: Rows
    images_trained: bool
    alike: Likeness | None = None


def report(room_day: RoomDay, farm: Farm) -> dict[str, Any]:
    """The row of `daily_room_report`, but for run_id and computed_at.

    `insufficient_data` where a quantity with a target is known for less than `min_coverage` of the day, or where there
    is no target to judge by; else the worst of its reasons.
    """
    reasons = sorted(_reasons(room_day, farm), key=lambda reason: -SEVERITY.index(reason["severity"]))
    verdict: Verdict = reasons[0]["severity"] if reasons else "good"
    return {
        "stat_date": room_day.day,
        "room_id": room_day.room_id,
        "verdict": verdict,
        "reasons": reasons,
        "summary_md": _summary(room_day, verdict, reasons, farm),
    }


def _reasons(room_day: RoomDay, farm: Farm) -> list[dict[str, Any]]:
    rules, language = farm.report, farm.language
    found: list[dict[str, Any]] = []

    def add(severity: Verdict, code: str, **values: Any) -> None:
        shown = {**values, "quantity": quantity_name(values.get("quantity", ""), language)}
        found.append({"severity": severity, "code": code, **values, "text": text(code, language).format(**shown)})

    targets = 0
    for row in room_day.statistics:
        quantity, band = row["quantity"], farm.band(row["quantity"], row["growth_day"])
        if row["sample_count"] and row["in_range"] is None:
            band = None  # the statistics were made without a band: they cannot be judged by one
        if band is None and quantity not in farm.quantities:
            continue
        targets += band is not None
        lacking: Verdict = "insufficient_data" if band is not None else "watch"
        if row["sample_count"] == 0:
            add(lacking, "no_samples", quantity=quantity)
        elif row["coverage"] < rules.min_coverage:
            add(lacking, "coverage", quantity=quantity, share=row["coverage"], limit=rules.min_coverage)
        elif band is not None and row["in_range"] < rules.watch_below:
            severity: Verdict = "act" if row["in_range"] < rules.act_below else "watch"
            add(
                severity,
                "in_range",
                quantity=quantity,
                share=row["in_range"],
                low=band[0],
                high=band[1],
                unit=row["unit"],
            )
        if row["sample_count"] and row["suspect_count"] / row["sample_count"] > rules.watch_suspect_share:
            add("watch", "suspect", quantity=quantity, share=row["suspect_count"] / row["sample_count"])
    if not targets:
        add("insufficient_data", "no_target", growth=_growth_text(room_day, farm))
    _image_reasons(room_day, farm, add)
    return found


def _image_reasons(room_day: RoomDay, farm: Farm, add: Callable[..., None]) -> None:
    images = room_day.images
    if not images:
        return
    judged = [image for image in images if image["status"] == "ok"]
    broken = len(images) - len(judged)
    if broken / len(images) > farm.report.watch_unreadable_share:
        add("watch", "unreadable", count=broken, total=len(images))
    if not room_day.images_trained:
        return
    for condition, count in Counter(image["condition"] for image in judged).most_common():
        share = count / len(judged)
        if condition not in ("healthy", "unknown") and share > farm.report.watch_condition_share:
            label = farm.vision.conditions.get(condition)
            name = farm.say(label.text) if label else None
            add("watch", "condition", condition=name or condition, share=share)


def _summary(room_day: RoomDay, verdict: Verdict, reasons: Sequence[dict[str, Any]], farm: Farm) -> str:
    say = functools.partial(text, language=farm.language)
    title = say("room").format(room=room_day.room_id, day=room_day.day, verdict=say(verdict))
    lines = [f"### {title}", "", _growth_text(room_day, farm), ""]
    lines += [f"- {reason['text']}" for reason in reasons] or [
        f"- {say('all_good').format(limit=farm.report.watch_below)}"
    ]
    lines += ["", say("columns"), "|---|---|---|---|---|---|"]
    places = {quantity: place for place, quantity in enumerate(farm.units())}
    for row in sorted(room_day.statistics, key=lambda row: places.get(row["quantity"], len(places))):
        numbers = [number_text(row[name], row["unit"]) for name in ("mean", "min", "max")]
        shares = [share_text(row["in_range"]), share_text(row["coverage"])]
        lines.append("| " + " | ".join([quantity_name(row["quantity"], farm.language), *numbers, *shares]) + " |")
    return "\n".join([*lines, "", *_change_lines(room_day, farm), "", *_image_lines(room_day, farm)])


def _change_lines(room_day: RoomDay, farm: Farm) -> list[str]:
    say, changes = functools.partial(text, language=farm.language), room_day.changes
    lines = [say("changes").format(count=len(changes))]
    for row in sorted(changes, key=lambda change: change["changed_at"])[:EVENTS_SHOWN]:
        lines.append(f"- {row['changed_at'].astimezone(farm.zone):%H:%M} {change_text(row, farm)}")
    if len(changes) > EVENTS_SHOWN:
        lines.append(f"- {say('more').format(count=len(changes) - EVENTS_SHOWN)}")
    return lines


def _image_lines(room_day: RoomDay, farm: Farm) -> list[str]:
    lines = [_image_line(room_day, farm)]
    # Random weights see little but the light: of 694 rendered pictures those most alike were no nearer in growth day
    # (7 days apart in the middle) than any two (8).
    alike = room_day.alike
    if alike is not None and room_day.images_trained and alike.similarity >= ALIKE_FROM:
        lines += ["", _alike_line(alike, farm)]
    return lines


def _alike_line(alike: Likeness, farm: Farm) -> str:
    say = functools.partial(text, language=farm.language)
    details = [say("alike_similarity").format(similarity=alike.similarity)]
    if alike.growth_day is not None:
        details.insert(0, say("alike_growth").format(day=alike.growth_day))
    if alike.verdict is not None:
        details.append(say("alike_verdict").format(verdict=say(alike.verdict)))
    return say("alike").format(room=alike.room_id, day=alike.day, details=say("comma").join(details))


def _image_line(room_day: RoomDay, farm: Farm) -> str:
    say, images = functools.partial(text, language=farm.language), room_day.images
    if not images:
        return say("no_images")
    stages = Counter(image["stage"] for image in images if image["stage"])
    if not room_day.images_trained or not stages:
        return say("untrained").format(count=len(images))
    stage = stages.most_common(1)[0][0]
    label = farm.vision.stages.get(stage)
    return say("images").format(count=len(images), stage=(farm.say(label.text) if label else None) or stage)


def _growth_text(room_day: RoomDay, farm: Farm) -> str:
    say = functools.partial(text, language=farm.language)
    first = next(iter(room_day.statistics), None)
    if first is None or first["growth_day"] is None:
        return say("no_batch")
    return say("growth").format(day=first["growth_day"], batch=first["batch_date"])
