"""Labels by people and the probes fitted on them: stored, joined to vectors by content, read back.

A label belongs to the bytes that were looked at, whatever lies at their path today. `domain.probe`
says what a fit is made of; inference makes it.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.domain.probe import KINDS, Labelled, Probe, ProbeFit
from mushroom_assets.storage.results import replace_rows
from mushroom_assets.storage.schema import (
    clip_probe,
    daily_clip_inference,
    image_embedding,
    image_label,
)

NO_LABELS = "no labels"


def seen_contents(connection: sa.Connection, paths: Collection[str]) -> dict[str, str]:
    """The SHA-256 of each image as a day last saw it, by path.

    Images that no day saw or could use are left out.
    """
    image = daily_clip_inference.c
    statement = (
        sa.select(image.image_path, image.content_sha256, image.status)
        .distinct(image.image_path)
        .where(image.image_path == sa.any_(sa.literal(list(paths), sa.ARRAY(sa.Text))))
        .order_by(image.image_path, image.computed_at.desc(), image.model_id)
    )
    seen = connection.execute(statement)
    return {path: content for path, content, status in seen if status == "ok" and content}


def store_labels(connection: sa.Connection, labels: Sequence[Mapping[str, Any]]) -> int:
    """Add or correct labels; returns how many rows are new or changed.

    A later label replaces an earlier one of its kind. A kind that it leaves out (None) stays as it
    was, unless the image's bytes have changed since.

    Args:
        connection: a connection in a transaction.
        labels: mappings with image_path, content_sha256, stage, condition and labelled_by, the last
            three may be None.
    """
    new = insert(image_label)
    old = image_label.c
    same = old.content_sha256 == new.excluded.content_sha256
    merged = {
        kind: sa.func.coalesce(new.excluded[kind], sa.case((same, old[kind]), else_=sa.null()))
        for kind in KINDS
    }
    by = new.excluded.labelled_by
    other_person = sa.and_(by.is_not(None), old.labelled_by.is_distinct_from(by))
    other_label = [old[kind].is_distinct_from(merged[kind]) for kind in KINDS]
    facts = {
        "content_sha256": new.excluded.content_sha256,
        "labelled_by": by,
        "labelled_at": sa.func.now(),
    }
    statement = new.on_conflict_do_update(
        index_elements=[old.image_path],
        set_=facts | merged,
        where=sa.or_(~same, *other_label, other_person),
    ).returning(old.image_path)
    columns = ("image_path", "content_sha256", *KINDS, "labelled_by")
    changed = 0
    for row in labels:
        given = {name: row[name] for name in columns}
        changed += len(connection.execute(statement, given).all())
    return changed


def _latest(kind: str) -> sa.Subquery:
    """The latest label of a kind for each content: one image's bytes may lie at several paths."""
    label = image_label.c
    statement = (
        sa.select(label.content_sha256, label.image_path, label[kind].label("label"))
        .distinct(label.content_sha256)
        .where(label[kind].is_not(None))
        .order_by(label.content_sha256, label.labelled_at.desc(), label.image_path)
    )
    return statement.subquery()


def count_labels(connection: sa.Connection, kind: str) -> dict[str, int]:
    """Labelled images by class, whether or not a model has a vector of them.

    Images of equal bytes count once.
    """
    latest = _latest(kind)
    statement = (
        sa.select(latest.c.label, sa.func.count()).group_by(latest.c.label).order_by(latest.c.label)
    )
    return {label: count for label, count in connection.execute(statement)}


def labelled_encoders(connection: sa.Connection) -> list[str]:
    """The models with a vector of a labelled image; the one with the newest vectors is last."""
    vector = image_embedding.c
    statement = (
        sa.select(vector.encoder)
        .where(vector.content_sha256.in_(sa.select(image_label.c.content_sha256)))
        .group_by(vector.encoder)
        .order_by(sa.func.max(vector.computed_at), vector.encoder)
    )
    return list(connection.scalars(statement))


def read_labelled(connection: sa.Connection, encoder: str, kind: str) -> list[Labelled]:
    """The labelled images of a kind with a model's vectors, one for each content, by content."""
    latest = _latest(kind)
    vector = image_embedding.c
    image = daily_clip_inference.c
    judged = (
        sa.select(image.content_sha256, image[kind].label("zero_shot"))
        .distinct(image.content_sha256)
        .where(image.status == "ok", image.model_id.startswith(f"{encoder}/", autoescape=True))
        .order_by(image.content_sha256, image.computed_at.desc(), image.model_id, image.image_path)
        .subquery()
    )
    statement = (
        sa.select(
            latest.c.content_sha256,
            latest.c.image_path,
            latest.c.label,
            vector.embedding,
            judged.c.zero_shot,
        )
        .join(image_embedding, vector.content_sha256 == latest.c.content_sha256)
        .join(judged, judged.c.content_sha256 == latest.c.content_sha256, isouter=True)
        .where(vector.encoder == encoder)
        .order_by(latest.c.content_sha256)
    )
    labelled = []
    for content, path, label, embedding, zero_shot in connection.execute(statement):
        folder = path.rpartition("/")[0]
        embedded = np.asarray(embedding, dtype=np.float32)
        labelled.append(Labelled(content, folder, label, embedded, zero_shot))
    return labelled


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
            "coefficients": fit.probe.coefficients.ravel().tolist(),
            "intercepts": fit.probe.intercepts.tolist(),
            "label_count": int(fit.evaluation.confusion.sum()),
            "accuracy": fit.evaluation.accuracy,
            "by_class": fit.evaluation.by_class(),
            "run_id": run_id,
            "fitted_at": fitted_at,
        }
        for fit in fits
        if fit.probe is not None and fit.evaluation is not None
    ]
    return bool(replace_rows(connection, clip_probe, sa.true(), rows))


def read_probes(connection: sa.Connection, encoder: str) -> dict[str, Probe]:
    """A model's probes by kind ("stage", "condition"); a kind that has none is left out."""
    columns = clip_probe.c
    statement = (
        sa.select(
            columns.kind,
            columns.probe_id,
            columns.classes,
            columns.coefficients,
            columns.intercepts,
        )
        .where(columns.encoder == encoder)
        .order_by(columns.kind)
    )
    probes = {}
    for kind, probe_id, classes, weights, intercepts in connection.execute(statement):
        by_class = np.array(weights).reshape(len(classes), -1)
        probes[kind] = Probe(kind, probe_id, tuple(classes), by_class, np.array(intercepts))
    return probes


def label_state(connection: sa.Connection) -> str:
    """A text that changes with the labels, whoever changes them, and with their images' vectors.

    "<sum of the labels' hashes> <labels> <their vectors>", or `NO_LABELS`. So it changes when
    labels are added, corrected or taken away, or when a model gets vectors of labelled images.
    """
    label = image_label.c
    vectors = (
        sa.select(sa.func.count())
        .select_from(image_embedding)
        .where(image_embedding.c.content_sha256.in_(sa.select(label.content_sha256)))
        .scalar_subquery()
    )
    row = sa.cast(sa.literal_column("image_label"), sa.Text)
    hashes = sa.func.sum(sa.func.hashtextextended(row, 0))
    total, count, known = connection.execute(
        sa.select(hashes, sa.func.count(), vectors).select_from(image_label)
    ).one()
    return f"{total} {count} {known}" if count else NO_LABELS
