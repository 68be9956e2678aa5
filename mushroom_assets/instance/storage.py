"""Dagster's storage in PostgreSQL as `dagster.yaml` names it, and what stands in for it.

Here the way is chosen: `FarmStorage` of `pooled`, which writes many events at once, or plain
dagster-postgres where Dagster is not one that was tested. Both keep the same tables and rows, so
that either can follow the other on the same database. No private name of Dagster here: this module
must import whatever the version.
"""

from typing import TYPE_CHECKING

from dagster_postgres import DagsterPostgresStorage

from mushroom_assets.instance.tested import MISSING, require_tested, warn_of_fallback

if TYPE_CHECKING:
    from mushroom_assets.instance.pooled import FarmStorage as PooledStorage

__all__ = ["FarmStorage"]


def _choose() -> "type[PooledStorage | DagsterPostgresStorage]":
    try:
        require_tested()
        from mushroom_assets.instance.pooled import FarmStorage as PooledStorage
    except MISSING as reason:
        warn_of_fallback(reason)
        return DagsterPostgresStorage
    return PooledStorage


FarmStorage = _choose()
