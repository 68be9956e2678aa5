"""The grower's recipe: the room between batches, what a growth day asks for, what the eye adjusts.

Only numbers live here; `grower` applies them.
"""

from typing import NamedTuple

Settings = dict[str, float]

# How every batch is left on its last evening, and so how the next one finds the room. That is why
# the settings at any midnight follow from the days since the in-date alone.
RESTING: Settings = {
    "air_cooler.on_off": 1.0,
    "air_cooler.temp_set": 17.5,
    "air_cooler.temp_diffset": 1.0,
    "air_cooler.cyc_on_time": 10.0,
    "air_cooler.cyc_off_time": 20.0,
    "air_cooler.air_on_off": 1.0,
    "air_cooler.hum_on_off": 1.0,
    "air_cooler.cyc_on_off": 1.0,
    "fresh_air_fan.mode": 1.0,
    "fresh_air_fan.control": 0.0,
    "fresh_air_fan.co2_on": 3000.0,
    "fresh_air_fan.co2_off": 2500.0,
    "fresh_air_fan.on": 5.0,
    "fresh_air_fan.off": 12.0,
    "left_humidifier.mode": 1.0,
    "left_humidifier.on": 7.0,
    "left_humidifier.off": 6.0,
    "right_humidifier.mode": 1.0,
    "right_humidifier.on": 7.0,
    "right_humidifier.off": 6.0,
    "grow_light.model": 0.0,
    "grow_light.on_mset": 30.0,
    "grow_light.off_mset": 60.0,
    **{f"grow_light.on_off{lamp}": 0.0 for lamp in range(1, 5)},
    **{f"grow_light.choose{lamp}": 0.0 for lamp in range(1, 5)},
}

# Growth day -> settings that it asks for: a warm dark recovery, a colder budding under blue light
# with the fan on CO2, fruiting under more light, a cooler harvest.
PLAN: dict[int, Settings] = {
    2: {"air_cooler.temp_set": 18.2, "left_humidifier.on": 5.0, "right_humidifier.on": 5.0},
    5: {
        "air_cooler.temp_set": 17.2,
        "grow_light.model": 1.0,
        "grow_light.on_off1": 1.0,
        "grow_light.choose1": 1.0,
        "fresh_air_fan.control": 1.0,
        "left_humidifier.on": 8.0,
        "right_humidifier.on": 8.0,
    },
    6: {"grow_light.on_off2": 1.0, "grow_light.choose2": 1.0},
    8: {
        "air_cooler.temp_set": 17.8,
        "grow_light.on_off3": 1.0,
        "grow_light.choose1": 0.0,
        "fresh_air_fan.control": 0.0,
    },
    10: {"grow_light.on_off4": 1.0, "grow_light.choose2": 0.0},
    15: {"air_cooler.temp_set": 18.0, "fresh_air_fan.control": 1.0},
    21: {"grow_light.choose3": 1.0},
    24: {"air_cooler.temp_set": 17.4, "fresh_air_fan.control": 0.0, "grow_light.on_off4": 0.0},
    25: {"grow_light.on_off3": 0.0, "grow_light.choose3": 0.0, "fresh_air_fan.co2_on": 3000.0},
    26: {
        "grow_light.on_off2": 0.0,
        "fresh_air_fan.co2_off": 2500.0,
        "air_cooler.temp_diffset": 1.0,
    },
}


class Tweak(NamedTuple):
    """A setting that is adjusted by eye.

    How often, relative to the others; by which steps; within which range.
    """

    weight: float
    steps: tuple[float, ...]
    low: float
    high: float


_MIST_ON = Tweak(8, (1, 2, 3), 3, 13)
_MIST_OFF = Tweak(7, (1, 2), 3, 10)
TWEAKS: dict[str, Tweak] = {
    "grow_light.on_mset": Tweak(14, (5, 10, 15), 10, 60),
    "grow_light.off_mset": Tweak(12, (5, 10, 30), 5, 240),
    "left_humidifier.on": _MIST_ON,
    "left_humidifier.off": _MIST_OFF,
    "right_humidifier.on": _MIST_ON,
    "right_humidifier.off": _MIST_OFF,
    "air_cooler.temp_set": Tweak(12, (0.1, 0.2, 0.3, 0.5), 17.0, 18.4),
    "air_cooler.temp_diffset": Tweak(2, (0.1, 0.2), 0.8, 1.2),
    "air_cooler.cyc_on_time": Tweak(2, (1, 5), 5, 15),
    "air_cooler.cyc_off_time": Tweak(2, (5,), 10, 30),
    "fresh_air_fan.on": Tweak(5, (1, 2), 2, 10),
    "fresh_air_fan.off": Tweak(5, (1, 2), 5, 15),
    "fresh_air_fan.co2_on": Tweak(3, (100, 200), 2800, 3300),
    "fresh_air_fan.co2_off": Tweak(3, (100, 200), 2300, 2700),
}

# Switched by hand in the morning and back in the afternoon: setting and the value between.
TOGGLES: tuple[tuple[str, float], ...] = (
    ("left_humidifier.mode", 2.0),
    ("right_humidifier.mode", 2.0),
    ("grow_light.model", 2.0),
    ("grow_light.on_off1", 0.0),
    ("air_cooler.hum_on_off", 0.0),
    ("air_cooler.air_on_off", 0.0),
    ("air_cooler.cyc_on_off", 0.0),
)
