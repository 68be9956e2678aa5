"""`hourly_setpoint_changes`: what counts as a change, what its record says, and how people put it.

A change compares a sample with the same point's previous finite sample, wherever that lies. Because
the rule looks at pairs of neighbours alone, the changes of consecutive windows put together are
those of one pass over the whole span. Nothing is read or written here.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NotRequired, TypedDict

import numpy as np
import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import ChangeType, WatchedPoint
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.names import SETPOINTS
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.steps import reaches
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.windows import Window, to_instant

VERSION = 2  # of the code: raise it when the rows' meaning changes, see `versions`
CHANGE_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "mushroom_assets/hourly_setpoint_changes")


class HourlySetpointChanges(TypedDict):
    """A row of `hourly_setpoint_changes`; what writes it adds `run_id` and `detected_at`."""

    change_id: uuid.UUID
    point_id: int
    changed_at: dt.datetime
    previous_at: dt.datetime
    room_id: str
    device_type: str
    device_alias: str
    point_alias: str
    point_description: str | None
    change_type: ChangeType
    previous_value: float
    current_value: float
    previous_label: str | None
    current_label: str | None
    delta: float
    growth_day: int | None
    batch_date: dt.date | None
    settings_version: int
    run_id: NotRequired[str]
    detected_at: NotRequired[dt.datetime]


# A row as `records` makes it, or as it was read back
Change = HourlySetpointChanges | Mapping[str, Any]


def watched_points(
    points: Iterable[Point], farm: Farm, day: dt.date | None = None
) -> dict[int, WatchedPoint]:
    """The farm's entry for each watched point of its rooms, by point_id.

    As it is in force on a day, or as the farm file has it.
    """

    def rule(point: Point) -> WatchedPoint:
        rules = farm if day is None else farm.on(point.room_id, day)
        return rules.points[point.device_type][point.point_alias]

    return {
        point.point_id: rule(point)
        for point in points
        if point.room_id in farm.rooms
        and point.point_alias in farm.points.get(point.device_type, {})
    }


def by_rules(
    windows: Sequence[Window], points: Sequence[Point], farm: Farm
) -> list[tuple[dict[int, WatchedPoint], list[Window]]]:
    """Consecutive windows divided where what counts as a change is another: rules and windows."""
    found: list[tuple[dict[int, WatchedPoint], list[Window]]] = []
    for day, of_day in groupby(windows, key=lambda window: window.date):
        rules = watched_points(points, farm, day)
        if found and found[-1][0] == rules:
            found[-1][1].extend(of_day)
        else:
            found.append((rules, list(of_day)))
    return found


def detect(samples: pd.DataFrame, watched: Mapping[int, WatchedPoint]) -> pd.DataFrame:
    """Every change in the samples.

    Args:
        samples: columns point_id, at (microseconds UTC), value, by point and time; a point's first
            sample is not a change, so include the last sample before the window.
        watched: what counts as a change, by point_id; other points are ignored.

    Returns:
        columns point_id, changed_at, previous_at (microseconds UTC), previous_value, current_value,
        ordered by point and time.
    """
    finite = np.isfinite(samples["value"].to_numpy())
    if not finite.all():
        samples = samples[finite]
    point = samples["point_id"].to_numpy()
    at = samples["at"].to_numpy()
    value = samples["value"].to_numpy()
    # Nearly every sample equals the one before: only the others are worth the rules.
    moved = np.flatnonzero((value[1:] != value[:-1]) & (point[1:] == point[:-1]))
    moved = moved[np.isin(point[moved], list(watched))]
    ids, rows = np.unique(point[moved], return_inverse=True)
    rules = [watched[int(key)] for key in ids]
    least = np.array([_least(rule) for rule in rules], dtype=np.float64)[rows]
    analog = np.array([rule.change_type == "analog_value" for rule in rules], dtype=bool)[rows]
    before = value[moved]
    after = value[moved + 1]
    states_differ = np.rint(after) != np.rint(before)
    changed = moved[np.where(analog, reaches(before, after, least), states_differ)]
    columns = {
        "point_id": point[changed + 1],
        "changed_at": at[changed + 1],
        "previous_at": at[changed],
        "previous_value": value[changed],
        "current_value": value[changed + 1],
    }
    return pd.DataFrame(columns)


def _least(rule: WatchedPoint) -> float:
    """The smallest step that counts; 0 where every difference does."""
    return rule.threshold or 0.0


def records(
    changes: pd.DataFrame,
    windows: Sequence[Window],
    points: Iterable[Point],
    farm: Farm,
    in_dates: Mapping[str, Sequence[dt.date]],
) -> dict[str, list[HourlySetpointChanges]]:
    """Rows of `hourly_setpoint_changes` by the windows' keys.

    Args:
        changes: as `detect` returns them; those outside the windows are left out.
        windows: consecutive.
        points: at least those that changed.
        farm: labels and descriptions as they are in force, time zone.
        in_dates: ascending in-dates by room.
    """
    edges = [window.start_us for window in windows] + [windows[-1].end_us]
    places = np.searchsorted(edges, changes["changed_at"].to_numpy(), side="right") - 1
    known = {point.point_id: point for point in points}
    rows: dict[str, list[HourlySetpointChanges]] = {window.key: [] for window in windows}
    found: Iterable[Any] = changes.itertuples()
    for place, change in zip(places.tolist(), found, strict=True):
        if 0 <= place < len(windows):
            record = _record(change, known[change.point_id], farm, in_dates)
            rows[windows[place].key].append(record)
    return rows


def samples_an_hour(farm: Farm) -> int:
    """How many samples of watched points an hour brings.

    At one a minute, and one device of a kind in each room.
    """
    return 60 * len(farm.rooms) * sum(len(points) for points in farm.points.values())


def _record(
    change: Any, point: Point, farm: Farm, in_dates: Mapping[str, Sequence[dt.date]]
) -> HourlySetpointChanges:
    changed_at = to_instant(change.changed_at)
    changed_on = changed_at.astimezone(farm.zone).date()
    rules = farm.on(point.room_id, changed_on)
    rule = rules.points[point.device_type][point.point_alias]
    growth = growth_on(changed_on, in_dates.get(point.room_id, ()), farm.cycle_days)
    return {
        "change_id": change_id(point, changed_at),
        "point_id": int(change.point_id),
        "changed_at": changed_at,
        "previous_at": to_instant(change.previous_at),
        "room_id": point.room_id,
        "device_type": point.device_type,
        "device_alias": point.device_alias,
        "point_alias": point.point_alias,
        "point_description": farm.say(rule.description),
        "change_type": rule.change_type,
        "previous_value": float(change.previous_value),
        "current_value": float(change.current_value),
        "previous_label": _label(rule, change.previous_value, farm),
        "current_label": _label(rule, change.current_value, farm),
        "delta": round(float(change.current_value - change.previous_value), 6),
        "growth_day": growth.growth_day,
        "batch_date": growth.batch_date,
        "settings_version": rules.settings_version(SETPOINTS),
    }


def _label(rule: WatchedPoint, value: float, farm: Farm) -> str | None:
    return None if rule.change_type == "analog_value" else farm.say(rule.labels.get(round(value)))


def change_id(point: Point, changed_at: dt.datetime) -> uuid.UUID:
    """Version 5 UUID of point and time.

    It uses the point's aliases, not its number, so that it is the same in every database.
    """
    stamp = changed_at.astimezone(dt.UTC).isoformat(timespec="microseconds")
    name = f"{point.room_id}/{point.device_alias}/{point.point_alias}@{stamp}"
    return uuid.uuid5(CHANGE_NAMESPACE, name)


def change_text(change: Change, farm: Farm) -> str:
    """A row in the farm's language: `air cooler: temperature setpoint 18.0 → 17.5 °C`.

    It does not name room and time.
    """
    return f"{point_text(change, farm)} {_move_text(change, farm)}"


def spoken(change: Change, farm: Farm) -> Mapping[str, Any]:
    """A row as if it had been written in the farm's language, where the farm file knows the point.

    Rows keep the words of the language in which they were written.
    """
    rule = farm.points.get(change["device_type"], {}).get(change["point_alias"])
    if rule is None:
        return change
    told = dict(change)
    told["point_description"] = farm.say(rule.description) or change["point_description"]
    for time in ("previous", "current"):
        label = _label(rule, change[f"{time}_value"], farm)  # type: ignore[literal-required]
        told[f"{time}_label"] = label or told[f"{time}_label"]
    return told


def point_text(change: Change, farm: Farm) -> str:
    """What people call the point of a row, without its room: `air cooler: temperature setpoint`."""
    name = change["point_description"] or change["point_alias"]
    return f"{device_text(change, farm)}{say('colon', farm)}{name}"


def _move_text(change: Change, farm: Farm) -> str:
    """`off → on` where both states have a label, else numbers with their unit."""
    before = change["previous_label"]
    after = change["current_label"]
    if before is not None and after is not None:
        return f"{before} → {after}"
    points = _in_force(change, farm).points.get(change["device_type"], {})
    rule = points.get(change["point_alias"])
    threshold = (rule and rule.threshold) or 1
    numbers = (change["previous_value"], change["current_value"])
    places = max(_places(number) for number in (*numbers, threshold))
    unit = f" {rule.unit}" if rule and rule.unit else ""
    told_before = before or f"{numbers[0]:.{places}f}"
    told_after = after or f"{numbers[1]:.{places}f}"
    return f"{told_before} → {told_after}{unit}"


def _in_force(change: Change, farm: Farm) -> Farm:
    """The farm as it was in force where and when something was moved."""
    return farm.on(change["room_id"], change["changed_at"].astimezone(farm.zone).date())


def device_text(change: Change, farm: Farm) -> str:
    """What people call the device of a row, without its room.

    `left humidifier`, or `humidifier (third_humidifier)` where the farm file has no name for it.
    """
    farm = _in_force(change, farm)
    alias = change["device_alias"].removesuffix(f"_{change['room_id']}")
    kind = change["device_type"]
    if alias in farm.devices or kind not in farm.devices:
        return farm.say(farm.devices.get(alias)) or alias
    return f"{farm.say(farm.devices[kind])} ({alias})"


def _places(number: float) -> int:
    """Decimals that a number needs, three at most: one for 17.799999."""
    return len(f"{number:.3f}".rstrip("0").partition(".")[2])


def depends_on(farm: Farm) -> list[Parts]:
    """The parts of the farm file that the rows of `hourly_setpoint_changes` depend on."""
    points: Parts = {}
    for device_type, watched in farm.points.items():
        for alias, point in watched.items():
            points[f"{device_type} {alias}"] = {
                **point.model_dump(include={"change_type", "threshold"}),
                "description": farm.say(point.description),
                "labels": {value: farm.say(label) for value, label in point.labels.items()},
            }
    return [
        {
            "timezone": farm.timezone,
            "rooms": sorted(farm.rooms),
            "language": farm.language,
            "points": points,
        }
    ]
