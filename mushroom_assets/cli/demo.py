"""The demo farm of `mushroom up`: begun or resumed, its results made, its plant delivering.

What the plant has is the business of `simulation`, delivering it that of `ingestion`.
"""

import dataclasses
import datetime as dt
import time
from pathlib import Path

import dagster as dg
import psycopg
import sqlalchemy as sa
import yaml

from mushroom_assets.automation import backfill
from mushroom_assets.cli.command import EXPECTED, log
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.database import first_line
from mushroom_assets.ingestion import simulated
from mushroom_assets.resources import ImageStore
from mushroom_assets.service.supervisor import Round
from mushroom_assets.settings import Settings
from mushroom_assets.storage.connection import Database

MINUTE_S = 60.0
ABOUT = """\
# The demo's farm file: the packaged one, from the first day that is simulated. `mushroom` uses it
# in this home unless MUSHROOM_CONFIG names another. What is not here is as in the packaged file.
"""


def begin(
    settings: Settings, database: Database, *, days: int, seed: int
) -> tuple[Settings, simulated.Demo | None]:
    """Resume the demo farm of the home, or begin one where the database is empty.

    A new one gets a farm file of its own, unless MUSHROOM_CONFIG names one: so its partitions begin
    where its data do, whenever it is started again.

    Returns:
        the settings, which name the farm file; and the demo, None where the database has samples of
        its own.
    """
    farm = settings.read_farm()
    now = dt.datetime.now(farm.zone)
    state = simulated.Demo.resume(settings.home, database, farm, seed=seed, days=days, now=now)
    if state is None:
        return settings, None
    if settings.config is None and state.delivered_until == simulated.BEGINNING:
        _write_farm_file(settings.demo_farm, farm, state.first_day)
        settings = dataclasses.replace(settings, config=settings.demo_farm)
    rooms = ", ".join(farm.rooms)
    source = settings.farm_source()
    log.info("demo farm: rooms %s, simulated from %s on, by %s", rooms, state.first_day, source)
    return settings, state


def _write_farm_file(path: Path, farm: Farm, first_day: dt.date) -> None:
    """Write the keys that a farm file needs; a crash leaves none or the whole."""
    rooms = {name: room.model_dump(exclude_none=True) for name, room in farm.rooms.items()}
    needed = {"timezone": farm.timezone, "first_day": first_day, "rooms": rooms}
    draft = path.with_suffix(".tmp")
    draft.write_text(ABOUT + yaml.safe_dump(needed, sort_keys=False), encoding="utf-8")
    draft.replace(path)


def fill(settings: Settings, database: Database, state: simulated.Demo) -> simulated.Demo:
    """Deliver what is due, and make all results of it; what fails is logged."""
    from mushroom_assets.definitions import defs  # 2 s, and it reads the farm file: only here

    farm = settings.read_farm()
    now = dt.datetime.now(farm.zone)
    store = ImageStore().images()
    state = simulated.deliver(database, store, farm, state, now, bars=progress_bar)
    state.save(settings.home)
    with dg.DagsterInstance.get() as instance:
        for failure in backfill.materialize_missing(
            defs, instance, state.first_day, now, progress_bar
        ):
            log.error("%s", failure)
    return state


def deliveries(settings: Settings, database: Database, state: simulated.Demo) -> Round:
    """What is due is delivered each minute."""
    farm = settings.read_farm()

    def deliver() -> None:
        nonlocal state
        state = deliver_due(settings, database, farm, state)

    return Round(MINUTE_S, deliver, due=time.monotonic() + MINUTE_S)


def deliver_due(
    settings: Settings, database: Database, farm: Farm, state: simulated.Demo
) -> simulated.Demo:
    """Deliver what the simulated plant has by now, and tell how far that is; a fault is logged."""
    now = dt.datetime.now(farm.zone)
    try:
        state = simulated.deliver(database, ImageStore().images(), farm, state, now)
        state.save(settings.home)
    except (*EXPECTED, sa.exc.DBAPIError, psycopg.Error, OSError) as error:  # psycopg: from COPY
        log.error(
            "the simulated plant could not deliver: %s; what is due comes with the next minute",
            first_line(error),
        )
    return state
