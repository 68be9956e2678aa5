"""What the five full days come to, computed without the package, as JSON on stdout.

Only the standard library is used, second by second. A value holds until the next, at most 300 s;
every timestamp of the table is a whole second, so that counting seconds is exact. No clock changes
in these days. vpd and dew point: Magnus form over water, 17.62 and 243.12 °C, 0.6112 kPa.
"""

import csv
import datetime as dt
import json
import math
import statistics
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("occupancy_2015-02-04_to_10.csv")
HOLD_S = 300
DAYS = [dt.date(2015, 2, day) for day in (5, 6, 7, 8, 9)]


def vpd(celsius: float, percent: float) -> float:
    """Vapour pressure deficit in kPa."""
    return 0.6112 * math.exp(17.62 * celsius / (243.12 + celsius)) * (1 - percent / 100)


def dew_point(celsius: float, percent: float) -> float:
    """Dew point in °C."""
    magnus = math.log(percent / 100) + 17.62 * celsius / (243.12 + celsius)
    return 243.12 * magnus / (17.62 - magnus)


def series() -> dict[str, list[tuple[dt.datetime, float]]]:
    """Times and values by quantity."""
    found: dict[str, list[tuple[dt.datetime, float]]] = {
        name: [] for name in ("temperature", "humidity", "co2", "vpd", "dew_point")
    }
    with SOURCE.open(newline="") as file:
        for row in csv.DictReader(file):
            at = dt.datetime.fromisoformat(row["datetime"])
            celsius = float(row["temperature"])
            percent = float(row["relative humidity"])
            found["temperature"].append((at, celsius))
            found["humidity"].append((at, percent))
            found["co2"].append((at, float(row["CO2"])))
            found["vpd"].append((at, vpd(celsius, percent)))
            found["dew_point"].append((at, dew_point(celsius, percent)))
    return found


def day_statistics(samples: list[tuple[dt.datetime, float]], day: dt.date) -> dict[str, float]:
    """One row of statistics."""
    midnight = dt.datetime.combine(day, dt.time())
    known: list[float | None] = [None] * 86_400
    for at, value in samples:
        second = int((at - midnight).total_seconds())
        for covered in range(max(second, 0), min(second + HOLD_S, 86_400)):
            known[covered] = value  # a later sample writes over the earlier one's hold
    values = [value for value in known if value is not None]
    gap = 0
    longest = 0
    for covered_by in known:
        gap = gap + 1 if covered_by is None else 0
        longest = max(longest, gap)
    own = [value for at, value in samples if at.date() == day]
    q25, median, q75 = statistics.quantiles(own, n=4, method="inclusive")
    return {
        "sample_count": len(own),
        "mean": math.fsum(values) / len(values),
        "min": min(own),
        "q25": q25,
        "median": median,
        "q75": q75,
        "max": max(own),
        "coverage": len(values) / 86_400,
        "longest_gap_s": longest,
    }


def main() -> None:
    """Write the statistics as JSON: by day, then by quantity."""
    found = series()
    result: dict[str, dict[str, dict[str, float]]] = {}
    for day in DAYS:
        rows = {name: day_statistics(samples, day) for name, samples in found.items()}
        result[day.isoformat()] = rows
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
