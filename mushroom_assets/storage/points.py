"""The plant's points: read them all, make new ones known. Their samples are in `samples`."""

from dataclasses import fields

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.domain.points import Point
from mushroom_assets.storage.schema import point


def read_points(connection: sa.Connection) -> list[Point]:
    """Every point, by point_id."""
    columns = [point.c[field.name] for field in fields(Point)]
    statement = sa.select(*columns).order_by(point.c.point_id)
    return [Point(*row) for row in connection.execute(statement)]


def register_points(connection: sa.Connection, points: pd.DataFrame) -> pd.Series:
    """Make the points known and return their `point_id`, one a row of `points`.

    `points` has the columns room_id, device_type, device_alias, point_alias, and device_name,
    point_name and unit if known; the names default to the aliases.
    """
    frame = points.assign(
        device_name=points.get("device_name", points["device_alias"]),
        point_name=points.get("point_name", points["point_alias"]),
        unit=points.get("unit", pd.Series(None, index=points.index, dtype=object)),
    )
    columns = [column.name for column in point.columns if column.name != "point_id"]
    cells = frame[columns].astype(object).where(frame[columns].notna(), None)
    keys = list(zip(points["room_id"], points["device_alias"], points["point_alias"], strict=True))
    known = _point_ids(connection)
    rows = [
        dict(zip(columns, row, strict=True))
        for key, row in zip(keys, cells.itertuples(index=False), strict=True)
        if key not in known
    ]
    # Only new ones: each row that ON CONFLICT turns away would use up a number of the identity
    if rows:
        connection.execute(insert(point).on_conflict_do_nothing(), rows)
        known = _point_ids(connection)
    return pd.Series([known[key] for key in keys], index=points.index, dtype="int32")


def _point_ids(connection: sa.Connection) -> dict[tuple[str, str, str], int]:
    return {
        (row.room_id, row.device_alias, row.point_alias): row.point_id
        for row in read_points(connection)
    }
