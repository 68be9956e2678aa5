"""The connections of Dagster's storage: a small pool, by the driver that all of this farm uses.

psycopg2, which dagster-postgres takes, waits for ever for a server that stays connected and never
answers. What happens while the database is away is the business of `waiting`. Only the parts of the
storage import this module.
"""

from typing import Any

import sqlalchemy as sa
from dagster_postgres.utils import create_pg_engine
from psycopg import ClientCursor, pq
from psycopg.conninfo import make_conninfo

from mushroom_assets.faults.database import (
    DatabaseRefused,
    DatabaseUnavailable,
    first_line,
    refusal_remedy,
)
from mushroom_assets.storage.answering import Answering
from mushroom_assets.storage.connection import ORPHAN_MS, endpoint
from mushroom_assets.storage.schema import SCHEMA

DRIVER = "postgresql+psycopg"
# A process that died leaves its statement at the server, see `storage.connection`.
OPTIONS = f"-c client_connection_check_interval={ORPHAN_MS}"
# By default a role's own schema comes before `public`: that of a role `farm` has the farm's tables.
PUBLIC = "-c search_path=public"
# Of one attempt. Without them a server that is cut off is waited for, for ever, by libpq itself.
# The URI's own win. Over a unix socket all but the first say nothing.
TIMEOUTS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
}
# The longest silence. A query of Dagster's takes seconds at most, and a run waits 150 s in all.
ANSWER_S = 120.0
PING_S = 5.0  # before a connection is used again


def driver_url(url: str) -> str:
    """A URL of `dagster.yaml` as SQLAlchemy takes it for our driver, with our defaults in it."""
    given = sa.make_url(url)
    role = given.username or _default_user()
    options = [OPTIONS, *([PUBLIC] if role == SCHEMA else []), f"{given.query.get('options', '')}"]
    defaults = {name: str(value) for name, value in TIMEOUTS.items()} | {"client_encoding": "utf8"}
    query = defaults | dict(given.query) | {"options": " ".join(options).strip()}
    return given.set(drivername=DRIVER, query=query).render_as_string(hide_password=False)


def conninfo(url: str) -> str:
    """The same for those who connect without SQLAlchemy: libpq's keywords and values."""
    parsed = sa.make_url(url)
    _, given = parsed.get_dialect()().create_connect_args(parsed)
    return make_conninfo(**given)


def pooled_engine(url: str, token_provider: Any, **pool: int) -> sa.Engine:
    """An engine that notices before use when the server has closed a connection of its pool.

    What it raises where it cannot connect passes by dagster-postgres, whose own retry knows no
    limits but its own: 11.4 s. Its queries have their values put in by the driver, as psycopg2
    does: Dagster names thousands in one, and PostgreSQL takes 65,535 apart from the text.

    Args:
        url: by `driver_url`.
        token_provider: dagster-postgres', for passwords that expire.
        pool: its options.
    """
    engine = create_pg_engine(
        url, token_provider, isolation_level="AUTOCOMMIT", pool_pre_ping=True, **pool
    )
    where = endpoint(conninfo(url))

    @sa.event.listens_for(engine, "do_connect")
    def connect(_: Any, __: Any, arguments: Any, parameters: dict[str, Any]) -> Answering:
        try:
            return Answering.connect(*arguments, **parameters, cursor_factory=ClientCursor)
        except Answering.OperationalError as error:
            raise _fault(where, error) from error

    @sa.event.listens_for(engine, "checkout")
    def use(connection: Answering, *_: Any) -> None:
        connection.patience_s = ANSWER_S  # whoever has another patience says so after this

    @sa.event.listens_for(engine, "checkin")
    def rest(connection: Answering | None, _: Any) -> None:
        if connection is not None:  # else it was closed
            connection.patience_s = PING_S

    return engine


def _default_user() -> str | None:
    """Whom libpq takes where the URL names nobody: PGUSER, or the user of the system."""
    for option in pq.Conninfo.get_defaults():
        if option.keyword == b"user" and option.val:
            return option.val.decode()
    return None


def _fault(where: str, error: Exception) -> DatabaseRefused | DatabaseUnavailable:
    """What to raise instead; `waiting` says of an outage where it is and what to do."""
    remedy = refusal_remedy(error)
    if remedy is None:
        return DatabaseUnavailable(first_line(error))
    return DatabaseRefused(f"{where} refused: {first_line(error)}. Remedy: {remedy}.")
