"""The published table, one column a quantity, as rows for `mushroom load samples`, on stdout."""

import csv
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("occupancy_2015-02-04_to_10.csv")
COLUMNS = {"temperature": "temperature", "relative humidity": "humidity", "CO2": "co2"}
SENSOR = ["office", "room_sensor", "room_sensor_office"]  # room, device type and alias


def main() -> None:
    """Write the rows; times stay farm time, without an offset."""
    out = csv.writer(sys.stdout)
    out.writerow(["room_id", "device_type", "device_alias", "point_alias", "sampled_at", "value"])
    with SOURCE.open(newline="") as file:
        for row in csv.DictReader(file):
            for column, alias in COLUMNS.items():
                out.writerow([*SENSOR, alias, row["datetime"], row[column]])


if __name__ == "__main__":
    main()
