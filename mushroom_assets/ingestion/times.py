"""Cells that say when: read as instants, or as days of the farm, each or why not.

ISO 8601 is read, Parquet timestamps, and what spreadsheets write with the year first (2026/1/5
9:00). What can mean two things is refused with what to write instead.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from mushroom_assets.domain.farm import Farm

# Pandas knows "now" and "2026" too
_DATED = r"\d{4}-?\d{2}-?\d{2}"
_OFFSET = r"[T ]\d.*(?:Z|[+-]\d{2}(?::?\d{2})?)$"
# Of an offset pandas reads one digit too, and of a time the hour alone: `09-10` could be either
_SIGNED = r"[T ]\d.*[+-]"
_TIME_AND_OFFSET = r"[T ](?:\d{1,2}:\d{2}|\d{4})[\d:.,]* ?[+-]\d{2}(?::?\d{2})?$"
_DATE_ALONE = r"\d{4}-?\d{2}-?\d{2}"
# With the year first, with or without zeros; 24:00 is the end of the day
_YEAR_FIRST = re.compile(r"(\d{4})([/-])(\d{1,2})\2(\d{1,2})(?:[T ]+(\d{1,2})(:\d{2}.*))?")
_ENDS_DAY = re.compile(r":00(:00([.,]0+)?)?(?![:\d.,])")
_OTHER = {
    r"\d{1,2}([./-])\d{1,2}\1(\d{2}|\d{4})(\D.*)?": (
        "begins with a day or a month, and nothing says which: write 2026-01-31 10:00:00"
    ),
    r"\d{5}([.,]\d+)?": (
        "is a day's number of Excel: give the cells the format yyyy-mm-dd hh:mm:ss"
    ),
    r"\d{9,11}([.,]\d+)?": "counts seconds since 1970: write 2026-01-31T10:00:00Z",
    r"\d{12,14}([.,]\d+)?": "counts milliseconds since 1970: write 2026-01-31T10:00:00Z",
    r"\d{15,20}": "counts parts of a second since 1970: write 2026-01-31T10:00:00Z",
}
# A time of the first year or the last is out of what a date can be in another zone
_EDGES = (pd.Timestamp("0002-01-01", tz="UTC"), pd.Timestamp("9998-12-31", tz="UTC"))


class Read(NamedTuple):
    """Values of cells, one a row, and what is wrong with each: "" where nothing is."""

    values: pd.Series
    faults: pd.Series


class _Times(NamedTuple):
    """Times of cells, one a row.

    Attributes:
        at: datetime64, UTC; of a time without an offset the clock on the wall as if it were.
        aware: whether it has an offset.
        is_day: whether it is a date alone.
    """

    at: pd.Series
    aware: pd.Series
    is_day: pd.Series


def read_instants(cells: pd.Series, farm: Farm) -> Read:
    """Instants (datetime64 in us, UTC); what has no offset is farm time."""
    return _each_once(cells, lambda different: _instants(different, farm))


def read_days(cells: pd.Series, farm: Farm) -> Read:
    """Days of the farm: of dates, of instants with an offset, of midnights without one."""
    return _each_once(cells, lambda different: _days(different, farm))


def _each_once(cells: pd.Series, read: Callable[[pd.Series], Read]) -> Read:
    """What is read of each different cell: all points of a room have the same times."""
    codes, different = pd.factorize(cells, use_na_sentinel=False)
    found = read(pd.Series(different))
    return Read(*(each.take(codes).set_axis(cells.index) for each in found))


def _instants(cells: pd.Series, farm: Farm) -> Read:
    times = _times(cells)
    wall = times.at.where(~times.aware).dt.tz_localize(None)
    local = wall.dt.tz_localize(farm.timezone, ambiguous="NaT", nonexistent="NaT")
    instants = local.dt.tz_convert("UTC").where(~times.aware, times.at).dt.as_unit("us")
    faults = _faults(cells, times.at)
    faults[instants.isna() & times.at.notna()] = (
        f"occurs twice or not at all in {farm.timezone} (clock change): write it with its offset"
    )
    return Read(instants, faults)


def _days(cells: pd.Series, farm: Farm) -> Read:
    times = _times(cells)
    wall = times.at.dt.tz_localize(None)
    in_farm = times.at.dt.tz_convert(farm.timezone).dt.tz_localize(None)
    wall = in_farm.where(times.aware, wall)
    faults = _faults(cells, times.at)
    faults[faults == "is no ISO 8601 time"] = "is no date (YYYY-MM-DD)"
    unsure = ~times.aware & ~times.is_day & (wall != wall.dt.normalize()) & wall.notna()
    faults[unsure] = (
        "is a time without an offset, of which the day is not sure in another time zone: "
        "write the date alone (2026-01-31), or the time with its offset"
    )
    return Read(wall.dt.date.astype(object), faults)  # of no date at all pandas makes no objects


def _times(cells: pd.Series) -> _Times:
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return _Times(cells.dt.tz_convert("UTC"), pd.Series(True, cells.index), cells.isna())
    no = pd.Series(False, cells.index)
    if pd.api.types.is_datetime64_any_dtype(cells):
        return _Times(cells.dt.tz_localize("UTC"), no, no)
    texts = cells.str.upper()
    at = _iso(texts.where(~_has_odd_offset(texts), None))
    rest = at.isna() & (texts != "")
    if rest.any():
        mended = texts[rest].map(_mended)
        texts = texts.where(~rest, mended.str[0])
        even = texts[rest].where(~_has_odd_offset(texts[rest]), None)
        at = at.where(~rest, _iso(even) + pd.to_timedelta(mended.str[1], unit="D"))
    return _Times(at, texts.str.contains(_OFFSET, regex=True), texts.str.fullmatch(_DATE_ALONE))


def _has_odd_offset(texts: pd.Series) -> pd.Series:
    """Whether what follows the time has a sign and is no offset of two digits or four."""
    signed = texts.str.contains(_SIGNED, regex=True)
    return signed & ~texts.str.contains(_TIME_AND_OFFSET, regex=True)


def _iso(texts: pd.Series) -> pd.Series:
    dated = texts.where(texts.str.match(_DATED), None)
    found = pd.to_datetime(dated, format="ISO8601", errors="coerce", utc=True).dt.as_unit("us")
    earliest, latest = _EDGES
    return found.mask(found < earliest, earliest).mask(found > latest, latest)


def _mended(text: str) -> tuple[str, int]:
    """A time with the year first as ISO 8601 has it, and days to add; else the text itself."""
    match = _YEAR_FIRST.fullmatch(text)
    if match is None:
        return text, 0
    year, _, month, day, hour, rest = match.groups()
    date = f"{year}-{int(month):02}-{int(day):02}"
    if hour is None:
        return date, 0
    if hour == "24" and _ENDS_DAY.match(rest):
        return f"{date}T00{rest}", 1
    return f"{date}T{int(hour):02}{rest}", 0


def _faults(cells: pd.Series, at: pd.Series) -> pd.Series:
    """Why cells are no times, "" where they are."""
    faults = pd.Series("", cells.index, dtype=object)
    bad = cells[at.isna()].astype(str)
    faults[bad.index] = "is no ISO 8601 time"
    faults[bad.index[_has_odd_offset(bad.str.upper())]] = (
        "has an offset that can mean two things: write it as in 2026-01-31 10:00:00+08:00"
    )
    for pattern, told in _OTHER.items():
        faults[bad.index[bad.str.fullmatch(pattern)]] = told
    return faults
