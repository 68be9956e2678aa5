"""The farm's own probes: stored, read back to the last bit.

`domain.probe` says what a probe is; inference fits it on what `labels` has.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from mushroom_assets.domain.label_sets import LabelSets
from mushroom_assets.domain.probe import Array, Probe, ProbeFit
from mushroom_assets.storage.results import replace_rows
from mushroom_assets.storage.schema import clip_probe

# A matrix of 512 x 512 as an array of numbers takes the driver 0.2 s to read, as bytes 0.01 s
PACKED = "<f4"
OF_SETS = ("means", "whitening", "middles", "spreads", "limits")


def replace_probes(
    connection: sa.Connection, fits: Sequence[ProbeFit], run_id: str, fitted_at: dt.datetime
) -> bool:
    """Replace all stored fits by these, inside the caller's transaction.

    A model and kind whose labels no longer suffice loses its probe.

    Returns:
        whether any of them is another than before.
    """
    rows = [
        {
            "encoder": fit.encoder,
            "kind": fit.kind,
            "probe_id": fit.probe.probe_id,
            "classes": list(fit.probe.classes),
            "coefficients": _flat(fit.probe.coefficients),
            "intercepts": _flat(fit.probe.intercepts),
            "label_count": int(fit.evaluation.confusion.sum()),
            "accuracy": fit.evaluation.accuracy,
            "by_class": fit.evaluation.by_class(),
            "coverage": fit.evaluation.coverage.share if fit.evaluation.coverage else None,
            "accuracy_elsewhere": fit.evaluation.accuracy_elsewhere,
            "run_id": run_id,
            "fitted_at": fitted_at,
        }
        | _sets_of(fit.probe)
        for fit in fits
        if fit.probe is not None and fit.evaluation is not None
    ]
    return bool(replace_rows(connection, clip_probe, sa.true(), rows))


def _flat(numbers: Array) -> list[float]:
    found: list[float] = numbers.ravel().tolist()
    return found


def _sets_of(probe: Probe) -> dict[str, Any]:
    """The columns of what excludes a label."""
    sets = probe.label_sets
    if sets is None:
        return dict.fromkeys(OF_SETS)
    return {
        "means": _flat(sets.means),
        "whitening": np.ascontiguousarray(sets.whitening, dtype=PACKED).tobytes(),
        "middles": _flat(sets.middles),
        "spreads": _flat(sets.spreads),
        "limits": _flat(sets.limits),
    }


def read_probes(connection: sa.Connection, encoder: str) -> dict[str, Probe]:
    """A model's probes by kind ("stage", "condition"); a kind that has none is left out."""
    names = ("kind", "probe_id", "classes", "coefficients", "intercepts", *OF_SETS)
    columns = clip_probe.c
    statement = (
        sa.select(*(columns[name] for name in names))
        .where(columns.encoder == encoder)
        .order_by(columns.kind)
    )
    probes = {}
    for row in connection.execute(statement).mappings():
        classes = tuple(row["classes"])
        probes[row["kind"]] = Probe(
            row["kind"],
            row["probe_id"],
            classes,
            np.array(row["coefficients"]).reshape(len(classes), -1),
            np.array(row["intercepts"]),
            _read_sets(row, len(classes)),
        )
    return probes


def _read_sets(row: sa.RowMapping, classes: int) -> LabelSets | None:
    if row["whitening"] is None:
        return None
    means = np.array(row["means"]).reshape(classes, -1)
    length = means.shape[1]
    white = np.frombuffer(row["whitening"], dtype=PACKED).reshape(length, length)
    numbers = (np.array(row[name]) for name in ("middles", "spreads", "limits"))
    return LabelSets(means, white.astype(np.float64), *numbers)
