"""Moist air: vapour pressure deficit and dew point from temperature and humidity samples.

No statistics here.
"""

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.series import SECOND, Series, Times

Positions = npt.NDArray[np.intp]


def derive(temperature: Series, humidity: Series, pair_within_s: int) -> dict[str, Series]:
    """Vapour pressure deficit (kPa) and dew point (°C), per sample.

    A temperature sample pairs with the nearest humidity sample at most `pair_within_s` away; the
    pair is rejected, a spike or stuck if either is. Humidity above 100 %, which a sensor may show
    in fog, is 100 %. Magnus form over water, also below 0 °C, coefficients of Sonntag (1990) as in
    WMO-No. 8, annex 4.B: e_s(T) = 0.6112 exp(17.62 T / (243.12 + T)) kPa. From -20 to 60 °C that is
    at most 0.3 % off Hyland and Wexler. The dew point is off by 0.03 K at most from 4 to 26 °C and
    40 % on, by 0.09 K at 60 °C, and by 0.3 K at -20 °C and 1 %.
    """
    t, h = _pairs(temperature.at, humidity.at, pair_within_s * SECOND)
    rejected = temperature.rejected[t] | humidity.rejected[h]
    spike = ~rejected & (temperature.spike[t] | humidity.spike[h])
    stuck = ~rejected & (temperature.stuck[t] | humidity.stuck[h])
    celsius = np.where(rejected, np.nan, temperature.value[t])
    relative = np.where(rejected, np.nan, np.minimum(humidity.value[h], 100) / 100)
    saturation = 0.6112 * np.exp(17.62 * celsius / (243.12 + celsius))
    with np.errstate(divide="ignore", invalid="ignore"):
        magnus = np.log(relative) + 17.62 * celsius / (243.12 + celsius)
        dew_point = 243.12 * magnus / (17.62 - magnus)
    dry = rejected | ~np.isfinite(dew_point)  # at 0 % the dew point does not exist
    at = temperature.at[t]
    return {
        "vpd": Series(at, saturation * (1 - relative), rejected, spike, stuck),
        "dew_point": Series(at, dew_point, dry, spike & ~dry, stuck & ~dry),
    }


def _pairs(at: Times, others: Times, within: int) -> tuple[Positions, Positions]:
    """Positions of the instants that have another at most `within` away, and of the nearest.

    If two are equally near, the earlier one counts.
    """
    if not others.size:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    after = np.searchsorted(others, at).clip(max=others.size - 1)
    before = (after - 1).clip(min=0)
    nearest = np.where(at - others[before] <= others[after] - at, before, after)
    paired = np.flatnonzero(np.abs(others[nearest] - at) <= within)
    return paired, nearest[paired]
