"""A database with the tables of the farm and of Dagster, as the watch finds it."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from mushroom_assets_tests.kit.dagsters import make_dagsters_tables
from mushroom_assets_tests.kit.databases import execute, uri_of


@pytest.fixture(scope="session")
def watched_template(
    server_uri: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Name of a database to be copied: all tables, no rows."""
    name = "watched_template"
    execute(server_uri, f"CREATE DATABASE {name} TEMPLATE {template}")
    make_dagsters_tables(uri_of(server_uri, name), tmp_path_factory.mktemp("dagster"))
    return name


@pytest.fixture
def watched_url(server_uri: str, watched_template: str) -> Iterator[str]:
    """Its copy's address."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    execute(server_uri, f"CREATE DATABASE {name} TEMPLATE {watched_template}")
    yield uri_of(server_uri, name)
    execute(server_uri, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def rows(watched_url: str) -> Iterator[psycopg.Connection]:
    """A connection to put rows into it."""
    with psycopg.connect(watched_url, autocommit=True) as connection:
        yield connection
