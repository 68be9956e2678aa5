"""What people were told of the rooms, and what is yet to be delivered to them."""

from sqlalchemy import BigInteger, Boolean, Identity, Index, Integer, Text, func, text

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, opt, table

alarm = table(
    "alarm",
    "What people were told of a room, open until they were told that it is over",
    "已通知的库房情况，在通知恢复之前保持未结束状态",
    col(
        "alarm_id",
        BigInteger,
        "identity of the alarm",
        "通知编号",
        scale="1",
        key=True,
        server_default=Identity(),
    ),
    col(
        "kind",
        Text,
        "act, feed, band or rate; morning for the message of a day",
        "类型：act 需处理、feed 数据中断、band 超出区间、rate 变化过快；morning 为每日早报",
    ),
    col("room_id", Text, "growing room; empty for all", "库房；为空表示全部"),
    col(
        "name",
        Text,
        "of what: a reason, a source, a quantity; the day of a morning",
        "对象：原因、数据源或指标；早报为其日期",
    ),
    opt("since", Instant, "since when it went on, as far as known", "已知的开始时间"),
    col("told_at", Instant, "when it was put down to be told", "写入待通知的时间"),
    opt("clear_at", Instant, "since when it seems to be over", "看似恢复的时间"),
    opt("ended_at", Instant, "when its end was put down", "写入恢复的时间"),
    col("text", Text, "what was told", "通知内容"),
    Index(
        "ix_alarm_open",
        "kind",
        "room_id",
        "name",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    role=Role.WORK,
)

message = table(
    "message",
    "Messages to deliver: written before they are sent, marked when they were taken",
    "待发送的消息：发送之前写入，送达后标记",
    col(
        "message_id",
        BigInteger,
        "identity of the message",
        "消息编号",
        scale="1",
        key=True,
        server_default=Identity(),
    ),
    col("target", Text, "hash of the URL of who is told", "接收方 URL 的散列值"),
    col("title", Text, "title", "标题"),
    col("body", Text, "text", "正文"),
    col("good", Boolean, "whether it is good news", "是否为好消息"),
    col("written_at", Instant, "when it was written", "写入时间", server_default=func.now()),
    col("attempts", Integer, "how often it was sent", "发送次数", scale="1", server_default="0"),
    opt("tried_at", Instant, "when it was last sent", "最近一次发送的时间"),
    opt(
        "error",
        Text,
        "why it was not taken the last time; null while that is not known",
        "最近一次未送达的原因；尚不知道时为空",
    ),
    opt("taken_at", Instant, "when it was taken", "送达时间"),
    Index("ix_message_waiting", "target", "message_id", postgresql_where=text("taken_at IS NULL")),
    role=Role.WORK,
)
