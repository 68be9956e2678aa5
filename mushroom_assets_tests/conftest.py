"""A PostgreSQL of the tests' own, a fresh database for each test, and small farms."""

import datetime as dt
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets_tests.kit.cameras import Relabelled
from mushroom_assets_tests.kit.command import forget_settings
from mushroom_assets_tests.kit.databases import NO_RETRY, execute, uri_of
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.small import FARM, Build, SmallFarm

TESTS = Path(__file__).parent
# PyTorch's threads give the core away while they wait for one another, here and in all that tests
# start. By default they wait at work: beside other processes a batch of pictures took 10 s, not 1.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
RUN_DAGSTER = {"assets", "automation", "browser", "checks", "instance"}

if TYPE_CHECKING:
    from mushroom_assets_tests.kit.object_store import ObjectStore


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many random histories of a farm are played."""
    parser.addoption("--histories", type=int, default=3, help="random histories of a farm")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A seed for each history."""
    if "history_seed" in metafunc.fixturenames:
        metafunc.parametrize("history_seed", range(metafunc.config.getoption("histories")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of rooms that run Dagster are all long.

    Modules with long tests come first, the longest of all before them: short ones fill the gaps.
    """
    for item in items:
        if _room(item) in RUN_DAGSTER:
            item.add_marker(pytest.mark.long)
    long = {item.path for item in items if item.get_closest_marker("long") is not None}
    items.sort(key=lambda item: (item.path not in long, _room(item) != "faults"))


def _room(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


class ByFarm(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Where several processes run tests, those that share a farm stay together.

    These are a module's, and all of the browser.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "browser" if "/browser/" in file else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFarm:
    """Let `--dist loadfile` mean that, in the order of the collection."""
    config.option.loadscopereorder = False
    return ByFarm(config, log)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test."""
    forget_settings(monkeypatch)


@pytest.fixture(scope="session")
def server_uri() -> Iterator[str]:
    """URI of a PostgreSQL that ends with the session.

    It does not wait for the disk: a database was dropped in 140 ms, and is in 22. What is killed or
    loses its power in a test is a server of that test's own.
    """
    home = Path(tempfile.mkdtemp(prefix="mushroom-pg-"))  # short: a socket's path holds 107 bytes
    try:
        with embedded_postgres(home / "pg") as uri:
            execute(uri, "ALTER SYSTEM SET fsync = off")
            execute(uri, "ALTER SYSTEM SET full_page_writes = off")
            execute(uri, "SELECT pg_reload_conf()")
            yield uri
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server_uri: str) -> str:
    """Name of a database to be copied: the farm's tables, the months of 2025-11 to 2026-04."""
    execute(server_uri, "CREATE DATABASE farm_template")
    database = Database(uri_of(server_uri, "farm_template"), retry=NO_RETRY)
    with database.transaction() as connection:
        migrations.upgrade(connection)
        ensure_months(connection, dt.date(2025, 11, 1), dt.date(2026, 4, 30))
    database.dispose()
    return "farm_template"


@pytest.fixture
def empty_database_url(server_uri: str) -> Iterator[str]:
    """A database without tables."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    execute(server_uri, f"CREATE DATABASE {name}")
    yield uri_of(server_uri, name)
    execute(server_uri, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(server_uri: str, template: str) -> Iterator[str]:
    """A database with empty farm tables."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    execute(server_uri, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield uri_of(server_uri, name)
    execute(server_uri, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Transactions on a database with empty farm tables."""
    database = Database(database_url, retry=NO_RETRY)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def farm() -> Farm:
    """The reference farm."""
    return parse_farm(reference_farm_text())


@pytest.fixture
def build(database: Database, tmp_path: Path) -> Iterator[Build]:
    """Makes a small farm with its own Dagster instance.

    `timezone` and further keys of the farm file can be given.
    """
    with dg.DagsterInstance.ephemeral() as instance:

        def make(timezone: str = "Asia/Shanghai", addition: str = "") -> SmallFarm:
            path = tmp_path / "farm.yaml"
            return SmallFarm(
                write_farm(path, FARM.format(timezone=timezone) + addition),
                path,
                database,
                instance,
            )

        yield make


@pytest.fixture
def small(build: Build) -> SmallFarm:
    """The small farm in Shanghai, without samples."""
    return build()


@pytest.fixture
def unpictured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs draw no ribbons, which take half of their time: for tests of rows alone."""
    monkeypatch.setattr("mushroom_assets.assets.environment.PICTURED", 0)
    monkeypatch.setattr("mushroom_assets.assets.report.pictured", lambda context: frozenset())


@pytest.fixture
def judged(database: Database, tmp_path: Path) -> Iterator[Relabelled]:
    """A farm with three days of images, judged under its first prompts."""
    with Relabelled.open(database, tmp_path) as farm:
        farm.judge_three_days()
        yield farm


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> "Iterator[ObjectStore]":
    """A running S3 server with an empty bucket."""
    # Brings moto and boto3: 1 s, for few tests
    from mushroom_assets_tests.kit.object_store import BUCKET, ObjectStore

    store = ObjectStore(monkeypatch).start()
    store.client.create_bucket(Bucket=BUCKET)
    yield store
    store.start().empty()
    store.stop()
