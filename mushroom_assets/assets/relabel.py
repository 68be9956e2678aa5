"""`relabel_images_job`: new prompts, labels or probes for images that are already vectors; no image
is read.

Which row of an image counts, and how rows travel, is the business of `storage.relabel`; what a
vector says about labels, that of the domain.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import dagster as dg
from pydantic import Field

from mushroom_assets.domain import vision
from mushroom_assets.domain.probe import probes_id
from mushroom_assets.domain.versions import code_version, relabelled
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.reporting import UNRECORDED, made_by, together, version_tags
from mushroom_assets.metadata.vision import relabel_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import ClipResource, FarmFile, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.results import lock_for_replace
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.schema.dictionary import upstream
from mushroom_assets.storage.vision.labels import read_probes
from mushroom_assets.storage.vision.relabel import (
    DayCount,
    Labels,
    choose_rows,
    read_vectors,
    relabel_alone,
    stored_days,
    write_labels,
)

# Of one transaction: 20 MB of vectors of 512 dimensions, and the least that a killed job loses
CHUNK_ROWS = 10_000
AT_ONCE = 2  # chunks: one is read and scored while the other is written


class RelabelConfig(dg.Config):
    """Which days."""

    since: str | None = Field(
        default=None, description="first day, YYYY-MM-DD; unset: the first there is"
    )
    until: str | None = Field(
        default=None, description="last day, YYYY-MM-DD, included; unset: the last there is"
    )


def relabel_job(clock: FarmClock, **policy: Any) -> dg.JobDefinition:
    """The job on a farm's clock; `policy` holds its op's retry policy and pool."""

    @dg.op(**policy)
    def relabel_images(
        context: dg.OpExecutionContext,
        config: RelabelConfig,
        postgres: PostgresResource,
        clip: ClipResource,
        farm_file: FarmFile,
    ) -> None:
        """Labels of the stored vectors under the prompts and labels of the farm file and the latest
        probes.

        Every image of the model, whatever prompts it was judged with, gets a row under the current
        `model_id`: its latest row with new labels. Rows of other prompts stay. Each chunk of whole
        days is a transaction.
        """
        with permanent_faults_fail_at_once():
            since, until = (_day(name, getattr(config, name)) for name in ("since", "until"))
            farm, encoder = farm_file.read(), clip.encoder()
            model_id, prefix = (
                vision.model_id(encoder.name, farm.vision),
                f"{encoder.name}/prompts-",
            )
            labeller = vision.Labeller(farm.vision, encoder.encode_texts, encoder.logit_scale)
            partitions = set(clock.daily.get_partition_keys())
            task = Relabelling(
                prefix, encoder.name, encoder.dimensions, labeller, model_id, context.run_id
            )
            version = code_version(table.name, farm)
            for counts in relabel(postgres.database(context.run_id), task, since, until):
                images = sum(day.ok + day.not_ok for day in counts)
                context.log.info(f"{counts[0].day} to {counts[-1].day}: {images} images")
                days = {
                    day.day.isoformat(): day for day in counts if day.day.isoformat() in partitions
                }
                before = made_by(context.instance, dg.AssetKey(table.name), list(days))
                with together(context.instance):
                    for key, day in days.items():
                        shown = relabel_metadata(day, model_id, farm, trained=encoder.trained)
                        tags = _tags(before.get(key), version, context.run_id)
                        context.log_event(
                            dg.AssetMaterialization(
                                table.name, partition=key, metadata=shown, tags=tags
                            )
                        )

    @dg.job(
        description="New labels for stored vectors, after a change of prompts, labels or probes; reads no image."
    )
    def relabel_images_job() -> None:
        relabel_images()

    return relabel_images_job


class Relabelling(NamedTuple):
    """Which vectors, by the start of their model_id, are labelled by what, and under which name the
    rows are stored.
    """

    prefix: str
    encoder: str
    dimensions: int
    labeller: vision.Labeller
    model_id: str
    run_id: str


def relabel(
    database: Database, task: Relabelling, since: dt.date | None, until: dt.date | None
) -> Iterator[list[DayCount]]:
    """Store the days' rows under the task's model_id with labels computed anew; yields each chunk's
    days when stored.

    `AT_ONCE` chunks are in work at a time, each in a transaction of its own.
    """

    def store(days: Sequence[dt.date]) -> list[DayCount]:
        with database.transaction() as connection:
            lock_for_replace(connection, table, shared=True)
            counts = choose_rows(connection, task.prefix, days)
            probes = read_probes(connection, task.encoder)
            found = read_vectors(connection, task.dimensions)
            judged = {kind: probe.judge(found.embeddings) for kind, probe in probes.items()}
            labels = Labels(task.labeller.judge(found.embeddings), judged, probes_id(probes))
            stamp = {
                "model_id": task.model_id,
                "run_id": task.run_id,
                "computed_at": dt.datetime.now(dt.UTC),
            }
            write_labels(connection, found.places, labels, stamp)
        return counts

    with database.transaction() as connection, ThreadPoolExecutor(AT_ONCE) as pool:
        # Chunks share the lock on the table: two jobs must not write the same rows
        relabel_alone(connection)
        yield from pool.map(
            store, chunks(stored_days(connection, task.prefix, since, until), CHUNK_ROWS)
        )


def chunks(stored: Sequence[tuple[dt.date, int]], rows: int) -> Iterator[list[dt.date]]:
    """The days in order, as many together as have at most `rows` rows; a day is never divided."""
    days: list[dt.date] = []
    filled = 0
    for day, count in stored:
        if days and filled + count > rows:
            yield days
            days, filled = [], 0
        days.append(day)
        filled += count
    if days:
        yield days


def _tags(before: str | None, version: str, run_id: str) -> dict[str, str] | None:
    """Rows with new labels that are otherwise as old as they were.

    None where nobody knows what made them.
    """
    inputs = {dg.AssetKey(name): UNRECORDED for name in upstream(table)}
    return None if before is None else version_tags(relabelled(before, version), run_id, inputs)


def _day(name: str, text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is no day. Remedy: write it as YYYY-MM-DD") from error
