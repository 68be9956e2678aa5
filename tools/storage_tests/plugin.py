"""What gives Dagster's storage tests the storage of a side; pytest loads it before they are read.

`stock` is dagster-postgres, `farm` our storage, and `batched` ours with every event of every test
written as a batch. Every test begins with an empty schema. `run.py` starts pytest.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import dagster._core.instance_for_test
import dagster._core.test_utils
import dagster_postgres
import pytest
import sqlalchemy as sa

from mushroom_assets.instance.event_log import EventStorage
from mushroom_assets.instance.storage import FarmStorage

SIDE = os.environ["STORAGE_SIDE"]
URL = os.environ["STORAGE_URL"]
CONFIG = {"postgres_url": URL}
OURS = {"module": FarmStorage.__module__, "class": FarmStorage.__name__, "config": CONFIG}
STORAGE: dict[str, Any] = {"postgres": CONFIG} if SIDE == "stock" else {"custom": OURS}
open_instance = dagster._core.instance_for_test.instance_for_test


@contextmanager
def instance_for_test(
    overrides: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[dg.DagsterInstance]:
    """Dagster's, with the storage of the side where a test asks for dagster-postgres."""
    if overrides is None or "postgres" not in overrides.get("storage", {}):
        with open_instance(overrides, **options) as instance:
            yield instance
        return
    with open_instance({**overrides, "storage": STORAGE}, **options) as instance:
        ours = isinstance(instance.event_log_storage, EventStorage)
        if ours == (SIDE == "stock"):
            pytest.exit(f"{SIDE}: {type(instance.event_log_storage)} is the other side's")
        yield instance


for module in (dg, dagster._core.instance_for_test, dagster._core.test_utils):
    module.instance_for_test = instance_for_test  # type: ignore[attr-defined]
dagster._core.test_utils.ensure_dagster_tests_import = lambda: None  # they lie on the path

if SIDE != "stock":
    for part, of_class in {
        "event_log_storage": dagster_postgres.PostgresEventLogStorage,
        "run_storage": dagster_postgres.PostgresRunStorage,
        "schedule_storage": dagster_postgres.PostgresScheduleStorage,
    }.items():
        ours = staticmethod(lambda url, part=part: getattr(FarmStorage(url), part))
        of_class.create_clean_storage = ours  # type: ignore[assignment]
if SIDE == "batched":
    EventStorage.store_event = lambda self, event: self.store_event_batch([event])  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def empty_schema() -> None:
    """No table of an earlier test."""
    engine = sa.create_engine(URL, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))


@pytest.fixture
def postgres_conn_str() -> str:
    """The database, as Dagster's own fixtures ask for it."""
    return URL


@pytest.fixture
def postgres_hostname() -> str:
    """Nobody's: see `NOT` in run.py."""
    return "localhost"
