"""Backfills that an outage ended go on by themselves: as Dagster's own re-execution from failure.

Dagster fails a backfill when it looks at it while the database or the farm's definitions are away,
and cancels its runs. Its record cannot be taken up again: what was cancelled counts as done with.
So a new backfill, as the UI's "Re-execute from failure" makes it, asks for all that is not made;
what was made in the last 30 s, since Dagster's last look, is made again.
Never for one that a person cancelled, nor for one that failed for another reason. Without the
private names of Dagster nothing goes on: see `tested`.
"""

import datetime as dt
import logging
from collections.abc import Collection, Iterator
from typing import Any

import dagster as dg

from mushroom_assets.instance.attempts import tells_outage
from mushroom_assets.instance.tested import MISSING, require_names, require_tested, warn_of_fallback

try:
    require_tested()
    from dagster._core.execution.backfill import (
        BulkActionsFilter,
        BulkActionStatus,
        PartitionBackfill,
    )
    from dagster._core.utils import make_new_backfill_id

    require_names(PartitionBackfill, "from_asset_graph_subset", "asset_backfill_data")
except MISSING as reason:
    warn_of_fallback(reason)
    PRIVATE = False
else:
    PRIVATE = True

log = logging.getLogger(__name__)
PARENT = "dagster/parent_backfill_id"
ROOT = "dagster/root_backfill_id"
# What Dagster says of a backfill while the farm's definitions are away
NO_DEFINITIONS = "existed at storage-time, but no longer does"
# The daemon loads definitions that are in error again after 60 s: before, the next would fail too.
FIRST_WAIT = dt.timedelta(minutes=2)  # and twice as long after each that failed again
A_DAY = 3  # continuations of a backfill
REMEMBERED = dt.timedelta(days=2)
LOOKED_AT = 50  # failed backfills, the newest


def continue_backfills(
    instance: dg.DagsterInstance, assets: Collection[str], now: dt.datetime
) -> list[str]:
    """Ask anew for what is left of backfills that an outage ended.

    Args:
        instance: Dagster's.
        assets: that exist now; a backfill of another is left alone.
        now: the hour.

    Returns:
        ids of the backfills that go on.
    """
    if not PRIVATE:
        return []
    filters = BulkActionsFilter(statuses=[BulkActionStatus.FAILED])
    going_on = []
    for failed in instance.get_backfills(filters=filters, limit=LOOKED_AT):
        data = failed.asset_backfill_data
        if data is None or not _ended_by_outage(failed, now):
            continue
        left = data.target_subset - data.materialized_subset
        known = {key.to_user_string() for key in left.asset_keys} <= set(assets)
        if left.is_empty or not known or not _may_go_on(instance, failed, now):
            continue
        going_on.append(_go_on(instance, failed, left, now))
    return going_on


def _ended_by_outage(backfill: "PartitionBackfill", now: dt.datetime) -> bool:
    return _ended(backfill) > now - REMEMBERED and met_outage(backfill)


def met_outage(backfill: "PartitionBackfill") -> bool:
    """Whether a backfill's error is that database or definitions were away."""
    return any(tells_outage(e) or NO_DEFINITIONS in e.message for e in _errors(backfill))


def _errors(backfill: "PartitionBackfill") -> Iterator[Any]:
    """The error and those that it came from."""
    error = backfill.error
    while error is not None:
        yield error
        error = error.cause


def _ended(backfill: "PartitionBackfill") -> dt.datetime:
    stamp = backfill.backfill_end_timestamp or backfill.backfill_timestamp
    return dt.datetime.fromtimestamp(stamp, dt.UTC)


def _may_go_on(instance: dg.DagsterInstance, failed: "PartitionBackfill", now: dt.datetime) -> bool:
    """Whether nobody has gone on with it, it was not often enough today, and its wait is over."""
    root = failed.tags.get(ROOT, failed.backfill_id)
    later = instance.get_backfills(filters=BulkActionsFilter(tags={ROOT: root}))
    if any(each.tags.get(PARENT) == failed.backfill_id for each in later):
        return False
    day = (now - dt.timedelta(days=1)).timestamp()
    today = sum(each.backfill_timestamp > day for each in later)
    return today < A_DAY and now >= _ended(failed) + FIRST_WAIT * 2**today


def _go_on(
    instance: dg.DagsterInstance, failed: "PartitionBackfill", left: Any, now: dt.datetime
) -> str:
    backfill_id = make_new_backfill_id()
    lineage = {
        PARENT: failed.backfill_id,
        ROOT: failed.tags.get(ROOT, failed.backfill_id),
    }
    instance.add_backfill(
        PartitionBackfill.from_asset_graph_subset(
            backfill_id=backfill_id,
            backfill_timestamp=now.timestamp(),
            tags={**failed.tags, **lineage},
            dynamic_partitions_store=instance,
            asset_graph_subset=left,
            title=failed.title,
            description=failed.description,
            run_config=failed.run_config,
        )
    )
    count = left.num_partitions_and_non_partitioned_assets
    log.warning(
        "backfill %s was ended by an outage: backfill %s goes on with the %d partitions left",
        failed.backfill_id,
        backfill_id,
        count,
    )
    return backfill_id
