"""The index of a model's vectors on PostgreSQL: built once, whole, by one process.

It is used only as far as it finds.
"""

import threading
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import errors
from sqlalchemy import exc

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.service import doctor
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.schema import metadata
from mushroom_assets.storage.vision import index_build
from mushroom_assets.storage.vision.index import (
    distances,
    index_name,
    index_state,
    through_index,
    usable_ef_search,
)
from mushroom_assets.storage.vision.index_build import ensure_index
from mushroom_assets_tests.kit.servers import until
from mushroom_assets_tests.kit.vectors import ENCODER, clusters, put_vectors, unit

pytestmark = pytest.mark.long

ODD = 'it\'s 100% "odd"/weights:\\v1'


@pytest.fixture(autouse=True)
def small_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexed from 500 vectors on, so that tests are quick."""
    monkeypatch.setattr(index_build, "INDEX_FROM", 500)


def indexes(database: Database) -> list[tuple[Any, ...]]:
    """Oid, name and validity of every HNSW index."""
    with database.transaction() as connection:
        statement = sa.text(
            "SELECT c.oid, c.relname, i.indisvalid FROM pg_class c"
            " JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON a.oid = c.relam"
            " WHERE a.amname = 'hnsw' ORDER BY 2"
        )
        return [tuple(row) for row in connection.execute(statement)]


def plan(connection: sa.Connection, encoder: str, vector: Any, *, exact: bool) -> str:
    """What PostgreSQL would do, asked with the very statement and parameters of a search."""

    def explain(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return f"EXPLAIN {statement}", parameters

    sa.event.listen(connection, "before_cursor_execute", explain, retval=True)
    try:
        result = connection.execute(distances(encoder, vector, exact=exact).limit(10))
        return "\n".join(str(row[0]) for row in result.cursor.fetchall())
    finally:
        sa.event.remove(connection, "before_cursor_execute", explain)


def test_few_vectors_get_no_index(database: Database) -> None:
    assert not ensure_index(database, ENCODER)
    put_vectors(database, clusters(499, 16))
    assert not ensure_index(database, ENCODER)
    assert indexes(database) == []


@pytest.mark.parametrize("encoder", [ENCODER, ODD, "x" * 300])
def test_many_get_one_of_their_own_which_is_measured_and_kept(
    database: Database, encoder: str
) -> None:
    put_vectors(database, clusters(600, 16), encoder)
    put_vectors(database, clusters(600, 8, seed=1), "another/model")
    assert ensure_index(database, encoder)
    (built,) = indexes(database)
    assert built[1:] == (index_name(encoder), True)
    assert len(index_name(encoder)) <= 63
    with database.transaction() as connection:
        assert index_state(connection, encoder) == (
            True, {"encoder": encoder, "vectors": 600, "ef_search": 200, "recall_at_10": 1.0},
        )  # fmt: skip
    assert ensure_index(database, encoder)
    assert indexes(database) == [built]
    assert ensure_index(database, "another/model")
    assert len(indexes(database)) == 2


@pytest.mark.parametrize("encoder", [ENCODER, ODD])
def test_the_planner_uses_the_index_and_only_where_asked(database: Database, encoder: str) -> None:
    vectors = clusters(600, 16)
    put_vectors(database, vectors, encoder)
    ensure_index(database, encoder)
    with database.transaction() as connection:
        with through_index(connection, 200):
            assert f"Index Scan using {index_name(encoder)}" in plan(
                connection, encoder, vectors[0], exact=False
            )
            assert "hnsw" not in plan(connection, encoder, vectors[0], exact=True)
            assert "hnsw" not in plan(connection, "another/model", vectors[0], exact=False)
            assert connection.scalar(sa.text("SHOW hnsw.ef_search")) == "200"
        assert connection.scalar(sa.text("SHOW enable_seqscan")) == "on"
        assert connection.scalar(sa.text("SHOW hnsw.iterative_scan")) == "off"


def test_a_statement_that_is_prepared_and_planned_once_for_all_still_uses_it(
    database: Database,
) -> None:
    vectors = clusters(600, 16)
    put_vectors(database, vectors)
    ensure_index(database, ENCODER)
    count = sa.text("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = :name")
    with database.transaction() as connection:
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
    with database.transaction() as connection:
        before = connection.scalar(count, {"name": index_name(ENCODER)})
        with through_index(connection, 200):
            connection.execute(sa.text("SET LOCAL plan_cache_mode = force_generic_plan"))
            for vector in vectors[:12]:  # psycopg prepares a statement on its sixth time
                connection.execute(distances(ENCODER, vector, exact=False).limit(10)).all()
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
    with database.transaction() as connection:
        assert connection.scalar(count, {"name": index_name(ENCODER)}) == before + 12


def test_it_finds_what_numpy_finds(database: Database) -> None:
    vectors = clusters(3000, 64)
    queries = clusters(60, 64, seed=5)
    put_vectors(database, vectors)
    assert ensure_index(database, ENCODER)
    truth = np.sort(1 - queries.astype(float) @ vectors.astype(float).T, axis=1)[:, :10]
    nearest: list[list[float]] = []
    with database.transaction() as connection, through_index(connection, 200):
        for query in queries:
            statement = distances(ENCODER, query, exact=False).limit(10)
            nearest.append([row.distance for row in connection.execute(statement)])
    found = np.array(nearest)
    assert (found <= truth[:, -1:] + 1e-6).mean() >= 0.98
    assert (np.diff(found, axis=1) >= 0).all()


def test_an_index_that_finds_too_little_is_not_used(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_vectors(database, unit(np.random.default_rng(0).standard_normal((2000, 256))))
    monkeypatch.setattr(index_build, "EF_SEARCH", (1, 2))
    assert not ensure_index(database, ENCODER)
    with database.transaction() as connection:
        valid, measured = index_state(connection, ENCODER)
    assert valid
    assert measured["ef_search"] is None
    assert measured["recall_at_10"] < 0.985


def test_the_measured_recall_is_that_of_searches() -> None:
    truth = [0.0, *(number / 10 for number in range(1, 11))]  # itself, then the ten nearest
    half = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 2.0, 2.0, 2.0, 2.0, 2.0]
    not_itself = [0.9, *(2.0,) * 10]  # a search then compares all
    assert index_build._recall([truth], [truth]) == 1
    assert index_build._recall([half], [truth]) == 0.5
    assert index_build._recall([not_itself, [], half, half], [truth] * 4) == 0.75


def test_recall_is_measured_anew_when_the_vectors_have_doubled(database: Database) -> None:
    put_vectors(database, clusters(600, 16))
    ensure_index(database, ENCODER)
    (built,) = indexes(database)
    for first, known in ((600, 600), (1100, 1200)):
        put_vectors(
            database, clusters(1200 - first if first > 600 else 500, 16, seed=first), first=first
        )
        assert ensure_index(database, ENCODER)
        with database.transaction() as connection:
            assert index_state(connection, ENCODER)[1]["vectors"] == known
    assert indexes(database) == [built]


def test_a_build_that_cannot_end_stops_and_the_next_one_begins_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_vectors(database, clusters(600, 16))
    monkeypatch.setattr(index_build, "LOCK_TIMEOUT_S", 1)
    with database.transaction() as forgotten:
        forgotten.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        forgotten.execute(sa.text("SELECT count(*) FROM farm.image_embedding"))
        with pytest.raises(DatabaseUnavailable, match="due to lock timeout"):
            ensure_index(database, ENCODER)
    (broken,) = indexes(database)
    assert broken[2] is False
    with database.transaction() as connection:
        assert usable_ef_search(connection, ENCODER) is None
    assert ensure_index(database, ENCODER)
    (whole,) = indexes(database)
    assert whole[2] is True
    assert whole[0] != broken[0]


def test_the_statement_timeout_does_not_cut_a_long_build_and_is_back_afterwards(
    database_url: str,
) -> None:
    impatient = Database(database_url, limits=Limits(statement_timeout_s=1, pool_size=1))
    put_vectors(impatient, clusters(600, 16))
    started = threading.Event()

    def hold_up() -> None:
        other = Database(database_url)
        with other.transaction() as old:
            old.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            old.execute(sa.text("SELECT count(*) FROM farm.image_embedding"))
            started.set()
            old.execute(sa.text("SELECT pg_sleep(2)"))
        other.dispose()

    thread = threading.Thread(target=hold_up)
    thread.start()
    started.wait(timeout=60)
    assert ensure_index(impatient, ENCODER)
    thread.join()
    with impatient.transaction() as connection:
        assert connection.scalar(sa.text("SHOW statement_timeout")) == "1s"
        assert connection.scalar(sa.text("SHOW maintenance_work_mem")) == "64MB"
        held = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        until(lambda: connection.scalar(held) == 0)  # the server ends a session a moment later
    impatient.dispose()


def test_of_several_at_once_one_builds(database_url: str, database: Database) -> None:
    put_vectors(database, clusters(2000, 64))
    together = threading.Barrier(3, timeout=60)
    faults: list[Exception] = []

    def ensure() -> None:
        own = Database(database_url)
        together.wait()
        try:
            ensure_index(own, ENCODER)
        except (exc.SQLAlchemyError, DatabaseUnavailable, DatabaseRefused) as error:
            faults.append(error)
        own.dispose()

    threads = [threading.Thread(target=ensure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert [row[2] for row in indexes(database)] == [True]
    assert ensure_index(database, ENCODER)


def test_without_shared_memory_for_workers_one_process_builds_alone(database: Database) -> None:
    put_vectors(database, clusters(600, 16))
    built_with = []

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def no_space(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("CREATE INDEX"):
            built_with.append(
                cursor.connection.execute("SHOW max_parallel_maintenance_workers").fetchone()[0]
            )
            if len(built_with) == 1:
                raise exc.OperationalError(
                    statement, None, errors.DiskFull("could not resize shared memory segment")
                )

    assert ensure_index(database, ENCODER)
    assert built_with == ["2", "0"]
    assert [row[2] for row in indexes(database)] == [True]


def test_migrations_and_doctor_pass_over_the_indexes(database: Database) -> None:
    put_vectors(database, clusters(600, 16))
    ensure_index(database, ENCODER)
    with database.transaction() as connection:
        options = {
            "include_schemas": True,
            "include_name": migrations.include,
            "version_table_schema": "farm",
        }
        assert (
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        )
    assert doctor._tables(database).startswith("revision ")
