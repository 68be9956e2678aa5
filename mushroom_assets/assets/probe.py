"""`clip_probe`: what the farm's own labels make of the model's vectors."""

import datetime as dt
from collections.abc import Mapping

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.windows import RunPolicy
from mushroom_assets.domain import reach
from mushroom_assets.domain.probe import KINDS, ProbeFit, class_names
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.probe import probe_metadata
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.day_locks import lock_table
from mushroom_assets.storage.outdated import mark
from mushroom_assets.storage.schema import clip_probe as table
from mushroom_assets.storage.vision.labels import (
    contradictions,
    count_labels,
    labelled_encoders,
    read_labelled,
)
from mushroom_assets.storage.vision.probes import replace_probes

# Stands for the model where nothing labelled has a vector: the result still counts the classes
NO_MODEL = "none"


def probe_asset(policy: RunPolicy) -> dg.AssetsDefinition:
    """The asset, which has no partitions."""

    @dg.asset(
        deps=["image_label", "daily_clip_inference"],
        retry_policy=policy.retry,
        pool=policy.pool,
    )
    def clip_probe(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult[None]:
        farm = farm_file.read()
        names = class_names(farm.vision)
        run_id = context.run.run_id
        with permanent_faults_fail_at_once(), postgres.transaction(run_id) as connection:
            lock_table(connection, table)
            labels = sum(sum(count_labels(connection, kind).values()) for kind in KINDS)
            against = contradictions(connection)
            fits = fit_probes(connection, names)
            now = dt.datetime.now(dt.UTC)
            if replace_probes(connection, fits, run_id, now):
                for touched in reach.of_probe(now, farm):
                    mark(connection, touched)
        return dg.MaterializeResult(metadata=probe_metadata(fits, labels, against, farm))

    return clip_probe


def fit_probes(connection: sa.Connection, names: Mapping[str, list[str]]) -> list[ProbeFit]:
    """Fit a probe for each model that has labelled vectors and each kind of label."""
    from mushroom_assets.inference.probe import fit_probe  # brings scikit-learn: seconds, only here

    fits: list[ProbeFit] = []
    for encoder in labelled_encoders(connection) or [NO_MODEL]:
        for kind in KINDS:
            labelled = read_labelled(connection, encoder, kind)
            fits.append(fit_probe(encoder, kind, labelled, names[kind]))
    return fits
