"""What growers write down: notes, and the kilos that they picked."""

from sqlalchemy import CheckConstraint, Date, Double, Identity, Index, Integer, Text

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, table

note = table(
    "note",
    "What people wrote down about a room, at the hour that it is about",
    "人员记下的库房事项，以其所指的时间为准",
    col(
        "note_id",
        Integer,
        "identity of the note",
        "记事编号",
        scale="1",
        key=True,
        server_default=Identity(),
    ),
    col("room_id", Text, "growing room", "库房"),
    col("noted_at", Instant, "when what it tells happened", "所记事项发生的时间"),
    col("text", Text, "the note, as it was typed", "记事内容，按输入原样保存"),
    col(
        "author",
        Text,
        "who wrote it; empty where nobody said",
        "记录人；未写明时为空",
        server_default="",
    ),
    Index(None, "noted_at"),
    # Neither infinity nor a year that a calendar has no page for: Python could not read them
    CheckConstraint(
        "noted_at >= '2000-01-01 00:00+00' AND noted_at < '2200-01-01 00:00+00'", name="noted_at"
    ),
    role=Role.SOURCE,
    day="noted_at",
)

harvest = table(
    "harvest",
    "What was picked of a batch on a day, one row per batch and day",
    "某批次当日的采收，每个批次、每天一行",
    col("room_id", Text, "growing room", "库房", key=True),
    col("in_date", Date, "the batch, by its in_date", "所属批次的入库日期", key=True),
    col("picked_on", Date, "farm-local day of the picking", "采收日期（农场当地日期）", key=True),
    col("weight_kg", Double, "weight of the mushrooms picked", "采收重量", unit="kg"),
    CheckConstraint(
        "in_date >= '2000-01-01' AND picked_on >= in_date AND picked_on < '2200-01-01'",
        name="picked_on",
    ),
    CheckConstraint("weight_kg > 0 AND weight_kg < 'Infinity'", name="weight_kg"),
    role=Role.SOURCE,
    day="picked_on",
)
