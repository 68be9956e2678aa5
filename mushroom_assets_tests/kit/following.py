"""A farm whose results follow its inputs: the sensor's ticks and the runs that they ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from mushroom_assets.automation import following
from mushroom_assets.automation.following import RELABEL_JOB
from mushroom_assets.definitions import build_definitions
from mushroom_assets.instance.outstanding import RANGE_END, RANGE_START, range_tags
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets_tests.kit.runs import run_job
from mushroom_assets_tests.kit.small import SmallFarm

SETTLES_WITHIN = 40  # ticks


@dataclass
class Followed:
    """A small farm and the sensor that watches over it.

    Attributes:
        runs: what ticks asked for so far: asset, first and last partition.
    """

    small: SmallFarm
    images: Path | None = None
    runs: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def doors(self) -> dict[str, Any]:
        return {
            "postgres": PostgresResource(url=self.small.database.url, connect_attempts=1),
            "image_store": ImageStore(root=str(self.images) if self.images else None),
            "clip": ClipResource(),
            "farm_file": FarmFile(path=str(self.small.path)),
        }

    def tick(self) -> list[dg.RunRequest]:
        """What the sensor asks for, when the one that looks at images has looked."""
        if self.images is not None:
            self.evaluate("room_images_sensor", "postgres", "image_store", "farm_file")
        data = self.evaluate("following_inputs", "postgres", "farm_file")
        return list(data.run_requests or [])

    def evaluate(self, sensor: str, *doors: str) -> Any:
        """A tick of a sensor."""
        defs = build_definitions(self.small.farm)
        with dg.build_sensor_context(
            instance=self.small.instance,
            resources={name: self.doors[name] for name in doors},
            repository_def=defs.get_repository_def(),
        ) as context:
            return defs.resolve_sensor_def(sensor).evaluate_tick(context)

    def run(self, request: dg.RunRequest, *, raise_on_error: bool = True) -> bool:
        """Execute a run that was asked for; whether it succeeded."""
        if request.job_name == RELABEL_JOB:
            return self._relabel(request)
        first = request.partition_key or request.tags[RANGE_START]
        last = request.partition_key or request.tags[RANGE_END]
        asset = str(request.job_name).removesuffix("_job")
        self.runs.append((asset, first, last))
        tags = dict(request.tags)
        if "dagster/partition" not in tags:
            tags |= range_tags(first, last)
        result = run_job(
            f"{asset}_job",
            self.small.farm,
            self.doors,
            self.small.instance,
            tags=tags,
            raise_on_error=raise_on_error,
        )
        return result.success

    def _relabel(self, request: dg.RunRequest) -> bool:
        ops = request.run_config["ops"]
        asked = ops["relabel_images"]["config"]
        self.runs.append((RELABEL_JOB, asked["since"], asked["until"]))
        result = run_job(
            RELABEL_JOB,
            self.small.farm,
            self.doors,
            self.small.instance,
            ops=ops,
            tags=request.tags,
        )
        return result.success

    def settle(self) -> list[tuple[str, str, str]]:
        """Let the sensor tick and its runs run until it asks for nothing; what was run."""
        before = len(self.runs)
        for _ in range(SETTLES_WITHIN):
            requests = self.tick()
            if not requests:
                return self.runs[before:]
            for request in requests:
                self.run(request)
        raise AssertionError(f"it never comes to rest: {self.runs[before:]}")


@contextmanager
def away_from_ticks(monkeypatch: Any) -> Iterator[None]:
    """Whatever the time is: no schedule is about to tick."""
    with monkeypatch.context() as patch:
        patch.setattr(following, "is_near_its_tick", lambda *given: False)
        yield
