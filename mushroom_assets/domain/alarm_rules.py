"""What a farm wants told at once, how soon, and when not: the key `alarms` of the farm file.

Here lives what the keys mean; `alarms` says by them what goes on.
"""

import datetime as dt
import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mushroom_assets.domain.farm_parts import Part

Kind = Literal["act", "feed", "band", "rate"]


def _clock(given: object) -> object:
    if isinstance(given, dt.time):
        return given
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(given))
    if match is None:
        raise ValueError(f"{given} is no time of day; write it as 22:00")
    return dt.time(int(match[1]), int(match[2]))


Clock = Annotated[dt.time, BeforeValidator(_clock)]


class Watch(Part):
    """How one quantity is watched.

    `fall` and `rise` are told from so much an hour on, in its unit, as the trend of `over_s`
    seconds. Without them no movement is; without `out_of_band_s` that of all quantities holds.
    """

    out_of_band_s: int | None = Field(default=None, ge=60, le=21_600)
    fall: float | None = Field(default=None, gt=0)
    rise: float | None = Field(default=None, gt=0)
    over_s: int = Field(default=10_800, ge=600, le=43_200)


# Humidity that falls by 5 % an hour over three hours dries pins out before any limit is crossed
WATCHED = {"humidity": Watch(fall=5)}


class Alarms(Part):
    """What is told, and when.

    `quiet_hours` are two times of the farm's clock, over midnight if the first is later: what
    happens in them is told afterwards if it still holds, but for the kinds in `breaks_quiet`.
    """

    out_of_band_s: int = Field(default=1800, ge=60, le=21_600)
    quantities: dict[str, Watch] = WATCHED
    morning_at: Clock = dt.time(6)
    morning_if_good: bool = True
    quiet_hours: tuple[Clock, Clock] | None = None
    breaks_quiet: tuple[Kind, ...] = ()

    @model_validator(mode="after")
    def _quiet_ends(self) -> Self:
        if self.quiet_hours is not None and self.quiet_hours[0] == self.quiet_hours[1]:
            raise ValueError(
                "quiet_hours: the two times are one; write from when to when, or leave it out"
            )
        return self

    def watch(self, quantity: str) -> Watch:
        """How a quantity is watched."""
        return self.quantities.get(quantity, Watch())

    def out_s(self, quantity: str) -> int:
        """For how many seconds a quantity must be outside its band before that is told."""
        return self.watch(quantity).out_of_band_s or self.out_of_band_s

    def is_quiet(self, local: dt.datetime, kind: Kind | None = None) -> bool:
        """Whether nothing is told at a time of the farm's clock, of a kind if one is given."""
        if self.quiet_hours is None or kind in self.breaks_quiet:
            return False
        first, last = self.quiet_hours
        at = local.time().replace(tzinfo=None, fold=0)
        return first <= at < last if first < last else at >= first or at < last

    def looked_back_s(self) -> int:
        """Seconds of samples that tell what goes on: twice the longest stay outside, a trend."""
        outside = [watch.out_of_band_s or 0 for watch in self.quantities.values()]
        trends = [watch.over_s for watch in self.quantities.values()]
        return max(2 * max(self.out_of_band_s, *outside, 0), *trends, 0)
