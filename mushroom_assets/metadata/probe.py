"""What a run of `clip_probe` shows."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mushroom_assets.domain.evaluation import (
    Evaluation,
    accuracy_of_rooms,
    in_one_room,
    rooms_text,
    told_by_rooms,
)
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.label_sets import ERROR_RATE, FEWEST_IN_FOLDS, FEWEST_ROOM_DAYS
from mushroom_assets.domain.probe import MIN_LABELS, Contradiction, ProbeFit, missing_labels
from mushroom_assets.domain.texts import say, share_text
from mushroom_assets.metadata.common import SHARE, Metadata, table

COLUMNS = (
    "model",
    "kind",
    "class",
    "images",
    "missing",
    "recall",
    "precision",
    "zero_shot_recall",
    "rooms",
    "room_days",
    "recall_elsewhere",
    "coverage",
)
OF_CONTRADICTIONS = ("kind", "image", "label", "other_image", "other_label")
LISTED = 20  # contradictions: event logs are never purged
# Of the accuracy, lost in rooms that the fit has not seen: more is told to be the rooms'
ROOMS_SHARE = 0.1


def probe_metadata(
    fits: Sequence[ProbeFit], labels: int, against: Sequence[Contradiction], farm: Farm
) -> Metadata:
    """One run of `clip_probe`: accuracies to plot, the classes of every fit, and notes.

    The notes say how each fit was judged, what it lacks and what is to be doubted.

    Args:
        fits: one a model and kind, those of the model in use last; numbers and confusions are that
            model's.
        labels: all labels of both kinds, with and without vectors.
        against: labels of equal bytes that contradict.
        farm: its language and rooms.
    """
    current = [fit for fit in fits if fit.encoder == fits[-1].encoder]
    known = sum(sum(fit.counts.values()) + sum(fit.strangers.values()) for fit in current)
    shown: Metadata = {
        "dagster/row_count": sum(fit.probe is not None for fit in fits),
        "labels": labels,
        "labels_without_vector": labels - known,
    }
    classes: list[dict[str, Any]] = []
    for fit in fits:
        classes += _class_rows(fit, farm)
    for fit in current:
        shown |= _accuracy(fit, farm)
    columns = [_column(name, farm) for name in COLUMNS]
    notes = [_note(fit, farm) for fit in fits]
    if against:
        shown |= _contradictions(against, farm)
        notes.append(say("probe_contradictions", farm, count=len(against)))
    listed = "\n".join(f"- {note}" for note in notes)
    return shown | {"classes": table(classes, columns), "notes": dg.MetadataValue.md(listed)}


def _contradictions(against: Sequence[Contradiction], farm: Farm) -> Metadata:
    columns = [_column(name, farm) for name in OF_CONTRADICTIONS]
    rows = [dict(zip(columns, one, strict=True)) for one in against[:LISTED]]
    return {"contradicting_labels": len(against), "contradictions": table(rows, columns)}


def _column(name: str, farm: Farm) -> str:
    return say(f"probe_columns.{name}", farm)


def _accuracy(fit: ProbeFit, farm: Farm) -> Metadata:
    """How often a fit and the zero-shot labels are right, and what the fit takes for what."""
    found = fit.evaluation
    if found is None:
        return {}
    shown: Metadata = {f"{fit.kind}_accuracy {SHARE}": round(found.accuracy, 4)}
    if found.zero_shot_accuracy is not None:
        shown[f"{fit.kind}_zero_shot_accuracy {SHARE}"] = round(found.zero_shot_accuracy, 4)
    if found.accuracy_elsewhere is not None:
        shown[f"{fit.kind}_accuracy_elsewhere {SHARE}"] = round(found.accuracy_elsewhere, 4)
    if found.coverage is not None:
        shown[f"{fit.kind}_coverage {SHARE}"] = round(found.coverage.share, 4)
    labelled = _column("labelled", farm)
    rows = []
    for label, counts in zip(found.classes, found.confusion.tolist(), strict=True):
        rows.append({labelled: label} | dict(zip(found.classes, counts, strict=True)))
    return shown | {f"{fit.kind}_confusion": table(rows, (labelled, *found.classes))}


def _class_rows(fit: ProbeFit, farm: Farm) -> list[dict[str, Any]]:
    missing = missing_labels(fit.counts)
    rates = fit.evaluation.by_class() if fit.evaluation else {}
    zero_shot = fit.evaluation.zero_shot_recall() if fit.evaluation else {}
    columns = [_column(name, farm) for name in COLUMNS]
    rows = []
    for name, count in fit.counts.items():
        own = rates.get(name)
        cells = [fit.encoder, fit.kind, name, count, missing.get(name, 0)]
        cells += [own["recall"], own["precision"]] if own else [None, None]
        cells.append(zero_shot.get(name))
        cells += [len(own["rooms"]), own["room_days"]] if own else [None, None]
        cells += [own["recall_elsewhere"], own["coverage"]] if own else [None, None]
        rows.append(dict(zip(columns, cells, strict=True)))
    return rows


def _note(fit: ProbeFit, farm: Farm) -> str:
    """A fit in words: how it was judged, what it lacks, what it leaves out."""
    comma = say("comma", farm)
    missing = missing_labels(fit.counts)
    lacking = comma.join(f"{name} {count}" for name, count in missing.items())
    parts = [say("probe_fit", farm, kind=fit.kind, encoder=fit.encoder)]
    if fit.probe is None or fit.evaluation is None:
        parts.append(say("probe_none", farm, count=MIN_LABELS, lacking=lacking))
    else:
        folds = fit.evaluation.folds
        probe = fit.probe.probe_id
        parts.append(say("probe_folds", farm, probe=probe, folds=folds, strength=fit.strength))
        key = "probe_by_room_day" if fit.evaluation.by_room_day else "probe_by_image"
        parts.append(say(key, farm))
        parts += _of_rooms(fit.evaluation, farm)
        parts += _of_sets(fit.evaluation, farm)
        if lacking:
            parts.append(say("probe_lacking", farm, lacking=lacking))
    if fit.strangers:
        parts.append(say("probe_strangers", farm, names=comma.join(fit.strangers)))
    return say("sentence_gap", farm).join(parts)


def _of_rooms(found: Evaluation, farm: Farm) -> list[str]:
    """What the fit may have learned of rooms, and how right it is in others."""
    parts = []
    apart = told_by_rooms(found.rooms)
    if apart:
        parts.append(say("probe_rooms_apart", farm, rooms=rooms_text(found.rooms, apart, farm)))
    elsewhere = found.accuracy_elsewhere
    if elsewhere is None:
        single = in_one_room(found.rooms)
        if single:
            parts.append(say("probe_one_room", farm, rooms=rooms_text(found.rooms, single, farm)))
        return parts
    by_rooms = share_text(accuracy_of_rooms(found.rooms))
    parts.append(say("probe_elsewhere", farm, elsewhere=share_text(elsewhere), rooms=by_rooms))
    if found.accuracy - elsewhere > ROOMS_SHARE:
        parts.append(say("probe_learned_rooms", farm))
    return parts


def _of_sets(found: Evaluation, farm: Farm) -> list[str]:
    """Which labels are excluded, and how often wrongly."""
    parts = []
    lacking = found.uncalibrated()
    of = found.coverage
    if of is not None:
        share = share_text(of.share)
        parts.append(say("probe_coverage", farm, rate=ERROR_RATE, share=share, labels=of.labels))
    elif len(lacking) < len(found.classes):
        parts.append(say("probe_calibrated", farm, rate=ERROR_RATE))
    if lacking:
        days = say("comma", farm).join(f"{name} {count}" for name, count in lacking.items())
        needed = {"count": FEWEST_ROOM_DAYS, "least": FEWEST_IN_FOLDS}
        parts.append(say("probe_uncalibrated", farm, days=days, **needed))
    return parts
