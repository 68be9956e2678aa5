"""Days to compare that nobody drew: the simulated plant's, and a real office room's."""

import csv
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.windows import to_us
from mushroom_assets.simulation import plant
from mushroom_assets_tests.oracle.feeds import FarmDay
from mushroom_assets_tests.oracle.judged import Rule, Sensor

OFFICE = Path(__file__).parents[2] / "examples" / "occupancy"
OFFICE_COLUMNS = {"temperature": "temperature", "humidity": "relative humidity", "co2": "CO2"}
OFFICE_DAYS = [dt.date(2015, 2, day) for day in range(4, 11)]  # the first and last are cut
DAY = dt.timedelta(days=1)


def rules(farm: Farm) -> dict[str, Rule]:
    """What the farm file says of each quantity."""
    return {
        name: Rule(*said.plausible, farm.max_hold_s, said.spike, said.stuck_s, said.full_scale)
        for name, said in farm.quantities.items()
    }


def plant_day(farm: Farm, rooms: list[str], day: dt.date, seed: int) -> FarmDay:
    """A day of the simulated plant, with its faults, and the days beside it."""
    days = [day - DAY, day, day + DAY]
    parts = [plant.simulate_day(farm, rooms, one, seed=seed).samples for one in days]
    samples = pd.concat(parts).drop_duplicates(["point", "sampled_at"]).sort_values("sampled_at")
    points = plant.points(farm, rooms)
    found: dict[str, list[Sensor]] = {room: [] for room in rooms}
    for name, said in farm.quantities.items():
        for number, point in points[points["point_alias"] == said.point_alias].iterrows():
            if point["device_type"] == said.device_type:
                own = samples[samples["point"] == number]
                at = [to_us(instant) for instant in own["sampled_at"].dt.to_pydatetime()]
                sensor = Sensor(
                    name, point["device_alias"], list(zip(at, own["value"].tolist(), strict=True))
                )
                found[point["room_id"]].append(sensor)
    batches = plant.batches(farm, rooms, day, day, seed=seed)
    in_dates = {room: batches[batches["room_id"] == room]["in_date"].tolist() for room in rooms}
    stages = [(*stage.days, stage.bands) for stage in farm.stages]
    return FarmDay(
        farm.timezone,
        day,
        farm.max_hold_s,
        farm.pair_within_s,
        rules(farm),
        found,
        in_dates,
        stages,
    )


def office_days() -> Iterator[tuple[FarmDay, Farm]]:
    """Each day of the published week."""
    farm = parse_farm((OFFICE / "farm.yaml").read_text())
    zone = ZoneInfo(farm.timezone)
    samples: dict[str, list[tuple[int, float]]] = {name: [] for name in OFFICE_COLUMNS}
    with (OFFICE / "occupancy_2015-02-04_to_10.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            at = to_us(dt.datetime.fromisoformat(row["datetime"]).replace(tzinfo=zone))
            for name, column in OFFICE_COLUMNS.items():
                samples[name].append((at, float(row[column])))
    sensors = [Sensor(name, "office", sorted(own)) for name, own in samples.items()]
    for day in OFFICE_DAYS:
        hold = farm.max_hold_s
        room = {"office": sensors}
        yield FarmDay(farm.timezone, day, hold, farm.pair_within_s, rules(farm), room, {}, ()), farm
