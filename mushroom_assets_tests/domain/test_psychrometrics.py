"""How far the Magnus form is from the reference formulas, over all that a sensor may say.

PsychroLib has Hyland and Wexler over water from 0.01 °C on, and over ice below, where a sensor's
relative humidity is still meant over water. So below freezing their formula over water is typed in:
Hyland and Wexler, ASHRAE Transactions 89(2A), 1983, as in ASHRAE Fundamentals, chapter 1, eq. (6),
which they give from 0 °C on; and, made for supercooled water too (-100 to 100 °C), Sonntag,
Zeitschrift für Meteorologie 70(5), 1990, from whom the Magnus coefficients are.
"""

import math
from collections.abc import Callable

import numpy as np
import psychrolib  # type: ignore[import-untyped]  # it has no stubs
import pytest

from mushroom_assets.domain.psychrometrics import derive
from mushroom_assets.domain.series import SECOND, Series, Values

psychrolib.SetUnitSystem(psychrolib.SI)
KELVIN = 273.15
CELSIUS = np.arange(-200, 601) / 10
PERCENT = np.array([0, 1, 2, 5, *range(10, 100, 5), 99, 100, 102.5, 105.0])
Saturation = Callable[[float], float]


def hyland_wexler(celsius: float) -> float:
    """Saturation vapour pressure over water, kPa."""
    t = celsius + KELVIN
    log = -5.8002206e3 / t + 1.3914993 - 4.8640239e-2 * t + 4.1764768e-5 * t**2
    return math.exp(log - 1.4452093e-8 * t**3 + 6.5459673 * math.log(t)) / 1000


def sonntag(celsius: float) -> float:
    """Saturation vapour pressure over water, kPa."""
    t = celsius + KELVIN
    log = -6096.9385 / t + 16.635794 - 2.711193e-2 * t + 1.673952e-5 * t**2
    return math.exp(log + 2.433502 * math.log(t)) / 10


def dew_point(saturation: Saturation, celsius: float, percent: float) -> float:
    """Where the vapour saturates, by halving."""
    vapour = saturation(celsius) * percent / 100
    low, high = -120.0, 80.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if saturation(middle) < vapour else (low, middle)
    return low


def derived(percent: float) -> dict[str, Values]:
    """Both quantities at every temperature; the dew point only where there is one."""
    at = np.arange(CELSIUS.size) * 60 * SECOND
    no = np.zeros(at.size, dtype=bool)
    humidity = np.full(at.size, percent)
    found = derive(Series(at, CELSIUS, no, no, no), Series(at, humidity, no, no, no), 30)
    assert not found["vpd"].rejected.any()
    assert found["dew_point"].rejected.all() == found["dew_point"].rejected.any() == (percent == 0)
    return {name: series.value for name, series in found.items()}


def test_the_typed_in_formula_is_psychrolibs_above_freezing() -> None:
    for celsius in CELSIUS[CELSIUS > 0.01]:
        theirs = psychrolib.GetSatVapPres(celsius) / 1000
        assert hyland_wexler(celsius) == pytest.approx(theirs, rel=1e-12)
    # Of water that boils at 100 °C and freezes at 0: WMO-No. 8 says 6.112 hPa there
    assert sonntag(0) == pytest.approx(0.6112, abs=5e-5)


@pytest.mark.parametrize(
    ("saturation", "lowest", "highest"),
    [(hyland_wexler, -0.00293, 0.00268), (sonntag, -0.00316, 0.00302)],
)
def test_vpd_is_within_a_third_of_a_percent(
    saturation: Saturation, lowest: float, highest: float
) -> None:
    reference = np.array([saturation(celsius) for celsius in CELSIUS])
    for percent in PERCENT:
        dry = 1 - min(percent, 100) / 100
        vpd = derived(percent)["vpd"]
        if dry == 0:
            assert (vpd == 0).all()
            continue
        off = vpd / (reference * dry) - 1
        assert (off.min(), off.max()) == pytest.approx((lowest, highest), abs=1e-5)


@pytest.mark.parametrize(
    ("least_percent", "coldest", "hottest", "most_k"),
    [
        (1, -20, 60, 0.284),  # at -20 °C and 1 %
        (40, -20, 60, 0.084),  # at 60 °C
        (40, 4, 26, 0.028),  # a growing room and its changeovers
        (80, 4, 26, 0.0073),  # a growing room
    ],
)
def test_the_dew_point_is_within_hundredths_of_a_kelvin_where_mushrooms_grow(
    least_percent: float, coldest: float, hottest: float, most_k: float
) -> None:
    tenths = (coldest <= CELSIUS) & (hottest >= CELSIUS)
    whole = tenths & (np.arange(CELSIUS.size) % 10 == 0)
    off = 0.0
    for percent in PERCENT[PERCENT >= least_percent]:
        found = derived(percent)["dew_point"]
        assert (found <= CELSIUS + 1e-9).all()
        for celsius, ours in zip(CELSIUS[whole], found[whole], strict=True):
            theirs = dew_point(hyland_wexler, celsius, min(percent, 100))
            off = max(off, abs(ours - theirs))
    assert off == pytest.approx(most_k, rel=0.02)
