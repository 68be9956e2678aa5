"""What was picked: write the kilos of a batch and day, correct them, read those of batches.

Which pickings are taken is told by `domain.records`. Which reports one touches is the business of
triggers and of `inputs`: nothing here has to mark anything.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.records import Harvest, Picking, RecordError, check_picking
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.schema import batch
from mushroom_assets.storage.schema import harvest as table

COLUMNS = [table.c[field.name] for field in fields(Picking)]
Key = tuple[str, dt.date]  # of a batch: room_id and in_date


def write_harvest(
    connection: sa.Connection, farm: Farm, picking: Picking, *, correct: bool = False
) -> None:
    """Store what was picked of a batch on a day; the same again changes nothing.

    Args:
        connection: in a transaction.
        farm: rooms and zone.
        picking: of a batch that is stored.
        correct: replace another weight that is stored for this batch and day.

    Raises:
        RecordError: it is not taken, or another weight is stored and is not to be corrected.
    """
    in_dates = read_batches(connection).get(picking.room_id, [])
    check_picking(picking, in_dates, dt.datetime.now(dt.UTC), farm)
    _, different = insert_harvest(connection, [picking], correct=correct)
    if different and not correct:
        stored = connection.scalar(sa.select(table.c.weight_kg).where(_is(picking)))
        values = {"room": picking.room_id, "day": picking.picked_on, "weight": picking.weight_kg}
        raise RecordError("other_weight", stored=stored, **values)


def insert_harvest(
    connection: sa.Connection, pickings: Iterable[Picking], *, correct: bool = False
) -> tuple[int, int]:
    """Add the pickings that are not there yet; one that is stays as it is, or is corrected.

    Args:
        connection: in a transaction.
        pickings: that were checked.
        correct: replace weights that are stored and differ.

    Returns:
        rows added, and rows that are, or until they were corrected were, stored with another
        weight.
    """
    added = 0
    different = 0
    for picking in pickings:
        new = insert(table).values(asdict(picking)).on_conflict_do_nothing()
        is_new = connection.scalar(new.returning(table.c.room_id)) is not None
        added += is_new
        if is_new:
            continue
        other = _is(picking) & (table.c.weight_kg != picking.weight_kg)
        if correct:
            change = sa.update(table).where(other).values(weight_kg=picking.weight_kg)
            different += connection.execute(change).rowcount
        else:
            different += connection.scalar(sa.select(sa.func.count()).where(other)) or 0
    return added, different


def remove_harvest(
    connection: sa.Connection, room_id: str, in_date: dt.date, picked_on: dt.date
) -> None:
    """Take away what was picked of a batch on a day.

    Raises:
        RecordError: nothing is stored of it.
    """
    picking = Picking(room_id, in_date, picked_on, 0)
    if not connection.execute(sa.delete(table).where(_is(picking))).rowcount:
        raise RecordError("no_picking", room=room_id, batch=in_date, day=picked_on)


def read_harvests(
    connection: sa.Connection, batches: Collection[Key], until: dt.date | None = None
) -> dict[Key, Harvest]:
    """What was picked of some batches, up to a day if one is given; only those with any.

    The page asks for one batch, a report for all that are in force.
    """
    statement = (
        sa.select(*COLUMNS, batch.c.bag_count)
        .outerjoin(batch, _same_batch())
        .where(sa.tuple_(table.c.room_id, table.c.in_date).in_(list(batches)))
        .order_by(table.c.room_id, table.c.in_date, table.c.picked_on)
    )
    if until is not None:
        statement = statement.where(table.c.picked_on <= until)
    found: dict[Key, list[Picking]] = {}
    bags: dict[Key, int | None] = {}
    for *row, bag_count in connection.execute(statement):
        picking = Picking(*row)
        key = (picking.room_id, picking.in_date)
        found.setdefault(key, []).append(picking)
        bags[key] = bag_count
    return {key: Harvest(*key, own, bags[key]) for key, own in found.items()}


def read_pickings(
    connection: sa.Connection, since: dt.date, until: dt.date, room_id: str | None = None
) -> list[Picking]:
    """What was picked on the days from `since` to `until`, both included, whatever the batch."""
    statement = sa.select(*COLUMNS).where(table.c.picked_on.between(since, until))
    if room_id is not None:
        statement = statement.where(table.c.room_id == room_id)
    order = (table.c.picked_on, table.c.room_id, table.c.in_date)
    return [Picking(*row) for row in connection.execute(statement.order_by(*order))]


def _is(picking: Picking) -> sa.ColumnElement[bool]:
    keys = ("room_id", "in_date", "picked_on")
    return sa.and_(*(table.c[name] == getattr(picking, name) for name in keys))


def _same_batch() -> sa.ColumnElement[bool]:
    return (batch.c.room_id == table.c.room_id) & (batch.c.in_date == table.c.in_date)
