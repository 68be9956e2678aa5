"""The demo farm begins where its data do, by a farm file in its home that all of it reads."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from mushroom_assets.cli import demo
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion.simulated import Demo
from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.small import SmallFarm

OWN = "timezone: Europe/Berlin\nfirst_day: 2026-02-03\nrooms: {'1': {}}\n"


@pytest.fixture
def home(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and an empty database, and no other setting."""
    monkeypatch.setenv("MUSHROOM_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.url)
    yield tmp_path


def begin(database: Database, days: int = 14) -> tuple[Settings, Demo | None]:
    return demo.begin(load_settings(), database, days=days, seed=0)


def day_before(farm: Farm, days: int) -> dt.date:
    return dt.datetime.now(farm.zone).date() - dt.timedelta(days=days)


def test_a_new_demo_has_the_packaged_farm_from_its_first_day_on(
    home: Path, database: Database, farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        settings, state = begin(database)
    assert state is not None
    assert state.first_day == day_before(farm, 14)
    assert settings.read_farm() == farm.model_copy(update={"first_day": state.first_day})
    assert settings == load_settings()  # what every other process will find
    assert f"simulated from {state.first_day} on, by {home}/demo-farm.yaml" in caplog.text


def test_a_restart_of_days_later_keeps_the_first_day(
    home: Path, database: Database, farm: Farm
) -> None:
    begun = Demo.begin(0, day_before(farm, 19), None)
    begun.save(home)  # and killed before the farm file was written
    settings, _ = begin(database)
    written = (home / "demo-farm.yaml").read_bytes()
    Demo(0, begun.first_day, None, dt.datetime.now(dt.UTC)).save(home)
    again, state = begin(database, days=3)
    assert state is not None
    assert state.first_day == again.read_farm().first_day == begun.first_day
    assert again == settings
    assert (home / "demo-farm.yaml").read_bytes() == written


def test_a_farm_file_of_ones_own_always_wins(
    home: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "own.yaml").write_text(OWN)
    monkeypatch.setenv("MUSHROOM_CONFIG", str(home / "own.yaml"))
    settings, state = begin(database)
    assert state is not None
    assert settings.config == home / "own.yaml"
    assert not (home / "demo-farm.yaml").exists()
    monkeypatch.delenv("MUSHROOM_CONFIG")
    Demo.begin(0, dt.date(2026, 1, 1), None).save(home)
    begin(database)
    monkeypatch.setenv("MUSHROOM_CONFIG", str(home / "own.yaml"))
    assert load_settings().read_farm().timezone == "Europe/Berlin"  # next to the demo's


def test_a_demo_that_has_delivered_without_a_file_of_its_own_stays_as_it_is(
    home: Path, database: Database
) -> None:
    Demo(0, dt.date(2026, 1, 5), None, dt.datetime.now(dt.UTC)).save(home)
    settings, state = begin(database)
    assert state is not None
    assert settings.config is None
    assert not (home / "demo-farm.yaml").exists()


def test_a_database_with_samples_of_its_own_gets_no_demo_and_no_file(
    home: Path, small: SmallFarm
) -> None:
    small.put([("A", "t", small.at("2026-01-05", 1), 18.0)])
    settings, state = begin(small.database)
    assert (settings, state) == (load_settings(), None)
    assert list(home.glob("demo*")) == []


def test_every_subcommand_takes_the_demo_s_farm_file(
    home: Path, database: Database, farm: Farm
) -> None:
    begin(database, days=5)
    first = day_before(farm, 5)
    where = {"MUSHROOM_HOME": home, "DATABASE_URL": database.url}
    assert f"{home}/demo-farm.yaml: 4 rooms" in mushroom("doctor", **where).output
    early = mushroom("diff", "daily_env_stats", "--since", first - dt.timedelta(days=1), **where)
    assert f"before the farm's first day, {first}" in early.output
    lines = mushroom("status", **where).output.splitlines()
    (daily,) = [line.split() for line in lines if line.startswith("daily_env_stats ")]
    assert daily[:3] in (["daily_env_stats", "nothing", "5"], ["daily_env_stats", "nothing", "4"])
    # What webserver, daemon and runs load
    definition = build_definitions().resolve_assets_def("daily_env_stats").partitions_def
    assert definition is not None
    assert definition.get_partition_keys()[0] == f"{first}"
