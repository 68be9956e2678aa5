"""Does the timetable stand? Schedules and sensors that are on, and have not ticked well when due.

By Dagster's own record of ticks: they stop where the code server is dead or the definitions do not
load, while the daemon goes on beating. When each is due is told by `timetable` and `catching_up`.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

import dagster as dg

from mushroom_assets.automation.catching_up import OFF, last_tick, switch
from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.domain.farm import Farm

OF_ALL_ASSETS = ("catching_up", "following_inputs")  # sensors without which nothing comes back
# A sensor looks every minute or half of it. A look takes seconds, 200 at most (service.programs).
PATIENCE = dt.timedelta(minutes=5)
NEWEST = 10  # ticks that are looked at: of a sensor those of five minutes
GOOD = {"SUCCESS", "SKIPPED"}


class Standing(NamedTuple):
    """A schedule or sensor that stands.

    Attributes:
        name: in the UI.
        since: its last good tick, None where there is none.
        error: of its newest tick, if that failed, in one line.
    """

    name: str
    since: dt.datetime | None
    error: str | None


def standing(instance: dg.DagsterInstance, farm: Farm, now: dt.datetime) -> Iterator[Standing]:
    """What stands of the timetable: schedules, sensors that follow inputs, the catching up.

    One that somebody switched off in the UI stands by right.
    """
    crons = {switch(asset, slot): slot.cron for asset, slot in PARTITIONED.items()}
    crons |= dict.fromkeys(OF_ALL_ASSETS)
    states = {state.name: state for state in instance.all_instigator_state()}
    for name, cron in crons.items():
        state = states.get(name)
        if state is None:
            yield Standing(name, None, None)
        elif state.status.name != OFF:
            due = _due(state, cron, farm, now)
            found = None if due is None else _stands(instance, state, due, farm)
            if found is not None:
                yield found


def _due(state: Any, cron: str | None, farm: Farm, now: dt.datetime) -> dt.datetime | None:
    """Since when there should be a good tick; None for a schedule that was never due."""
    latest = now.astimezone(dt.UTC) - PATIENCE
    if cron is None:
        return latest
    due = last_tick(cron, farm, latest)
    begun = getattr(state.instigator_data, "start_timestamp", None)
    return due if begun is not None and begun <= due.timestamp() else None


def _stands(
    instance: dg.DagsterInstance, state: Any, due: dt.datetime, farm: Farm
) -> Standing | None:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=NEWEST)
    good = max((tick.timestamp for tick in ticks if tick.status.name in GOOD), default=None)
    if good is not None and good >= due.timestamp():
        return None
    since = None if good is None else dt.datetime.fromtimestamp(good, farm.zone)
    error = ticks[0].error if ticks else None
    return Standing(state.name, since, None if error is None else _line(error))


def _line(error: Any) -> str:
    """The innermost cause, in one line."""
    while error.cause is not None:
        error = error.cause
    return " ".join(error.message.split())
