"""`relabel_images_job`: new prompts, labels or probes for images that are already vectors.

No image is read. Which row of an image counts, and how rows travel, is the business of
`storage.vision.relabel`; what a vector says about labels, that of the domain.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg
import sqlalchemy as sa
from pydantic import Field

from mushroom_assets.assets.windows import RunPolicy
from mushroom_assets.domain import names, prompts, reach, vision
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.probe import probes_id
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.versions import code_version, relabelled
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.reporting import UNRECORDED, made_by, together, version_tags
from mushroom_assets.metadata.vision import relabel_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import ClipResource, FarmFile, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.day_locks import lock_days
from mushroom_assets.storage.outdated import mark, settle
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.schema.dictionary import upstream
from mushroom_assets.storage.vision.label_columns import Labels
from mushroom_assets.storage.vision.probes import read_probes
from mushroom_assets.storage.vision.relabel import (
    DayCount,
    choose_rows,
    read_vectors,
    stored_days,
    write_labels,
)

if TYPE_CHECKING:
    from mushroom_assets.inference.encoder import ClipEncoder

# Of one transaction: 20 MB of vectors of 512 dimensions, and the least that a killed job loses
CHUNK_ROWS = 10_000
CHUNK_DAYS = 366  # few images a day: each day is a lock, and the server has 6,400
CHUNKS_AT_ONCE = 2  # chunks: one is read and scored while the other is written


class RelabelConfig(dg.Config):
    """Which days."""

    since: str | None = Field(
        default=None, description="first day, YYYY-MM-DD; unset: the first there is"
    )
    until: str | None = Field(
        default=None, description="last day, YYYY-MM-DD, included; unset: the last there is"
    )


def relabel_job(clock: FarmClock, policy: RunPolicy, farm: Farm) -> dg.JobDefinition:
    """The job on a farm's clock."""

    @dg.op(retry_policy=policy.retry, pool=policy.pool)
    def relabel_images(
        context: dg.OpExecutionContext,
        config: RelabelConfig,
        postgres: PostgresResource,
        clip: ClipResource,
        farm_file: FarmFile,
    ) -> None:
        """Label the stored vectors by the farm file's prompts and labels and the latest probes.

        Every image of the model, whatever prompts it was judged with, gets a row under the current
        `model_id`: its latest row with new labels. Rows of other prompts stay. Each chunk of whole
        days is a transaction.
        """
        farm = farm_file.read()
        partitions = set(clock.daily.get_partition_keys())
        with permanent_faults_fail_at_once():
            since = _day("since", config.since)
            until = _day("until", config.until)
            task = relabelling(farm, clip.encoder(), context.run_id)
            database = postgres.database(context.run_id)
            for counts in relabel(database, task, since, until):
                _record(context, counts, task, partitions, farm)

    @dg.job(description=say("relabel_job", farm))
    def relabel_images_job() -> None:
        relabel_images()

    return relabel_images_job


class Relabelling(NamedTuple):
    """Which vectors are labelled by what, and under which names the rows are stored.

    Attributes:
        prefix: of the model_id of the rows that are read.
        encoder: the encoder's name.
        dimensions: of a vector.
        trained: whether the model's labels mean anything.
        labeller: the farm's labels as the model sees them.
        model_id: of the rows that are written.
        version: the asset's code version.
        run_id: the run's.
        farm: whose reports quote the labels.
    """

    prefix: str
    encoder: str
    dimensions: int
    trained: bool
    labeller: vision.Labeller
    model_id: str
    version: str
    run_id: str
    farm: Farm


def relabelling(farm: Farm, encoder: "ClipEncoder", run_id: str) -> Relabelling:
    """The task of a run with a model, under a farm file."""
    return Relabelling(
        prefix=f"{encoder.name}/prompts-",
        encoder=encoder.name,
        dimensions=encoder.dimensions,
        trained=encoder.trained,
        labeller=vision.Labeller(
            farm.vision, encoder.encode_texts, encoder.logit_scale, encoder.known
        ),
        model_id=prompts.model_id(encoder.name, farm.vision),
        version=code_version(vision, farm),
        run_id=run_id,
        farm=farm,
    )


def relabel(
    database: Database, task: Relabelling, since: dt.date | None, until: dt.date | None
) -> Iterator[list[DayCount]]:
    """Store the days' rows under the task's model_id with labels computed anew.

    `CHUNKS_AT_ONCE` chunks are in work at a time, each in a transaction of its own.

    Yields:
        each chunk's days when they are stored.
    """

    def store(days: Sequence[dt.date]) -> list[DayCount]:
        with database.transaction() as connection:
            return _store(connection, task, days)

    with database.transaction() as connection:
        if since is not None and until is not None:
            _settle_days_without_rows(connection, task, since, until)
        stored = stored_days(connection, task.prefix, since, until)
    with ThreadPoolExecutor(CHUNKS_AT_ONCE) as pool:
        yield from pool.map(store, chunks(stored, CHUNK_ROWS))


def _settle_days_without_rows(
    connection: sa.Connection, task: Relabelling, since: dt.date, until: dt.date
) -> None:
    """Take the probe's marks from days that have nothing to label: no chunk will."""
    count = (until - since).days + 1
    days = {since + dt.timedelta(days=number) for number in range(count)}
    lock_days(connection, table, days)
    days -= {day for day, _ in stored_days(connection, task.prefix, since, until)}
    if days:
        settle(connection, reach.of_days(table.name, days, names.PROBE, task.farm))


def _store(connection: sa.Connection, task: Relabelling, days: Sequence[dt.date]) -> list[DayCount]:
    lock_days(connection, table, days)
    settle(connection, reach.of_days(table.name, days, names.PROBE, task.farm))
    counts = choose_rows(connection, task.prefix, days)
    probes = read_probes(connection, task.encoder)
    found = read_vectors(connection, task.dimensions)
    zero_shot = task.labeller.judge(found.embeddings)
    by_probe = {kind: probe.judge(found.embeddings) for kind, probe in probes.items()}
    labels = Labels(zero_shot, by_probe, probes_id(probes))
    now = dt.datetime.now(dt.UTC)
    stamp = {"model_id": task.model_id, "run_id": task.run_id, "computed_at": now}
    write_labels(connection, found.places, labels, stamp)
    mark(connection, reach.of_days(names.REPORT, reach.told_of(days), table.name, task.farm))
    return counts


def chunks(stored: Sequence[tuple[dt.date, int]], rows: int) -> Iterator[list[dt.date]]:
    """The days in order, as many together as have at most `rows` rows; a day is never divided.

    More than `CHUNK_DAYS` are never together.
    """
    days: list[dt.date] = []
    filled = 0
    for day, count in stored:
        if days and (filled + count > rows or len(days) == CHUNK_DAYS):
            yield days
            days = []
            filled = 0
        days.append(day)
        filled += count
    if days:
        yield days


def _record(
    context: dg.OpExecutionContext,
    counts: Sequence[DayCount],
    task: Relabelling,
    partitions: Collection[str],
    farm: Farm,
) -> None:
    """Tell Dagster of a chunk's days: those that are partitions of the asset."""
    images = sum(day.ok + day.not_ok for day in counts)
    context.log.info(f"{counts[0].day} to {counts[-1].day}: {images} images")
    by_key = {day.day.isoformat(): day for day in counts}
    days = {key: day for key, day in by_key.items() if key in partitions}
    before = made_by(context.instance, dg.AssetKey(table.name), list(days))
    with together(context.instance):
        for key, day in days.items():
            shown = relabel_metadata(day, task.model_id, farm, trained=task.trained)
            tags = _tags(before.get(key), task)
            event = dg.AssetMaterialization(table.name, partition=key, metadata=shown, tags=tags)
            context.log_event(event)


def _tags(before: str | None, task: Relabelling) -> dict[str, str] | None:
    """Version tags of rows with new labels that are otherwise as old as they were.

    None where nobody knows what made them.
    """
    if before is None:
        return None
    inputs = {dg.AssetKey(name): UNRECORDED for name in upstream(table)}
    return version_tags(relabelled(before, task.version), task.run_id, inputs)


def _day(name: str, text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is no day. Remedy: write it as YYYY-MM-DD") from error
