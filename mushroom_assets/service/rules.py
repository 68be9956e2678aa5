"""What rows of Dagster's tables say is wrong: with its daemon, with runs that do not go on.

By SQL alone, so that it can be told while every process of Dagster's is dead. Nothing is imported
that takes time: `mushroom health` asks. A table that is not there says nothing.
"""

from collections.abc import Iterator, Sequence
from typing import LiteralString, NamedTuple

from mushroom_assets.service.asking import Connection, Fault, scalar
from mushroom_assets.service.ui import DAEMON_LIMIT_S, NEVER_BEAT, SEE_DAEMON, SILENT

SEE_RUNS = "see the run in the UI and the log of `mushroom up`"

PRESENT: LiteralString = "SELECT to_regclass(%s) IS NOT NULL"
# A row a kind of daemon, each rewritten every 30 s, or 60, by whichever daemon beats
SECOND_DAEMON: LiteralString = """
SELECT string_agg(DISTINCT left(daemon_id, 8), ', ') FROM daemon_heartbeats
WHERE timestamp > (SELECT max(timestamp) FROM daemon_heartbeats) - interval '45 s'
HAVING count(DISTINCT daemon_id) > 1"""
NO_DAEMON: LiteralString = """
SELECT 'none' WHERE NOT EXISTS (SELECT FROM daemon_heartbeats)"""
# Of the daemon that beat last: a kind that an upgrade did away with keeps its row for ever.
SILENT_DAEMON: LiteralString = """
SELECT string_agg(daemon_type, ', ' ORDER BY daemon_type) FROM daemon_heartbeats
WHERE daemon_id = (SELECT daemon_id FROM daemon_heartbeats ORDER BY timestamp DESC LIMIT 1)
  AND timestamp < localtimestamp - %s * interval '1 s'
HAVING count(*) > 0"""
# Dagster's times have no zone: they are in the server's, as `localtimestamp` is.
# A launch takes seconds. After half an hour it is history, and so it is when a later run started.
NOT_LAUNCHED: LiteralString = """
SELECT run_id FROM runs AS stuck
WHERE status = 'NOT_STARTED' AND create_timestamp < localtimestamp - interval '2 min'
  AND create_timestamp > localtimestamp - interval '30 min'
  AND NOT EXISTS (SELECT FROM runs AS later WHERE later.id > stuck.id AND start_time IS NOT NULL)
ORDER BY id DESC LIMIT 1"""
# Of the last 200, since nothing sorts all by their end. The timetable asks again each hour: two
# hours later nothing was launched at all, and other rules tell why.
NEVER_STARTED: LiteralString = """
SELECT run_id FROM (
  SELECT run_id, status, start_time, end_time FROM runs ORDER BY id DESC LIMIT 200
) AS recent
WHERE end_time = (
    SELECT max(end_time) FROM (SELECT end_time FROM runs ORDER BY id DESC LIMIT 200) AS ended)
  AND status = 'FAILURE' AND start_time IS NULL
  AND end_time > extract(epoch FROM now() - interval '2 h')"""
# Behind a run that is in progress one may wait for hours
WAITING: LiteralString = """
SELECT count(*) || ' since ' || to_char(min(update_timestamp), 'HH24:MI') FROM runs
WHERE status = 'QUEUED' AND update_timestamp < localtimestamp - interval '3 min'
  AND NOT EXISTS (SELECT FROM runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING'))
HAVING count(*) > 0"""
# A living process renews its lease every 4 s; a busy machine and a restart of the database may
# keep it from it for a while.
DEAD: LiteralString = """
SELECT run_id || ' (pid ' || pid || ' on ' || host || ')'
FROM farm.run_lease JOIN runs USING (run_id)
WHERE status IN ('STARTING', 'STARTED', 'CANCELING') AND renewed_at < now() - interval '60 s'
LIMIT 1"""


class Rule(NamedTuple):
    """A fault that rows show.

    Attributes:
        part: of the farm, as `Fault` has it.
        tables: that the query needs.
        query: what is found, None where nothing is.
        fault: in words, with a place for it.
        remedy: what to do.
        values: of the query.
    """

    part: str
    tables: tuple[str, ...]
    query: LiteralString
    fault: str
    remedy: str
    values: tuple[object, ...] = ()


# First what is worst
RULES = (
    Rule(
        "daemon",
        ("daemon_heartbeats",),
        SECOND_DAEMON,
        "two daemons work on one database ({}): each run is launched twice",
        "stop one of them",
    ),
    Rule(
        "queue",
        ("runs", "farm.run_lease"),
        DEAD,
        "run {} is in progress, but its process is gone",
        SEE_RUNS,
    ),
    Rule(
        "queue",
        ("runs",),
        NOT_LAUNCHED,
        "launches fail: run {} was made but not queued",
        SEE_RUNS,
    ),
    Rule(
        "queue",
        ("runs",),
        NEVER_STARTED,
        "launches fail: run {} ended without ever starting",
        SEE_RUNS,
    ),
    Rule(
        "queue",
        ("runs",),
        WAITING,
        "runs wait in the queue, {}, and none starts",
        "see in the log of `mushroom up` why the daemon launches none",
    ),
)
# What `mushroom health` hears from the UI, told where no UI is asked
BEATS = (
    Rule("daemon", ("daemon_heartbeats",), NO_DAEMON, *NEVER_BEAT),
    Rule(
        "daemon",
        ("daemon_heartbeats",),
        SILENT_DAEMON,
        SILENT,
        SEE_DAEMON,
        (DAEMON_LIMIT_S,),
    ),
)


def faults(connection: Connection, rules: Sequence[Rule] = RULES) -> Iterator[Fault]:
    """What the rows say is wrong."""
    for rule in rules:
        if all(scalar(connection, PRESENT, table) for table in rule.tables):
            found = scalar(connection, rule.query, *rule.values)
            if found is not None:
                yield Fault(rule.part, rule.fault.format(found), rule.remedy)
