"""What the people of the simulated plant write down: a note now and then, the kilos of a batch.

A function of (seed, room, day) and the farm alone, like the samples. No note tells of anything that
the samples would have to show.
"""

import datetime as dt
from typing import NamedTuple

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.records import Picking
from mushroom_assets.simulation.batch import bag_count, growth_day, in_date
from mushroom_assets.simulation.clock import Purpose, chance

NOTED = 0.3  # chance of a note, a room and day
WORKING_HOURS = (8 * 60, 17 * 60)  # minutes of the day
PICKED_AT = dt.time(17)  # from then on a day's kilos are known
# Shares of a batch that are picked on the last days of its cycle
SHARES = (0.2, 0.5, 0.3)
# A bag of 1.3 kg gives 0.38 to 0.46 kg, which is a usual yield of the species
KG_A_BAG = (0.38, 0.46)
AUTHORS: dict[Language, tuple[str, ...]] = {"en": ("Li", "Wang", "Chen"), "zh": ("李", "王", "陈")}
TEXTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "door seal wiped, closes well",
        "air filter looked at, clean",
        "drip tray emptied",
        "floor rinsed",
        "lamp of the left row replaced",
        "humidifier nozzles cleaned, all spray",
        "camera glass wiped",
        "hygrometer held beside the sensor: 1 % apart",
    ),
    "zh": (
        "门封条已擦净，关闭良好",
        "检查空气过滤网，干净",
        "接水盘已清空",
        "地面已冲洗",
        "左排灯管已更换",
        "加湿器喷嘴已清洗，全部出雾",
        "摄像头镜面已擦净",
        "手持湿度计与传感器对比，相差 1%",
    ),
}


class Written(NamedTuple):
    """A note: what the table has of one but its number."""

    room_id: str
    noted_at: dt.datetime
    text: str
    author: str


def note(farm: Farm, room: str, day: dt.date, seed: int) -> Written | None:
    """What somebody wrote of a room on a day, on most days nothing."""
    random = chance(seed, room, day, Purpose.WRITTEN)
    if random.random() >= NOTED:
        return None
    minute = int(random.integers(*WORKING_HOURS))
    at = dt.datetime.combine(day, dt.time(minute // 60, minute % 60), tzinfo=farm.zone)
    text = str(random.choice(TEXTS[farm.language]))
    return Written(room, at, text, str(random.choice(AUTHORS[farm.language])))


def picking(farm: Farm, room: str, day: dt.date, seed: int) -> Picking | None:
    """The kilos of a day; None but for the last days of a cycle."""
    batch = in_date(farm, room, day)
    place = growth_day(farm, room, day) - farm.cycle_days + len(SHARES) - 1
    if place < 0:
        return None
    kg_a_bag = chance(seed, room, batch, Purpose.WRITTEN).uniform(*KG_A_BAG)
    weight = SHARES[place] * kg_a_bag * bag_count(room, batch, seed)
    return Picking(room, batch, day, round(float(weight), 1))
