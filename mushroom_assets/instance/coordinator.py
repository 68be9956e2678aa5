"""Which machines a run goes to: tags for it, by the pool from which it takes.

Dagster's own queue otherwise. A tag names a queue of Celery's workers or a node of Kubernetes; what
is launched and where from makes no difference: schedules, backfills and people all come here.
Private names of Dagster.
"""

import json
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._serdes import ConfigurableClassData

Tags = Mapping[str, Any]


class FarmRunCoordinator(QueuedRunCoordinator):
    """Puts runs into the queue, those of some pools with more tags."""

    pool_tags: Mapping[str, Tags]

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """That of Dagster's queue, and tags by pool; what is no text becomes JSON."""
        given: Any = super().config_type()
        tags = dg.Field(dict, is_required=False, description="tags of runs, by pool")
        return {**given, "pool_tags": tags}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """As `dagster.yaml` has it."""
        made = super().from_config_value(inst_data, config_value)
        made.pool_tags = config_value.get("pool_tags", {})
        return made

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Tag a run, and put it into the queue."""
        run = context.dagster_run
        concurrency = run.run_op_concurrency
        pools = concurrency.all_pools if concurrency is not None else None
        tags: dict[str, str] = {}
        for pool in sorted(pools or ()):
            for name, value in self.pool_tags.get(pool, {}).items():
                tags[name] = value if isinstance(value, str) else json.dumps(value)
        tags = {name: value for name, value in tags.items() if name not in run.tags}
        if tags:
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)
