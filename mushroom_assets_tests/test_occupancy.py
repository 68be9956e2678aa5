"""Real minute data through command line and Dagster, against numbers of plain Python."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from mushroom_assets.cli.main import main
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_env_stats
from mushroom_assets_tests.kit.plant import materialize, rows

EXAMPLE = Path(__file__).parent.parent / "examples" / "occupancy"
EXPECTED = json.loads((EXAMPLE / "expected.json").read_text())


def run_script(name: str) -> str:
    """What an example script prints."""
    return subprocess.run(
        [sys.executable, EXAMPLE / name], capture_output=True, text=True, check=True
    ).stdout


def test_the_five_full_days_come_to_the_independently_computed_numbers(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = tmp_path / "samples.csv"
    samples.write_text(run_script("to_samples.py"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("MUSHROOM_HOME", str(tmp_path))
    monkeypatch.setenv("MUSHROOM_CONFIG", str(EXAMPLE / "farm.yaml"))
    first = CliRunner().invoke(main, ["load", "samples", str(samples)], catch_exceptions=False)
    again = CliRunner().invoke(main, ["load", "samples", str(samples)], catch_exceptions=False)
    assert "24429 rows read: 24429 added" in first.output  # 8,143 rows of three quantities
    assert "24429 rows read: 0 added, 24429 already there" in again.output

    farm = parse_farm((EXAMPLE / "farm.yaml").read_text())
    with dg.DagsterInstance.ephemeral() as instance:
        materialize(
            "daily_env_stats", database_url, farm, "2015-02-05", "2015-02-09", instance=instance
        )
        done = instance.get_materialized_partitions(dg.AssetKey("daily_env_stats"))
    assert done == set(EXPECTED)

    found = {(row["stat_date"], row["quantity"]): row for row in rows(database, daily_env_stats)}
    assert len(found) == 5 * 5
    for day, quantities in EXPECTED.items():
        for quantity, expected in quantities.items():
            row = found[dt.date.fromisoformat(day), quantity]
            assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9), (
                day,
                quantity,
            )
            assert row["rejected_count"] == 0
            assert row["growth_day"] is None and row["in_range"] is None


def test_the_expected_numbers_are_what_their_script_prints() -> None:
    assert json.loads(run_script("expected.py")) == EXPECTED
