"""What a run of `clip_probe` shows."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mushroom_assets.domain.probe import MIN_LABELS, ProbeFit, missing_labels
from mushroom_assets.metadata.common import Metadata, table

BY_ROOM_DAY = (
    "Images of one room and day, which are near-duplicates, were never on both sides of a fold."
)
BY_IMAGE = (
    "A class has too few room-days for folds by room and day, so near-duplicates may be on both sides of a fold: "
    "**the accuracy flatters**. Label images of more days."
)


def probe_metadata(fits: Sequence[ProbeFit], labels: int) -> Metadata:
    """One run of `clip_probe`: accuracies to plot, the classes of every fit, and what is missing or
    to be doubted.

    Args:
        fits: one a model and kind, those of the model in use last; numbers and confusions are of
            that model.
        labels: all labels of both kinds, with and without vectors.
    """
    current = [fit for fit in fits if fit.encoder == fits[-1].encoder]
    known = sum(sum(fit.counts.values()) + sum(fit.strangers.values()) for fit in current)
    shown: Metadata = {
        "dagster/row_count": sum(fit.probe is not None for fit in fits),
        "labels": labels,
        "labels_without_vector": labels - known,
    }
    for fit in current:
        if (found := fit.evaluation) is not None:
            shown[f"{fit.kind}_accuracy"] = round(found.accuracy, 4)
            if found.zero_shot_accuracy is not None:
                shown[f"{fit.kind}_zero_shot_accuracy"] = round(found.zero_shot_accuracy, 4)
            named = [dict(zip(found.classes, row, strict=True)) for row in found.confusion.tolist()]
            rows = [
                {"labelled": label} | row for label, row in zip(found.classes, named, strict=True)
            ]
            shown[f"{fit.kind}_confusion"] = table(rows, ("labelled", *found.classes))
    classes = [row for fit in fits for row in _class_rows(fit)]
    columns = (
        "model",
        "kind",
        "class",
        "images",
        "missing",
        "recall",
        "precision",
        "zero_shot_recall",
    )
    notes = dg.MetadataValue.md("\n".join(f"- {_probe_note(fit)}" for fit in fits))
    return shown | {"classes": table(classes, columns), "notes": notes}


def _class_rows(fit: ProbeFit) -> list[dict[str, Any]]:
    missing, found = missing_labels(fit.counts), fit.evaluation
    rates = found.by_class() if found else {}
    zero_shot = found.zero_shot_recall() if found else {}
    return [
        {
            "model": fit.encoder,
            "kind": fit.kind,
            "class": name,
            "images": count,
            "missing": missing.get(name, 0),
            "recall": rates[name]["recall"] if name in rates else None,
            "precision": rates[name]["precision"] if name in rates else None,
            "zero_shot_recall": zero_shot.get(name),
        }
        for name, count in fit.counts.items()
    ]


def _probe_note(fit: ProbeFit) -> str:
    """A fit in words: how it was judged, what it lacks, what it leaves out."""
    lacking = ", ".join(f"{name} {count}" for name, count in missing_labels(fit.counts).items())
    parts = [f"**{fit.kind}**, {fit.encoder}:"]
    if fit.probe is None or fit.evaluation is None:
        parts.append(
            f"no probe: two classes with {MIN_LABELS} labelled images each are needed. Missing: {lacking}."
        )
    else:
        folds = f"{fit.evaluation.folds} folds, nested: C = {fit.strength:g} was chosen without the images judged"
        parts.append(f"`{fit.probe.probe_id}`, cross-validated in {folds}.")
        parts.append(BY_ROOM_DAY if fit.evaluation.by_room_day else BY_IMAGE)
        if lacking:
            parts.append(f"Left out for want of labels: {lacking} missing.")
    if fit.strangers:
        parts.append(f"Left out, not in the farm file: {', '.join(fit.strangers)}.")
    return " ".join(parts)
