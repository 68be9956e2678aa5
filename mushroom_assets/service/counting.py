"""Figures read from the database, each by itself, and the rows of all tables.

Which figures there are is declared in `figures`.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from psycopg import sql

from mushroom_assets.faults.database import first_line
from mushroom_assets.service.asking import Connection, scalar
from mushroom_assets.service.figures import Figure
from mushroom_assets.service.rules import PRESENT
from mushroom_assets.storage.schema import SCHEMA, TABLES

log = logging.getLogger(__name__)
Values = Mapping[str, Any]  # `rooms` and `zone` of the farm
OF_DAGSTER = ("event_logs", "job_ticks", "runs")
MOST_COUNTED = 1_000_000  # rows; counting them takes 0.1 s


class Read(NamedTuple):
    """Metrics that were read, and names of those that the server refused to."""

    metrics: list[Metric]
    refused: list[str]


def read(connection: Connection, figures: Iterable[Figure], values: Values | None) -> Read:
    """The figures' metrics; one that the server refuses keeps no other from being read.

    Args:
        connection: by `asking.asked`.
        figures: which.
        values: of the farm file; None where it cannot be read: what needs them is left out.

    Raises:
        psycopg.Error: the connection is lost.
    """
    found = Read([], [])
    for figure in figures:
        given = values if "%(" in figure.query else {}
        if given is None:
            found.refused.append(figure.name)
            continue
        with _telling(connection, figure.name, found):
            if all(scalar(connection, PRESENT, table) for table in figure.tables):
                rows = connection.execute(figure.query, given or None).fetchall()
                found.metrics.append(figure.family(rows))
    return found


def read_rows(connection: Connection) -> Read:
    """Rows of every table of the farm, and of those of Dagster that grow without end.

    Raises:
        psycopg.Error: as `read` does.
    """
    found = Read([], [])
    family = GaugeMetricFamily(
        "mushroom_table_rows",
        f"Rows of a table; beyond {MOST_COUNTED:,} what PostgreSQL estimates.",
        labels=["table"],
    )
    tables = {name: sql.Identifier(SCHEMA, name) for name in TABLES}
    tables |= {name: sql.Identifier(name) for name in OF_DAGSTER}
    for name, table in tables.items():
        with _telling(connection, family.name, found):
            if scalar(connection, PRESENT, table.as_string()):
                family.add_metric([name], _rows(connection, table))
    found.metrics.append(family)
    return found


@contextmanager
def _telling(connection: Connection, name: str, found: Read) -> Iterator[None]:
    """Note and log what the server refuses: a query that takes too long, a missing column."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None or connection.closed:
            raise
        found.refused.append(name)
        remedy = "see the database's load and, after an upgrade, run `mushroom init`"
        log.warning("%s cannot be read: %s. Remedy: %s", name, first_line(error), remedy)


def _rows(connection: Connection, table: sql.Identifier) -> float:
    """Counted, or what the planner thinks from the table's size and its last ANALYZE."""
    explain = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {}").format(table)
    plan = connection.execute(explain).fetchone()
    estimate = plan[0][0]["Plan"]["Plan Rows"] if plan else 0
    if estimate > MOST_COUNTED:
        return float(estimate)
    count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    return float(count[0]) if count else 0.0
