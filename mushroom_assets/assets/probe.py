"""`clip_probe`: what the farm's own labels make of the model's vectors."""

import datetime as dt
from typing import Any

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.probe import KINDS, class_names
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.definition import definition
from mushroom_assets.metadata.probe import probe_metadata
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.results import lock_for_replace
from mushroom_assets.storage.schema import clip_probe as table
from mushroom_assets.storage.vision.labels import (
    count_labels,
    labelled_encoders,
    read_labelled,
    replace_probes,
)

# Stands for the model where nothing labelled has a vector: the result still counts the classes
NO_MODEL = "none"


def probe_asset(farm: Farm, **policy: Any) -> dg.AssetsDefinition:
    """The asset; `policy` holds its retry policy."""

    @dg.asset(
        deps=["image_label", "daily_clip_inference"],
        **definition(table, farm),
        **policy,
    )
    def clip_probe(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult:
        with permanent_faults_fail_at_once():
            # Brings scikit-learn: seconds, only here
            from mushroom_assets.inference.probe import fit_probe

            farm = farm_file.read()
            names = class_names(farm.vision)
            with postgres.transaction(context.run.run_id) as connection:
                lock_for_replace(connection, table)
                labels = sum(sum(count_labels(connection, kind).values()) for kind in KINDS)
                fits = [
                    fit_probe(encoder, kind, read_labelled(connection, encoder, kind), names[kind])
                    for encoder in labelled_encoders(connection) or [NO_MODEL]
                    for kind in KINDS
                ]
                replace_probes(connection, fits, context.run.run_id, dt.datetime.now(dt.UTC))
        return dg.MaterializeResult(metadata=probe_metadata(fits, labels, farm))

    return clip_probe
