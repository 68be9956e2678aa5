"""Code versions of the assets: what their code makes of its input, and the parts of the farm file
that rows depend on.

By them Dagster tells which partitions an edit of the farm file has made stale, and only those: an
edit that changes no row of an asset, as a room's image folder for the climate, leaves its version
alone. Where versions are written is the business of `reporting`.
"""

import hashlib
import json
from typing import Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.vision import CLIMATE_COLUMNS, prompt_set_version

# Raised by whoever changes what an asset's rows mean: its partitions then count as stale until they
# are made anew.
CODE = {
    "daily_env_stats": 1,
    "hourly_setpoint_changes": 1,
    "daily_clip_inference": 1,
    "clip_probe": 1,
    "daily_room_report": 1,
}
Parts = dict[str, Any]  # by the key of the farm file


def code_version(asset: str, farm: Farm) -> str:
    """`1-3fa9c2`: the asset's entry in `CODE`, and a hash of its parts of the farm file.

    That of `daily_clip_inference` ends in a second hash, of what its labels alone depend on: see
    `relabelled`.
    """
    parts = farm_parts(asset, farm)
    labels = {"vision": parts.pop("vision")} if asset == "daily_clip_inference" else {}
    return "-".join([str(CODE[asset]), _hash(parts), *([_hash(labels)] if labels else [])])


def relabelled(before: str, current: str) -> str:
    """The version of rows that got the labels of `current` and are otherwise as `before` made them."""
    return f"{before.rpartition('-')[0]}-{current.rpartition('-')[2]}"


def farm_parts(asset: str, farm: Farm) -> Parts:
    """What the rows of an asset depend on in the farm file, by its keys."""
    return {
        "daily_env_stats": _environment,
        "hourly_setpoint_changes": _setpoints,
        "daily_clip_inference": _vision,
        "clip_probe": _probe,
        "daily_room_report": _report,
    }[asset](farm)


def _environment(farm: Farm) -> Parts:
    return {
        "timezone": farm.timezone,
        "rooms": sorted(farm.rooms),
        "cycle_days": farm.cycle_days,
        "max_hold_s": farm.max_hold_s,
        "pair_within_s": farm.pair_within_s,
        # A quantity may say more, how to draw it for instance: no number depends on that.
        "quantities": {
            name: quantity.model_dump(
                include={"device_type", "point_alias", "unit", "plausible", "spike", "stuck_s"}
            )
            for name, quantity in farm.quantities.items()
        },
        "stages": sorted([stage.days, sorted(stage.bands.items())] for stage in farm.stages),
    }


def _setpoints(farm: Farm) -> Parts:
    return {
        "timezone": farm.timezone,
        "rooms": sorted(farm.rooms),
        "language": farm.language,
        "points": {
            f"{device_type} {alias}": point.model_dump(include={"change_type", "threshold"})
            | {"description": farm.say(point.description)}
            | {"labels": {value: farm.say(label) for value, label in point.labels.items()}}
            for device_type, points in farm.points.items()
            for alias, point in points.items()
        },
    }


def _vision(farm: Farm) -> Parts:
    return {
        "timezone": farm.timezone,
        "rooms": {room: farm.folder(room) for room in farm.rooms},
        "quantities": {
            name: quantity.model_dump(include={"device_type", "point_alias", "plausible"})
            for name, quantity in farm.quantities.items()
            if name in CLIMATE_COLUMNS  # the climate at the capture
        },
        "vision": [prompt_set_version(farm.vision), farm.vision.unknown_margin],
    }


def _probe(farm: Farm) -> Parts:
    return {"vision": [sorted(farm.vision.stages), sorted(farm.vision.conditions)]}


def _report(farm: Farm) -> Parts:
    kinds = {"stages": farm.vision.stages, "conditions": farm.vision.conditions}
    return {
        "timezone": farm.timezone,
        "rooms": sorted(farm.rooms),
        "language": farm.language,
        "report": farm.report.model_dump(),
        "max_hold_s": farm.max_hold_s,
        "quantities": {
            name: quantity.model_dump(exclude={"setpoints"})
            for name, quantity in farm.quantities.items()
        },
        "points": {
            # A move's unit and decimals; its words are stored
            f"{device_type} {alias}": [point.unit, point.threshold]
            for device_type, points in farm.points.items()
            for alias, point in points.items()
        },
        "devices": {name: farm.say(device) for name, device in farm.devices.items()},
        "stages": [stage.model_dump() for stage in farm.stages],
        "vision": {
            kind: {name: farm.say(label.text) for name, label in labels.items()}
            for kind, labels in kinds.items()
        },
    }


def _hash(parts: Parts) -> str:
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:6]
