"""The migrations make what the schema declares: tables, columns, comments, keys, checks, indexes.

Once, wholly.
"""

import re
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import exc

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import metadata
from mushroom_assets_tests.kit.contract import TABLES, WORK_TABLES
from mushroom_assets_tests.kit.databases import NO_RETRY, execute

# A column that a later migration adds stands last: its place does not count
COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.attidentity, pg_get_expr(d.adbin, d.adrelid),
           col_description(c.oid, a.attnum), obj_description(c.oid, 'pg_class')
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'farm'::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname <> 'alembic_version' AND NOT c.relispartition ORDER BY 1, 2"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'farm'::regnamespace
      AND conrelid::regclass::text <> 'farm.alembic_version' ORDER BY 1, 2"""
INDEXES = """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'farm' AND tablename <> 'alembic_version' ORDER BY 1, 2"""
OPTIONS = """
    SELECT relname, reloptions FROM pg_class
    WHERE relnamespace = 'farm'::regnamespace AND reloptions IS NOT NULL ORDER BY 1"""
PARTITIONING = """
    SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid)
    FROM pg_partitioned_table ORDER BY 1"""
COLUMN_NAMES = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'farm' ORDER BY 1"""
SIZE_BESIDE = """
    SELECT pg_relation_size(reltoastrelid) FROM pg_class
    WHERE oid = 'farm.image_embedding'::regclass"""


def facts(connection: sa.Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(sa.text(query))]


def catalogue(connection: sa.Connection) -> dict[str, list[tuple[object, ...]]]:
    """What PostgreSQL itself says of schema farm."""
    return {
        "columns": facts(connection, COLUMNS),
        "constraints": facts(connection, CONSTRAINTS),
        "indexes": facts(connection, INDEXES),
        "options": facts(connection, OPTIONS),
        "partitioning": facts(connection, PARTITIONING),
    }


@pytest.fixture
def empty(empty_database_url: str) -> Database:
    return Database(empty_database_url)


def test_the_migrations_make_exactly_what_the_schema_declares(empty: Database) -> None:
    with empty.transaction() as connection:
        migrations.upgrade(connection)
        options = {
            "include_schemas": True,
            "include_name": migrations.include,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(
            connection, opts={**options, "version_table_schema": "farm"}
        )
        assert compare_metadata(context, metadata) == []


def test_the_comparison_sees_a_difference_in_a_comment_alone(empty: Database) -> None:
    with empty.transaction() as connection:
        migrations.upgrade(connection)
        connection.exec_driver_sql("COMMENT ON COLUMN farm.batch.bag_count IS 'something else'")
        options = {
            "include_schemas": True,
            "include_name": migrations.include,
            "version_table_schema": "farm",
        }
        differences = compare_metadata(
            MigrationContext.configure(connection, opts=options), metadata
        )
    assert [difference[0][0] for difference in differences] == ["modify_comment"]


def test_checks_keys_indexes_and_defaults_are_those_of_tables_made_from_the_schema(
    empty: Database,
) -> None:
    with empty.transaction() as connection:
        migrations.upgrade(connection)
        migrated = catalogue(connection)
        connection.exec_driver_sql("DROP SCHEMA farm CASCADE")
        connection.execute(sa.schema.CreateSchema("farm"))
        metadata.create_all(connection)
        declared = catalogue(connection)
    assert len([row for row in declared["constraints"] if "CHECK" in str(row[2])]) == 13
    for kind, rows in declared.items():
        assert migrated[kind] == rows


def test_vectors_lie_in_their_rows(database: Database) -> None:
    with database.transaction() as connection:
        options = catalogue(connection)["options"]
        connection.exec_driver_sql(
            "INSERT INTO farm.image_embedding"
            " (content_sha256, encoder, embedding, width, height, sharpness, brightness)"
            " SELECT n::text, 'e', array_agg(random())::vector, 1, 1, 1, 1"
            " FROM generate_series(1, 100) AS n, generate_series(1, 768) GROUP BY n"
        )
        beside = connection.exec_driver_sql(SIZE_BESIDE).scalar_one()
    assert options == [
        (name, ["toast_tuple_target=8160"]) for name in ("daily_clip_inference", "image_embedding")
    ]
    assert beside == 0


def test_every_column_and_table_has_a_comment(database: Database) -> None:
    with database.transaction() as connection:
        found = catalogue(connection)["columns"]
    assert {row[0] for row in found} == TABLES | WORK_TABLES
    assert [f"{row[0]}.{row[1]}" for row in found if not row[6] or not row[7]] == []


def test_the_vector_extension_is_there_and_computes(database: Database) -> None:
    with database.transaction() as connection:
        distance = connection.scalar(sa.text("SELECT '[1,0]'::vector <=> '[0,1]'::vector"))
    assert distance == 1


def test_an_upgrade_of_the_newest_revision_changes_nothing(empty: Database) -> None:
    with empty.transaction() as connection:
        assert migrations.current(connection) is None
        assert migrations.upgrade(connection) == migrations.head() == migrations.current(connection)
        connection.exec_driver_sql("INSERT INTO farm.batch VALUES ('611', '2026-01-05', 9800)")
        before = catalogue(connection)
    with empty.transaction() as connection:
        assert migrations.upgrade(connection) == migrations.head()
        assert catalogue(connection) == before
        assert connection.scalar(sa.text("SELECT bag_count FROM farm.batch")) == 9800


def test_of_two_upgrades_at_once_both_succeed(empty_database_url: str) -> None:
    together = threading.Barrier(2, timeout=60)
    revisions: list[str] = []
    errors: list[Exception] = []

    def upgrade() -> None:
        database = Database(empty_database_url)
        try:
            with database.transaction() as connection:
                together.wait()
                revisions.append(migrations.upgrade(connection))
        except (exc.SQLAlchemyError, DatabaseUnavailable, DatabaseRefused) as error:
            errors.append(error)
        database.dispose()

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert revisions == [migrations.head()] * 2


def test_a_failing_migration_leaves_the_database_as_it_was(empty: Database) -> None:
    # `sample` is the last table that the first migration makes
    with empty.transaction() as connection:
        connection.execute(sa.schema.CreateSchema("farm"))
        connection.exec_driver_sql("CREATE TABLE farm.sample (somebody_elses int)")
        before = facts(connection, COLUMN_NAMES)
    with (
        pytest.raises(exc.ProgrammingError, match='relation "sample" already exists'),
        empty.transaction() as failing,
    ):
        migrations.upgrade(failing)
    with empty.transaction() as connection:
        assert facts(connection, COLUMN_NAMES) == before == [("sample", "somebody_elses")]
        assert (
            connection.scalar(sa.text("SELECT count(*) FROM pg_extension WHERE extname = 'vector'"))
            == 0
        )
        connection.exec_driver_sql("DROP TABLE farm.sample")
    with empty.transaction() as connection:
        assert migrations.upgrade(connection) == migrations.head()


def test_the_tables_of_a_newer_release_are_left_as_they_are(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE farm.alembic_version SET version_num = '0900'"))
        assert migrations.upgrade(connection) == "0900"
        assert migrations.current(connection) == "0900"
    assert not migrations.is_newer("0001")
    assert not migrations.is_newer(migrations.head())
    assert not migrations.is_newer("another")
    assert not migrations.is_newer(None)


def test_a_database_that_cannot_hold_every_script_is_refused(empty: Database) -> None:
    statement = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    execute(empty.url, statement)
    try:
        ascii_only = Database(re.sub(r"/\w+\?", "/ascii?", empty.url), retry=NO_RETRY)
        with ascii_only.transaction() as connection:
            assert connection.scalar(sa.text("SELECT '鹿茸菇'")) == "鹿茸菇"
            with pytest.raises(migrations.MigrationFailed, match=r"in SQL_ASCII.*ENCODING 'UTF8'"):
                migrations.upgrade(connection)
        ascii_only.dispose()
    finally:
        execute(empty.url, "DROP DATABASE ascii")
