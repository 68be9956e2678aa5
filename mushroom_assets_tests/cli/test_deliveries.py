"""The simulated plant delivers each minute; a delivery that fails ends nothing."""

import datetime as dt
import logging
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from mushroom_assets.cli import demo
from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.ingestion import simulated
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database


@pytest.mark.parametrize(
    "fault",
    [
        # Bare, as COPY raises them
        psycopg.errors.QueryCanceled("canceling statement due to user request"),
        psycopg.errors.DiskFull("could not extend file"),
        DatabaseUnavailable("no connection"),
        OSError("No space left on device"),
    ],
    ids=["cancelled", "disk", "database", "images"],
)
def test_a_delivery_that_fails_is_one_line_and_is_made_up_for(
    fault: Exception,
    farm: Farm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def deliver(*_: object) -> NoReturn:
        raise fault

    monkeypatch.setattr(simulated, "deliver", deliver)
    monkeypatch.setenv("MUSHROOM_HOME", str(tmp_path))
    before = simulated.Demo.begin(0, dt.date(2026, 1, 1), None)
    database = Database("postgresql://nobody@127.0.0.1:1/farm")
    with caplog.at_level(logging.ERROR):
        after = demo.deliver_due(load_settings(), database, farm, before)
    assert after is before  # so the next minute delivers what is due since then
    (record,) = caplog.records
    assert f"could not deliver: {fault}; what is due comes with the next" in record.getMessage()
    assert record.exc_info is None
