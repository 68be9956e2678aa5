"""What speaks against a room's day, and the verdict of it: `good`, `watch`, `act` or unknown.

The thresholds are the farm file's `report`. What is known of the day is in `report`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from mushroom_assets.domain.environment import DailyEnvStats
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Band
from mushroom_assets.domain.origin import may_judge
from mushroom_assets.domain.report import SEVERITY, Reason, RoomDay, Verdict, growth_text
from mushroom_assets.domain.texts import (
    at_least,
    at_most,
    duration_text,
    quantity_name,
    say,
    texts,
)
from mushroom_assets.domain.vision import UNKNOWN

UNWANTED = ("suspect", "condition")  # reasons whose share is of what is not wanted
INTAKE = 1  # the growth day on which the bags come in, in the afternoon
Numbers = Mapping[str, Any]


def assess(room_day: RoomDay, farm: Farm) -> tuple[Verdict, list[Reason]]:
    """The verdict and its reasons, the most serious first.

    The verdict is that of the worst reason. `insufficient_data` is one: a quantity with a target is
    known for less than `min_coverage` of the day, or there is no target to judge by. On the day of
    intake, and when the batch is over, the room is not judged by bands.
    """
    reasons = [*_climate_reasons(room_day, farm), *_image_reasons(room_day, farm)]
    reasons.sort(key=lambda reason: -SEVERITY.index(reason["severity"]))
    verdict = reasons[0]["severity"] if reasons else "good"
    return verdict, reasons


def unjudged(room_day: RoomDay) -> str | None:
    """The text's key for why a day is not judged by bands: `intake` or `empty_room`; else None."""
    first = next(iter(room_day.statistics), None)
    if first is None or first["growth_day"] is None:
        return None
    if first["growth_day"] == INTAKE:
        return "intake"
    return None if first["is_growth_phase"] else "empty_room"


def _climate_reasons(room_day: RoomDay, farm: Farm) -> list[Reason]:
    found: list[Reason] = []
    is_judged = unjudged(room_day) is None
    has_target = False
    for row in room_day.statistics:
        band = _target(row, farm) if is_judged else None
        if band is None and row["quantity"] not in farm.quantities:
            continue
        has_target = has_target or band is not None
        found += _quantity_reasons(row, band, farm)
    if is_judged and not has_target:
        growth = growth_text(room_day, farm)
        found.append(_reason(farm, "insufficient_data", "no_target", {"growth": growth}))
    return found


def _target(row: DailyEnvStats, farm: Farm) -> Band | None:
    """The band that a row can be judged by: none where its statistics were made without one."""
    if row["mean"] is not None and row["in_range"] is None:
        return None
    return farm.band(row["quantity"], row["growth_day"])


def _quantity_reasons(row: DailyEnvStats, band: Band | None, farm: Farm) -> list[Reason]:
    rules = farm.report
    about = {"quantity": row["quantity"]}
    lacking: Verdict = "watch" if band is None else "insufficient_data"
    found = [] if band is None else _band_reasons(row, band, farm)
    if row["mean"] is None:
        found.append(_reason(farm, lacking, "no_samples", about))
    elif row["coverage"] < rules.min_coverage:
        known = {"share": row["coverage"], "limit": rules.min_coverage}
        found.append(_reason(farm, lacking, "coverage", about | known))
    delivered = row["sample_count"] + row["rejected_count"]
    doubtful = row["suspect_count"] + row["rejected_count"]
    if delivered and doubtful / delivered > rules.watch_suspect_share:
        share = {"share": doubtful / delivered}
        found.append(_reason(farm, "watch", "suspect", about | share))
    return found


def _band_reasons(row: DailyEnvStats, band: Band, farm: Farm) -> list[Reason]:
    """How far and how long a quantity was outside its band, if that matters.

    A share is of the known time, and says little where little is known; what was felt outside, in
    band widths times hours, was felt whatever else is known.
    """
    rules = farm.report
    share = row["in_range"]
    if share is None:
        return []
    is_known = row["coverage"] >= rules.min_coverage
    out_hours = (row["out_integral"] or 0.0) / ((band[1] - band[0]) or 1.0)
    severity: Verdict = "good"
    if (is_known and share < rules.act_below) or out_hours > rules.act_out_hours:
        severity = "act"
    elif (is_known and share < rules.watch_below) or out_hours > rules.watch_out_hours:
        severity = "watch"
    if severity == "good":
        return []
    values = {"quantity": row["quantity"], "share": share, "low": band[0], "high": band[1]}
    values["unit"] = row["unit"]
    for name in ("below", "above", "longest_out_s", "out_integral"):
        if row.get(name) is not None:
            values[name] = cast("Numbers", row)[name]
    return [_reason(farm, severity, "in_range", values)]


def _outside(values: Numbers, farm: Farm) -> str:
    """`28% above, longest 7 h 12 min`, with what parts it from the sentence before."""
    sides = [side for side in ("below", "above") if values.get(side)]
    parts = [say(f"out_{side}", farm, share=at_least(values[side])) for side in sides]
    if values.get("longest_out_s"):
        parts.append(say("longest_out", farm, time=duration_text(values["longest_out_s"], farm)))
    told = say("comma", farm).join(parts)
    return say("outside", farm, parts=told) if told else ""


def _image_reasons(room_day: RoomDay, farm: Farm) -> list[Reason]:
    images = room_day.images
    if not images:
        return []
    found = []
    usable = [image for image in images if image["status"] == "ok"]
    broken = len(images) - len(usable)
    if broken / len(images) > farm.report.watch_unreadable_share:
        counts = {"count": broken, "total": len(images)}
        found.append(_reason(farm, "watch", "unreadable", counts))
    if room_day.model_id is not None and may_judge(room_day.model_id, usable, farm):
        shares = condition_shares([image["condition"] for image in usable])
        found += _condition_reasons(shares, room_day, farm)
    return found


def condition_shares(conditions: Sequence[str | None]) -> dict[str, float]:
    """The share of images that show each condition, the commonest first."""
    counts = Counter(conditions).most_common()
    return {name: count / len(conditions) for name, count in counts if name is not None}


def _condition_reasons(shares: Mapping[str, float], room_day: RoomDay, farm: Farm) -> list[Reason]:
    """Conditions that too many images show; in a room without a crop contagious ones alone."""
    found = []
    is_cropped = unjudged(room_day) is None
    for condition, share in shares.items():
        label = farm.vision.conditions.get(condition)
        is_contagious = label is not None and label.contagious
        is_sound = condition in (farm.vision.sound, UNKNOWN)
        if is_sound or share <= farm.report.watch_condition_share:
            continue
        if is_cropped or is_contagious:
            is_act = is_contagious and _spreads(condition, share, room_day, farm)
            name = farm.say(label.text) if label else None
            values = {"condition": name or condition, "share": share}
            severity: Verdict = "act" if is_act else "watch"
            found.append(_reason(farm, severity, "condition", values))
    return found


def _spreads(condition: str, share: float, room_day: RoomDay, farm: Farm) -> bool:
    """Whether most images show it, or many on two days running."""
    before = room_day.conditions_before.get(condition, 0.0)
    rules = farm.report
    return share > rules.act_condition_share or before > rules.watch_condition_share


def _reason(farm: Farm, severity: Verdict, code: str, values: Numbers) -> Reason:
    text = say(code, farm, **_told(code, values, farm))
    return cast("Reason", {"severity": severity, "code": code, **values, "text": text})


def reason_text(reason: Numbers, farm: Farm) -> str:
    """A stored reason in the farm's language, which may not be that in which it was stored.

    The stored text of one whose code or numbers are not known any more.
    """
    code = reason.get("code", "")
    if code not in texts():
        return str(reason["text"])
    try:
        return say(code, farm, **_told(code, reason, farm))
    except KeyError:
        return str(reason["text"])


def _told(code: str, values: Numbers, farm: Farm) -> dict[str, Any]:
    """The values of a reason as its text tells them."""
    told = dict(values)
    told["quantity"] = quantity_name(values.get("quantity", ""), farm)
    if "share" in values:
        told["share"] = (at_least if code in UNWANTED else at_most)(values["share"])
    if code == "in_range":
        told["outside"] = _outside(values, farm)
    if "condition" in values:
        told["condition"] = _condition_name(values["condition"], farm)
    return told


def _condition_name(stored: str, farm: Farm) -> str:
    """What people call a condition that is stored by its key or by its name in any language."""
    for key, label in farm.vision.conditions.items():
        names = label.text.values() if isinstance(label.text, dict) else (label.text,)
        if stored in (key, *names):
            return farm.say(label.text) or key
    return stored
