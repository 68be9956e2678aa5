"""Rows of a room's day as the report finds them, flawless unless told otherwise."""

import datetime as dt
from typing import Any

from mushroom_assets.domain.card import card
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.report import Likeness, RoomDay

DAY = dt.date(2026, 1, 20)
BATCH = dt.date(2026, 1, 10)  # growth day 11: fruiting
MODEL = "ViT-B-32/laion2b_s34b_b79k/prompts-117ed1b8"
RENDERS = "mushroom-tiny/renders-9d437a11/prompts-117ed1b8"
RANDOM = "mushroom-tiny/random-seed0/prompts-117ed1b8"


def farm(language: str = "en", addition: str = "") -> Farm:
    """A farm of one room, `611`."""
    begin = "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {'611': {}}\n"
    return parse_farm(f"{begin}language: {language}\n{addition}")


def stat(quantity: str, **changed: Any) -> dict[str, Any]:
    """A row of `daily_env_stats`, all day known and in its band."""
    units = {"temperature": "°C", "humidity": "%", "co2": "ppm", "vpd": "kPa", "dew_point": "°C"}
    row: dict[str, Any] = {
        "quantity": quantity,
        "unit": units[quantity],
        "sample_count": 1440,
        "rejected_count": 0,
        "suspect_count": 0,
        "coverage": 1.0,
        "in_range": None if quantity in ("vpd", "dew_point") else 1.0,
        "below": 0.0,
        "above": 0.0,
        "longest_out_s": 0.0,
        "out_integral": 0.0,
        "steepest_rise": None,
        "steepest_fall": None,
        "wet_hours": None,
        "spread": None,
        "mean": 18.123456,
        "min": 17.0,
        "max": 19.0,
        "stat_date": DAY,
        "room_id": "611",
        "growth_day": 11,
        "is_growth_phase": True,
        "settings_version": 0,
        "batch_date": BATCH,
    }
    return row | changed


def stats(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    """A flawless day, but for the changed quantities."""
    names = ("temperature", "humidity", "co2", "vpd", "dew_point")
    return [stat(name, **changed.get(name, {})) for name in names]


def image(
    condition: str | None = "healthy",
    stage: str | None = "fruiting",
    status: str = "ok",
    familiarity: float | None = None,
    probe_id: str | None = None,
) -> dict[str, Any]:
    """What the report reads of a row of `daily_clip_inference`."""
    row: dict[str, Any] = {"status": status, "stage": stage, "condition": condition}
    return row | {"familiarity": familiarity, "probe_id": probe_id}


def change(minute: int, **changed: Any) -> dict[str, Any]:
    """A row of `hourly_setpoint_changes`, so many minutes after 09:00 in Shanghai."""
    at = dt.datetime(2026, 1, 20, 1, 0, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    row = {
        "changed_at": at,
        "room_id": "611",
        "device_type": "air_cooler",
        "device_alias": "air_cooler_611",
        "point_alias": "temp_set",
        "point_description": "setpoint",
        "previous_value": 18.0,
        "current_value": 17.5,
        "previous_label": None,
        "current_label": None,
    }
    return row | changed


def write(
    statistics: list[Any] | None = None,
    *,
    changes: list[Any] | None = None,
    images: list[Any] | None = None,
    model_id: str | None = MODEL,
    alike: Likeness | None = None,
    of: Farm | None = None,
    **known: Any,
) -> dict[str, Any]:
    given: list[Any] = stats() if statistics is None else statistics
    room_day = RoomDay("611", DAY, given, changes or [], images or [], model_id, alike, **known)
    return dict(card(room_day, of or farm()).row())


def codes(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Severity and code of each reason, in order."""
    return [(reason["severity"], reason["code"]) for reason in row["reasons"]]
