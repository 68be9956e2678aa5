"""Labels by people: stored, joined to vectors by content, counted, and where they contradict.

A label belongs to the bytes that were looked at, whatever lies at their path today. `domain.probe`
says what a fit is made of; inference makes it, `probes` stores it.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.domain.probe import KINDS, Contradiction, Labelled, room_of
from mushroom_assets.storage.schema import daily_clip_inference, image_embedding, image_label

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


def withdraw_label(
    connection: sa.Connection, path: str, kind: str, by: str, since: dt.datetime
) -> bool:
    """Take back what somebody has lately said of an image; returns whether there was anything.

    Args:
        connection: a connection in a transaction.
        path: the image's.
        kind: one of `KINDS`; a label of the other stays.
        by: who said it; what others said stays.
        since: what was said before that stays.
    """
    label = image_label.c
    own = (label.image_path == path) & (label.labelled_by == by) & (label.labelled_at >= since)
    (other,) = (name for name in KINDS if name != kind)
    alone = sa.delete(image_label).where(own, label[other].is_(None))
    if connection.execute(alone).rowcount:
        return True
    one = sa.update(image_label).where(own, label[kind].is_not(None)).values({kind: None})
    return bool(connection.execute(one).rowcount)


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


def count_rooms(connection: sa.Connection, kind: str) -> dict[str, dict[str, int]]:
    """Labelled images by class and by their room's folder; images of equal bytes count once."""
    latest = _latest(kind)
    found: dict[str, dict[str, int]] = {}
    for label, path in connection.execute(sa.select(latest.c.label, latest.c.image_path)):
        of = found.setdefault(label, {})
        room = room_of(_folder(path))
        of[room] = of.get(room, 0) + 1
    return found


def contradictions(
    connection: sa.Connection, contents: Collection[str] | None = None
) -> list[Contradiction]:
    """Labels of equal bytes at several paths that differ, by kind and path.

    The one that counts comes first.

    Args:
        connection: a connection in a transaction.
        contents: only of these, by SHA-256; None for all.
    """
    found: list[Contradiction] = []
    label = image_label.c
    for kind in KINDS:
        latest = _latest(kind)
        statement = (
            sa.select(latest.c.image_path, latest.c.label, label.image_path, label[kind])
            .join(image_label, label.content_sha256 == latest.c.content_sha256)
            .where(label[kind] != latest.c.label)
            .order_by(latest.c.image_path, label.image_path)
        )
        if contents is not None:
            some = sa.any_(sa.literal(list(contents), sa.ARRAY(sa.Text)))
            statement = statement.where(label.content_sha256 == some)
        found += [Contradiction(kind, *row) for row in connection.execute(statement)]
    return found


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
        embedded = np.asarray(embedding, dtype=np.float32)
        labelled.append(Labelled(content, _folder(path), label, embedded, zero_shot))
    return labelled


def _folder(path: str) -> str:
    """The folder of a room and a day in which an image lies."""
    return path.rpartition("/")[0]


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
