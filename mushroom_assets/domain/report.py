"""The room's day with a verdict: what was in range, what changed, what the cameras saw, how far to trust it.

Every text is in the farm's language. Rows come in as frames of the result tables; nothing is read or written here.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from mushroom_assets.domain.farm import Farm, Language

Verdict = Literal["good", "watch", "act", "insufficient_data"]
SEVERITY: tuple[Verdict, ...] = ("good", "watch", "act", "insufficient_data")  # the worst reason decides
EVENTS_SHOWN = 12  # setpoint moves listed in the summary; 5-10 a room and day are usual

TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "good": "good", "watch": "watch", "act": "act", "insufficient_data": "insufficient data",
        "room": "Room {room}, {day}: {verdict}", "growth": "growth day {day}, batch of {batch}", "no_batch": "no batch known",
        "no_samples": "no samples of {quantity}", "coverage": "{quantity} is known for {share:.0%} of the day only (at least {limit:.0%} needed)",
        "no_target": "no target band for this day: {growth}", "in_range": "{quantity} in its band of {low:g} to {high:g} {unit} for {share:.0%} of the known time",
        "suspect": "{share:.0%} of the {quantity} samples look like spikes or a stuck sensor", "condition": "{share:.0%} of the images show {condition}",
        "unreadable": "{count} of {total} images could not be read", "all_good": "every quantity within its band for at least {limit:.0%} of the known time",
        "columns": "| quantity | mean | min | max | in range | known |", "changes": "Setpoint changes: {count}", "more": "and {count} more",
        "images": "Images: {count}, mostly {stage}", "no_images": "No images", "untrained": "Images: {count}, not judged (the CLIP model has random weights)",
    },
    "zh": {
        "good": "良好", "watch": "留意", "act": "需处理", "insufficient_data": "数据不足",
        "room": "{room} 库 {day}:{verdict}", "growth": "生长第 {day} 天,{batch} 入库", "no_batch": "无批次信息",
        "no_samples": "{quantity}无采样数据", "coverage": "{quantity}全天仅 {share:.0%} 的时间有数据(至少需要 {limit:.0%})",
        "no_target": "当天没有目标区间:{growth}", "in_range": "{quantity}处于目标区间 {low:g}~{high:g} {unit} 的时间占 {share:.0%}",
        "suspect": "{share:.0%} 的{quantity}采样疑似尖峰或传感器卡死", "condition": "{share:.0%} 的图像显示{condition}",
        "unreadable": "{total} 张图像中有 {count} 张无法读取", "all_good": "各项指标至少 {limit:.0%} 的时间处于目标区间",
        "columns": "| 指标 | 均值 | 最小 | 最大 | 达标 | 有数据 |", "changes": "设定变更:{count} 次", "more": "另有 {count} 次",
        "images": "图像:{count} 张,多为{stage}", "no_images": "无图像", "untrained": "图像:{count} 张,未作判断(CLIP 模型为随机权重)",
    },
}  # fmt: skip
QUANTITIES: dict[Language, dict[str, str]] = {
    "en": {"co2": "CO2", "vpd": "VPD", "dew_point": "dew point"},
    "zh": {"temperature": "温度", "humidity": "湿度", "co2": "CO2", "vpd": "水汽压差", "dew_point": "露点"},
}


@dataclass(frozen=True)
class RoomDay:
    """What is known of one room and day: rows of the three result tables.

    `images` are those of one model; `images_trained` says whether its labels mean anything.
    """

    room_id: str
    day: dt.date
    statistics: pd.DataFrame
    changes: pd.DataFrame
    images: pd.DataFrame
    images_trained: bool


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
    texts, rules = TEXTS[farm.language], farm.report
    found = []

    def add(severity: Verdict, code: str, **values: Any) -> None:
        shown = {**values, "quantity": quantity_name(values["quantity"], farm)} if "quantity" in values else values
        found.append({"severity": severity, "code": code, **values, "text": texts[code].format(**shown)})

    targets = 0
    for row in room_day.statistics.to_dict("records"):
        band = farm.band(row["quantity"], _growth_day(row))
        if band is None and row["quantity"] not in farm.quantities:
            continue
        quantity, targets = row["quantity"], targets + (band is not None)
        if row["sample_count"] == 0:
            add("insufficient_data", "no_samples", quantity=quantity)
        elif row["coverage"] < rules.min_coverage:
            add("insufficient_data", "coverage", quantity=quantity, share=row["coverage"], limit=rules.min_coverage)
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


def _image_reasons(room_day: RoomDay, farm: Farm, add: Any) -> None:
    images = room_day.images
    if images.empty:
        return
    broken = int((images["status"] != "ok").sum())
    if broken:
        add("watch", "unreadable", count=broken, total=len(images))
    if not room_day.images_trained or broken == len(images):
        return
    shares = images.loc[images["status"] == "ok", "condition"].value_counts(normalize=True)
    for condition, share in shares.drop(["healthy", "unknown"], errors="ignore").items():
        if share > farm.report.watch_condition_share:
            label = farm.vision.conditions.get(str(condition))
            name = farm.say(label.text) if label else None
            add("watch", "condition", condition=name or str(condition), share=float(share))


def _summary(room_day: RoomDay, verdict: Verdict, reasons: Sequence[dict[str, Any]], farm: Farm) -> str:
    texts = TEXTS[farm.language]
    title = texts["room"].format(room=room_day.room_id, day=room_day.day, verdict=texts[verdict])
    lines = [f"### {title}", "", _growth_text(room_day, farm), ""]
    lines += [f"- {reason['text']}" for reason in reasons] or [
        f"- {texts['all_good'].format(limit=farm.report.watch_below)}"
    ]
    lines += ["", texts["columns"], "|---|---|---|---|---|---|"]
    for row in room_day.statistics.to_dict("records"):
        numbers = [_number(row[name], row["unit"]) for name in ("mean", "min", "max")]
        shares = [_share(row["in_range"]), _share(row["coverage"])]
        lines.append("| " + " | ".join([quantity_name(row["quantity"], farm), *numbers, *shares]) + " |")
    return "\n".join([*lines, "", *_change_lines(room_day, farm), "", _image_line(room_day, farm)])


def _change_lines(room_day: RoomDay, farm: Farm) -> list[str]:
    texts, changes = TEXTS[farm.language], room_day.changes
    lines = [texts["changes"].format(count=len(changes))]
    for row in changes.head(EVENTS_SHOWN).to_dict("records"):
        lines.append(f"- {row['changed_at'].astimezone(farm.zone):%H:%M} {change_text(row)}")
    if len(changes) > EVENTS_SHOWN:
        lines.append(f"- {texts['more'].format(count=len(changes) - EVENTS_SHOWN)}")
    return lines


def change_text(change: dict[str, Any]) -> str:
    """A setpoint change in words: `air_cooler_611 temperature setpoint: 18 -> 17.5`."""
    name = change["point_description"] or change["point_alias"]
    before, after = (change[f"{side}_label"] or f"{change[f'{side}_value']:g}" for side in ("previous", "current"))
    return f"{change['device_alias']} {name}: {before} → {after}"


def _image_line(room_day: RoomDay, farm: Farm) -> str:
    texts, images = TEXTS[farm.language], room_day.images
    if images.empty:
        return texts["no_images"]
    stages = images["stage"].dropna()
    if not room_day.images_trained or stages.empty:
        return texts["untrained"].format(count=len(images))
    stage = str(stages.mode().iloc[0])
    label = farm.vision.stages.get(stage)
    return texts["images"].format(count=len(images), stage=(farm.say(label.text) if label else None) or stage)


def _growth_day(row: dict[str, Any]) -> int | None:
    return None if pd.isna(row["growth_day"]) else int(row["growth_day"])


def _growth_text(room_day: RoomDay, farm: Farm) -> str:
    texts = TEXTS[farm.language]
    rows = room_day.statistics.to_dict("records")
    if not rows or _growth_day(rows[0]) is None:
        return texts["no_batch"]
    return texts["growth"].format(day=_growth_day(rows[0]), batch=rows[0]["batch_date"])


def quantity_name(quantity: str, farm: Farm) -> str:
    """What people call a quantity, in the farm's language."""
    return QUANTITIES[farm.language].get(quantity, quantity)


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:.4g} {unit}"


def _share(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:.0%}"
