"""What is counted for Prometheus, by SQL alone: each figure with its name, help, labels and query.

Names follow https://prometheus.io/docs/practices/naming/: seconds, `_total` for what only grows. A
time is seconds since 1970, so that a query takes its age by `time() - ...`. What Dagster's record
says of partitions lives in `record`; how it is put together in `metrics`.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, NamedTuple

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from psycopg import sql

from mushroom_assets.faults.database import first_line
from mushroom_assets.service.asking import Connection, scalar
from mushroom_assets.service.rules import PRESENT
from mushroom_assets.storage.schema import SCHEMA, TABLES

log = logging.getLogger(__name__)
Values = Mapping[str, Any]  # `rooms` and `zone` of the farm
Rows = Iterable[Sequence[Any]]

OF_DAGSTER = ("event_logs", "job_ticks", "runs")
MOST_COUNTED = 1_000_000  # rows; counting them takes 0.1 s


class Figure(NamedTuple):
    """A metric and where its values come from.

    Attributes:
        name: of the metric; a counter's ends in `_total`.
        help: what it is.
        labels: of the first columns of the query; the last one is the value, null for none.
        query: one row a value.
        tables: that it needs. While one is away the figure is left out.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    query: LiteralString
    tables: tuple[str, ...]

    def family(self, rows: Rows) -> Metric:
        """The metric with its values."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for *labels, value in rows:
            if value is not None:
                family.add_metric([str(label) for label in labels], float(value))
        return family


NEWEST_SAMPLE = Figure(
    "mushroom_sample_newest_seconds",
    "When the newest sample of a room of the farm file was taken; 0 where there is none.",
    ("room",),
    # One step back in the primary key per point, in the newest month that has any
    """
    SELECT room_id, coalesce(extract(epoch FROM max(newest.sampled_at)), 0)
    FROM unnest(%(rooms)s::text[]) AS room (room_id)
    LEFT JOIN farm.point USING (room_id)
    LEFT JOIN LATERAL (
        SELECT sampled_at FROM farm.sample
        WHERE point_id = point.point_id AND sampled_at <= now()
        ORDER BY sampled_at DESC LIMIT 1) AS newest ON true
    GROUP BY room_id""",
    ("farm.point", "farm.sample"),
)
LATE = Figure(
    "mushroom_samples_late",
    "Samples of the last 24 hours that arrived more than 15 minutes after they were taken.",
    ("room",),
    """
    SELECT room_id, count(late.point_id)
    FROM unnest(%(rooms)s::text[]) AS room (room_id)
    LEFT JOIN farm.point USING (room_id)
    LEFT JOIN LATERAL (
        SELECT point_id FROM farm.sample
        WHERE point_id = point.point_id AND sampled_at > now() - interval '24 h'
          AND received_at > sampled_at + interval '15 min') AS late ON true
    GROUP BY room_id""",
    ("farm.point", "farm.sample"),
)
BEATS = Figure(
    "mushroom_daemon_heartbeat_age_seconds",
    "Age of the last heartbeat of each of Dagster's daemons.",
    ("daemon",),
    """
    SELECT lower(daemon_type), greatest(0, extract(epoch FROM localtimestamp - timestamp))
    FROM daemon_heartbeats""",
    ("daemon_heartbeats",),
)
UNFINISHED = Figure(
    "mushroom_runs",
    "Dagster's runs that have not ended.",
    ("status",),
    """
    SELECT lower(status), (SELECT count(*) FROM runs WHERE runs.status = part.status)
    FROM unnest('{NOT_STARTED,QUEUED,STARTING,STARTED,CANCELING}'::text[]) AS part (status)""",
    ("runs",),
)
QUEUE = Figure(
    "mushroom_queue_oldest_age_seconds",
    "Age of the oldest run that waits in the queue; 0 where none does.",
    (),
    """
    SELECT coalesce(extract(epoch FROM localtimestamp - min(create_timestamp)), 0)
    FROM runs WHERE status = 'QUEUED'""",
    ("runs",),
)
SESSIONS = Figure(
    "mushroom_database_sessions_total",
    "Sessions that programs have had with the database.",
    (),
    "SELECT sessions FROM pg_stat_database WHERE datname = current_database()",
    (),
)
LOST_SESSIONS = Figure(
    "mushroom_database_sessions_lost_total",
    "Sessions with the database that did not end in order.",
    ("why",),
    """
    SELECT part.why, part.lost
    FROM pg_stat_database AS stat, LATERAL (VALUES
        ('abandoned', stat.sessions_abandoned), ('fatal', stat.sessions_fatal),
        ('killed', stat.sessions_killed)) AS part (why, lost)
    WHERE datname = current_database()""",
    (),
)
# Seconds old at most: a look takes milliseconds on a farm of years
AT_ONCE = (BEATS, NEWEST_SAMPLE, UNFINISHED, QUEUE, SESSIONS, LOST_SESSIONS)

RESULTS = Figure(
    "mushroom_result_newest_seconds",
    "The newest that an asset's rows tell of a room: the end of the last day with data, "
    "the last change of a setpoint, the last image.",
    ("asset", "room"),
    """
    SELECT 'daily_env_stats', room_id,
        extract(epoch FROM (max(stat_date) + 1)::timestamp AT TIME ZONE %(zone)s)
    FROM farm.daily_env_stats WHERE sample_count > 0 GROUP BY room_id
    UNION ALL
    SELECT 'daily_room_report', room_id,
        extract(epoch FROM (max(stat_date) + 1)::timestamp AT TIME ZONE %(zone)s)
    FROM farm.daily_room_report GROUP BY room_id
    UNION ALL
    SELECT 'hourly_setpoint_changes', room_id, extract(epoch FROM max(changed_at))
    FROM farm.hourly_setpoint_changes GROUP BY room_id
    UNION ALL
    SELECT 'daily_clip_inference', room_id, extract(epoch FROM max(captured_at))
    FROM farm.daily_clip_inference WHERE captured_at IS NOT NULL GROUP BY room_id""",
    (
        "farm.daily_env_stats",
        "farm.daily_room_report",
        "farm.hourly_setpoint_changes",
        "farm.daily_clip_inference",
    ),
)
RETRIES = Figure(
    "mushroom_retries_total",
    "What Dagster has tried again: runs whose process died, steps that met a passing fault.",
    ("kind",),
    """
    SELECT 'run', count(*) FROM run_tags WHERE key = 'dagster/retry_number'
    UNION ALL
    SELECT 'step', count(*) FROM event_logs WHERE dagster_event_type = 'STEP_UP_FOR_RETRY'""",
    ("run_tags", "event_logs"),
)
ENDED = Figure(
    "mushroom_runs_ended_total",
    "Dagster's runs by how they ended.",
    ("status",),
    """
    SELECT lower(status), (SELECT count(*) FROM runs WHERE runs.status = part.status)
    FROM unnest('{SUCCESS,FAILURE,CANCELED}'::text[]) AS part (status)""",
    ("runs",),
)
IMAGES = Figure(
    "mushroom_clip_images_total",
    "Images that a model has encoded; its rate is the images per second of this moment.",
    (),
    "SELECT count(*) FROM farm.image_embedding",
    ("farm.image_embedding",),
)
# Batches come seconds apart; after a longer gap another run went on.
IMAGE_SPEED = Figure(
    "mushroom_clip_images_per_second",
    "Images per second that were encoded for the newest day of daily_clip_inference.",
    (),
    """
    SELECT sum(images) / nullif(sum(extract(epoch FROM gap)), 0)
    FROM (
        SELECT count(*) AS images, computed_at - lag(computed_at) OVER (ORDER BY computed_at) AS gap
        FROM (
            SELECT DISTINCT content_sha256 FROM farm.daily_clip_inference
            WHERE image_date = (SELECT max(image_date) FROM farm.daily_clip_inference)) AS newest
        JOIN farm.image_embedding USING (content_sha256)
        GROUP BY computed_at) AS batch
    WHERE gap < interval '30 s'""",
    ("farm.daily_clip_inference", "farm.image_embedding"),
)
# A minute old at most: they read thousands of rows, and change with the hour
EACH_MINUTE = (RESULTS, LATE, RETRIES, ENDED, IMAGES, IMAGE_SPEED)


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
