"""What must hold of each table, as asset checks with a severity.

Structural faults are errors and block what comes after; coverage and plausibility are warnings: a check that cries
wolf is ignored. A check judges the run's window; each gives its count, up to five examples and what to do.
"""

from collections.abc import Sequence

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.domain.setpoints import LOOKBACK
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.schema import daily_clip_inference, daily_env_stats, hourly_setpoint_changes

EXAMPLES = 5


def asset_checks(clock: FarmClock) -> list[dg.AssetChecksDefinition]:
    """Every check, on the farm's clock."""
    return [_quantiles_in_order(clock), _days_covered(clock), _values_chain(clock), _images_readable(clock)]


def _verdict(
    offending: Sequence[sa.Row], severity: dg.AssetCheckSeverity, fault: str, remedy: str
) -> dg.AssetCheckResult:
    examples = "\n".join(f"- {', '.join(str(value) for value in row)}" for row in offending[:EXAMPLES])
    text = "holds" if not offending else f"{len(offending)} {fault}. Remedy: {remedy}"
    metadata: dict[str, int | dg.MarkdownMetadataValue] = {"offending": len(offending)}
    if offending:
        metadata["examples"] = dg.MetadataValue.md(examples)
    return dg.AssetCheckResult(passed=not offending, severity=severity, description=text, metadata=metadata)


def _quantiles_in_order(clock: FarmClock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=daily_env_stats.name,
        partitions_def=clock.daily,
        blocking=True,
        description="min <= q25 <= median <= q75 <= max",
    )
    def quantiles_in_order(context: dg.AssetCheckExecutionContext, postgres: PostgresResource) -> dg.AssetCheckResult:
        column, span = daily_env_stats.c, context.partition_time_window
        ordered = sa.and_(
            column.min <= column.q25, column.q25 <= column.median, column.median <= column.q75, column.q75 <= column.max
        )
        statement = sa.select(column.stat_date, column.room_id, column.quantity).where(
            column.stat_date >= span.start.date(),
            column.stat_date < span.end.date(),
            column.sample_count > 0,
            ordered.is_not(sa.true()),  # a missing number is out of order too
        )
        with postgres.transaction(context.run.run_id) as connection:
            offending = connection.execute(statement).all()
        return _verdict(
            offending, dg.AssetCheckSeverity.ERROR, "rows out of order", "a fault of this software: report these rows"
        )

    return quantiles_in_order


def _days_covered(clock: FarmClock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=daily_env_stats.name,
        partitions_def=clock.daily,
        description="every quantity is known for at least report.min_coverage of the day",
    )
    def days_covered(
        context: dg.AssetCheckExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.AssetCheckResult:
        column, span = daily_env_stats.c, context.partition_time_window
        statement = sa.select(column.stat_date, column.room_id, column.quantity, column.coverage).where(
            column.stat_date >= span.start.date(),
            column.stat_date < span.end.date(),
            column.coverage < farm_file.read().report.min_coverage,
        )
        with postgres.transaction(context.run.run_id) as connection:
            offending = connection.execute(statement.order_by(column.coverage)).all()
        remedy = "check sensor and collector; load what arrived late and materialize the day again"
        return _verdict(offending, dg.AssetCheckSeverity.WARN, "room-days with too little data", remedy)

    return days_covered


def _values_chain(clock: FarmClock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=hourly_setpoint_changes.name,
        partitions_def=clock.hourly,
        description="an on/off or enumerated point changes from the value that its previous change led to",
    )
    def values_chain(context: dg.AssetCheckExecutionContext, postgres: PostgresResource) -> dg.AssetCheckResult:
        column, span = hourly_setpoint_changes.c, context.partition_time_window
        before = sa.func.lag(column.current_value).over(partition_by=column.point_id, order_by=column.changed_at)
        since = span.start - LOOKBACK  # the change before is as a rule of an earlier hour
        chained = (
            sa.select(
                column.room_id, column.device_alias, column.point_alias, column.changed_at, column.previous_value,
                before.label("before"),
            )
            .where(column.changed_at >= since, column.changed_at < span.end, column.change_type != "analog_value")
            .subquery()
        )  # fmt: skip
        with postgres.transaction(context.run.run_id) as connection:
            offending = connection.execute(
                sa.select(chained).where(
                    chained.c.changed_at >= span.start,
                    sa.func.round(chained.c.before) != sa.func.round(chained.c.previous_value),  # states, not noise
                )
            ).all()
        remedy = "samples came late or an hour before is missing: materialize the hours since the change before again"
        return _verdict(offending, dg.AssetCheckSeverity.WARN, "changes that do not continue the one before", remedy)

    return values_chain


def _images_readable(clock: FarmClock) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=daily_clip_inference.name, partitions_def=clock.daily, description="every image could be used"
    )
    def images_readable(context: dg.AssetCheckExecutionContext, postgres: PostgresResource) -> dg.AssetCheckResult:
        column, span = daily_clip_inference.c, context.partition_time_window
        statement = sa.select(column.image_path, column.status, column.error).where(
            column.image_date >= span.start.date(), column.image_date < span.end.date(), column.status != "ok"
        )
        with postgres.transaction(context.run.run_id) as connection:
            offending = connection.execute(statement.order_by(column.image_path)).all()
        remedy = "check the camera and its upload; a file sent again is picked up when its day is materialized again"
        return _verdict(offending, dg.AssetCheckSeverity.WARN, "images that are not ok", remedy)

    return images_readable
