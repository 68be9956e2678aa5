"""What must hold of each table, as asset checks with a severity.

Structural faults are errors and block what comes after; coverage and plausibility are warnings: a check that cries
wolf is ignored. Every partition gets its own evaluation, also in a run over a range, for which Dagster itself records
one without a partition and leaves the partitions "skipped". Each says the count, up to five examples and what to do.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.setpoints import LOOKBACK
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults import permanent_faults_fail_at_once
from mushroom_assets.partitions import FarmClock, windows
from mushroom_assets.reporting import latest_materializations, together
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.schema import daily_clip_inference, daily_env_stats, hourly_setpoint_changes

EXAMPLES = 5


@dataclass(frozen=True)
class Rule:
    """What must hold of a table's rows.

    Attributes:
        name: the check's name.
        table: the asset's table.
        severity: ERROR blocks what comes after.
        holds: the rule in words.
        fault: what the offending rows are, after their count.
        remedy: what to do about them.
        offenders: selects the rows of a window that break the rule; the first column says when, as date or instant.
    """

    name: str
    table: sa.Table
    severity: dg.AssetCheckSeverity
    holds: str
    fault: str
    remedy: str
    offenders: Callable[[Window, Farm], sa.Select[Any]]


def asset_checks(clock: FarmClock, **policy: Any) -> list[dg.AssetChecksDefinition]:
    """Every check, on the farm's clock; `policy` holds their retry policy."""
    hourly = {hourly_setpoint_changes.name}
    return [_check(rule, clock.hourly if rule.table.name in hourly else clock.daily, **policy) for rule in RULES]


def _check(rule: Rule, definition: dg.TimeWindowPartitionsDefinition, **policy: Any) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=rule.table.name,
        name=rule.name,
        description=rule.holds,
        blocking=rule.severity is dg.AssetCheckSeverity.ERROR,
        partitions_def=definition,
        **policy,
    )
    def check(
        context: dg.AssetCheckExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.AssetCheckResult:
        parts = windows(definition, context.partition_keys)
        whole = Window("", parts[0].start, parts[-1].end)
        with permanent_faults_fail_at_once(), postgres.transaction(context.run.run_id) as connection:
            farm = farm_file.read()
            offending = connection.execute(rule.offenders(whole, farm)).all()
        if not context.has_partition_key:
            verdicts = {key: _verdict(rule, rows, farm) for key, rows in _by_part(offending, parts).items()}
            _record(context, rule, verdicts)
        return dg.AssetCheckResult(**_verdict(rule, offending, farm))

    return check


def _record(context: dg.AssetCheckExecutionContext, rule: Rule, verdicts: Mapping[str, dict[str, Any]]) -> None:
    """An evaluation for each partition."""
    key = dg.AssetKey(rule.table.name)
    targets = latest_materializations(context.instance, key, verdicts)
    with together(context.instance):
        for partition, verdict in verdicts.items():
            evaluation = dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=rule.name,
                partition=partition,
                target_materialization_data=targets.get(partition),
                **verdict,
            )
            context.op_execution_context.log_event(evaluation)  # type: ignore[arg-type]  # taken, but not annotated


def _by_part(rows: Sequence[sa.Row], parts: Sequence[Window]) -> dict[str, list[sa.Row]]:
    """Rows by the key of the window that their first column, a date or an instant, falls in; windows in order."""
    found: dict[str, list[sa.Row]] = {part.key: [] for part in parts}
    days = {part.date: part.key for part in parts}
    starts = [part.start.timestamp() for part in parts]  # a clock reads an hour that comes twice the same
    for row in rows:
        when = row[0]
        instant = isinstance(when, dt.datetime)
        found[parts[bisect_right(starts, when.timestamp()) - 1].key if instant else days[when]].append(row)
    return found


def _verdict(rule: Rule, offending: Sequence[sa.Row], farm: Farm) -> dict[str, Any]:
    metadata: dict[str, dg.MetadataValue] = {"offending": dg.MetadataValue.int(len(offending))}
    if offending:
        examples = (f"- {', '.join(_say(value, farm) for value in row)}" for row in offending[:EXAMPLES])
        metadata["examples"] = dg.MetadataValue.md("\n".join(examples))
    return {
        "passed": not offending,
        "severity": rule.severity,
        "description": f"{len(offending)} {rule.fault}. Remedy: {rule.remedy}" if offending else "holds",
        "metadata": metadata,
    }


def _say(value: Any, farm: Farm) -> str:
    """A value as people read it: instants in farm time."""
    return f"{value.astimezone(farm.zone):%Y-%m-%d %H:%M:%S}" if isinstance(value, dt.datetime) else str(value)


def _of_days(column: sa.Column[dt.date], window: Window) -> sa.ColumnElement[bool]:
    return sa.and_(column >= window.start.date(), column < window.end.date())


def _quantiles_out_of_order(window: Window, farm: Farm) -> sa.Select[Any]:
    row = daily_env_stats.c
    ordered = sa.and_(row.min <= row.q25, row.q25 <= row.median, row.median <= row.q75, row.q75 <= row.max)
    broken = ordered.is_not(sa.true())  # a missing number is out of order too
    return sa.select(row.stat_date, row.room_id, row.quantity).where(
        _of_days(row.stat_date, window), row.sample_count > 0, broken
    )


def _days_uncovered(window: Window, farm: Farm) -> sa.Select[Any]:
    row = daily_env_stats.c
    columns = (row.stat_date, row.room_id, row.quantity, row.coverage)
    little = row.coverage < farm.report.min_coverage
    return sa.select(*columns).where(_of_days(row.stat_date, window), little).order_by(row.coverage)


def _chains_broken(window: Window, farm: Farm) -> sa.Select[Any]:
    row = hourly_setpoint_changes.c
    before = sa.func.lag(row.current_value).over(partition_by=row.point_id, order_by=row.changed_at)
    columns = (row.changed_at, row.room_id, row.device_alias, row.point_alias, row.previous_value)
    since = window.before(LOOKBACK)  # the change before is as a rule of an earlier hour
    states = sa.and_(row.changed_at >= since, row.changed_at < window.end, row.change_type != "analog_value")
    chained = sa.select(*columns, before.label("before")).where(states).subquery()
    differ = sa.func.round(chained.c.before) != sa.func.round(chained.c.previous_value)  # states, not noise
    return sa.select(chained).where(chained.c.changed_at >= window.start, differ)


def _images_not_ok(window: Window, farm: Farm) -> sa.Select[Any]:
    row = daily_clip_inference.c
    columns = (row.image_date, row.image_path, row.status, row.error)
    return sa.select(*columns).where(_of_days(row.image_date, window), row.status != "ok").order_by(row.image_path)


RULES = (
    Rule(
        "quantiles_in_order",
        daily_env_stats,
        dg.AssetCheckSeverity.ERROR,
        holds="min <= q25 <= median <= q75 <= max",
        fault="rows out of order",
        remedy="a fault of this software: report these rows",
        offenders=_quantiles_out_of_order,
    ),
    Rule(
        "days_covered",
        daily_env_stats,
        dg.AssetCheckSeverity.WARN,
        holds="every quantity is known for at least report.min_coverage of the day",
        fault="room-days with too little data",
        remedy="check sensor and collector; load what arrived late and materialize the day again",
        offenders=_days_uncovered,
    ),
    Rule(
        "values_chain",
        hourly_setpoint_changes,
        dg.AssetCheckSeverity.WARN,
        holds="an on/off or enumerated point changes from the value that its previous change led to",
        fault="changes that do not continue the one before",
        remedy="samples came late or an hour before is missing: materialize the hours since the change before again",
        offenders=_chains_broken,
    ),
    Rule(
        "images_readable",
        daily_clip_inference,
        dg.AssetCheckSeverity.WARN,
        holds="every image could be used",
        fault="images that are not ok",
        remedy="check the camera and its upload; a file sent again is picked up when its day is materialized again",
        offenders=_images_not_ok,
    ),
)
