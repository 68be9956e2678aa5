"""The view `farm.batch_day`, made anew where the farm's quantities, its zone or the SQL changed.

It is not migrated: the farm file decides its columns, which `schema.batch_day` declares. Nothing
here writes a row.
"""

import hashlib
import logging
from importlib import resources
from typing import Any

import sqlalchemy as sa
from psycopg import sql
from psycopg.errors import DependentObjectsStillExist

from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.schema import SCHEMA
from mushroom_assets.storage.schema.batch_day import FIGURES, VIEW, batch_day, name_of
from mushroom_assets.storage.views import comment_of

log = logging.getLogger(__name__)

_NAME = sql.Identifier(SCHEMA, VIEW)
# Of a day's images; its name begins as those that are made beside the migrations
_INDEX = """
    CREATE INDEX IF NOT EXISTS local_daily_clip_inference_room_day
    ON farm.daily_clip_inference (room_id, image_date)"""
# Who may read it, 0 is everybody
_READERS = """
    SELECT DISTINCT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    FROM pg_class, aclexplode(relacl)
    WHERE oid = to_regclass('farm.batch_day') AND privilege_type = 'SELECT'
      AND grantee <> relowner"""


def ensure_batch_day(connection: sa.Connection, farm: Farm) -> bool:
    """Make the view if it is missing or was made for another farm file; whether it was made.

    Call it in the transaction of `migrations.upgrade`, whose lock keeps other processes out, and
    only on tables of this release. Who could read the view can read the new one. Where views of
    others stand on it, it stays as it was, and that is told.
    """
    view = batch_day(farm.units())
    statements = _statements(farm, view)
    digest = hashlib.sha256("".join(statements).encode()).hexdigest()[:12]
    comment = f"{view.comment} ({digest})"
    if comment_of(connection, f"{SCHEMA}.{VIEW}") == comment:
        return False
    for quantity in farm.units():
        if name_of(quantity, FIGURES[0]) not in view.columns:
            log.warning(
                "%s.%s has no columns for %r: the name is too long, or one of its columns would "
                "be named as another", SCHEMA, VIEW, quantity,
            )  # fmt: skip
    readers = connection.scalars(sa.text(_READERS)).all()
    if not _dropped(connection):
        return False
    telling = sql.SQL("COMMENT ON VIEW {} IS {}").format(_NAME, sql.Literal(comment)).as_string()
    for statement in (_INDEX, *statements, telling):
        _execute(connection, statement)
    for reader in readers:  # quoted by the server, where need be
        _execute(connection, f"GRANT SELECT ON {SCHEMA}.{VIEW} TO {reader}")
    return True


def _dropped(connection: sa.Connection) -> bool:
    """Drop the view, if it is there and nothing stands on it; whether it is gone."""
    try:
        with connection.begin_nested():
            _execute(connection, f"DROP VIEW IF EXISTS {SCHEMA}.{VIEW}")
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, DependentObjectsStillExist):
            raise
        log.warning(
            "%s.%s stays as it was made for another farm file or release: %s. Remedy: drop what "
            "stands on it, run `mushroom init`, then make that again",
            SCHEMA, VIEW, error.orig.diag.message_detail,
        )  # fmt: skip
        return False
    return True


def _execute(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _statements(farm: Farm, view: sa.Table) -> list[str]:
    """The view of a farm, and a comment for each of its columns."""
    quantities = [name for name in farm.units() if name_of(name, FIGURES[0]) in view.columns]
    figures = []
    names = []
    for quantity in quantities:
        for figure in FIGURES:
            name = sql.Identifier(name_of(quantity, figure))
            names.append(sql.SQL(",\n    e.{}").format(name))
            figures.append(
                sql.SQL(",\n        max({}) FILTER (WHERE quantity = {}) AS {}").format(
                    sql.Identifier(figure), sql.Literal(quantity), name
                )
            )
    text: Any = resources.files("mushroom_assets.storage").joinpath("batch_day.sql").read_text()
    made = sql.SQL(text).format(
        figures=sql.Composed(figures), names=sql.Composed(names), zone=sql.Literal(farm.timezone)
    )
    told = [
        sql.SQL("COMMENT ON COLUMN {} IS {}").format(
            sql.Identifier(SCHEMA, VIEW, column.name), sql.Literal(column.comment)
        )
        for column in view.columns
    ]
    return [statement.as_string() for statement in (made, *told)]
