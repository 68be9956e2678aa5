"""What is counted for Prometheus, by SQL alone: each figure with its name, help, labels and query.

Names follow https://prometheus.io/docs/practices/naming/: seconds, `_total` for what only grows. A
time is seconds since 1970, so that a query takes its age by `time() - ...`. Reading them is the
business of `counting`; what Dagster's record says of partitions lives in `record`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from mushroom_assets.storage.feeds import NEWEST

Rows = Iterable[Sequence[Any]]


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
    NEWEST,
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
