"""Views under the table names of the system before, so that its dashboards keep working.

They lie in a schema of their own, which a dashboard's role has on its search_path: tables of the
same names elsewhere in the database stay as they are. One SQL file for each noun declares view,
comments and the index that its time needs; `{zone}` is the farm's time zone, since that system
stored local times without one. Views are not migrated: they are made anew where their file or the
zone has changed. Nothing here writes a row.
"""

import hashlib
from importlib import resources

import sqlalchemy as sa
from psycopg import sql

from mushroom_assets.storage.views import comment_of

SCHEMA = "predecessor"
VIEWS = {  # view: the file that declares it
    "mushroom_env_daily_stats": "environment.sql",
    "device_setpoint_changes": "setpoints.sql",
    "mushroom_embedding": "vision.sql",
}
# The points of the room of image `i`, each with its last value of the 5 minutes up to the capture.
# No function: it would run with the rights of who asks, a view runs with those of its owner.
AT_CAPTURE = sql.SQL("""farm.point AS p CROSS JOIN LATERAL (
            SELECT value FROM farm.sample
            WHERE point_id = p.point_id AND sampled_at <= i.captured_at
              AND sampled_at > i.captured_at - INTERVAL '5 min'
            ORDER BY sampled_at DESC LIMIT 1
        ) AS s""")


def ensure_views(connection: sa.Connection, timezone: str) -> list[str]:
    """Make the views that are missing, or were made by another file or for another zone.

    Call it in the transaction of `migrations.upgrade`, whose lock keeps other processes out, and
    only on tables of this release. Rights on a view that is made anew stay.

    Args:
        connection: in that transaction.
        timezone: the farm's, by its IANA name.

    Returns:
        names of the views that were made.
    """
    made = []
    for name, file in VIEWS.items():
        statements = _statements(file, timezone)
        digest = hashlib.sha256(statements.encode()).hexdigest()[:12]
        comment = f"The table of this name as it was, from schema farm, in {timezone} ({digest})"
        if comment_of(connection, f"{SCHEMA}.{name}") != comment:
            telling = sql.SQL("COMMENT ON VIEW {} IS {}").format(
                sql.Identifier(SCHEMA, name), sql.Literal(comment)
            )
            connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
            for statement in (statements, telling.as_string()):
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
            made.append(name)
    return made


def _statements(file: str, timezone: str) -> str:
    """What a file says, for a zone."""
    text = resources.files(__name__).joinpath(file).read_text(encoding="utf-8")
    declared = sql.SQL(text)
    return declared.format(zone=sql.Literal(timezone), at_capture=AT_CAPTURE).as_string()
