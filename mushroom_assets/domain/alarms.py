"""What goes on in the rooms that people are told at once, and when it is over.

Pure: verdicts, feeds and the last hours come in, signs go out. A sign is seen anew at each look; by
what was told before, `decide` says which of them begin and which end. What a farm wants told is in
`alarm_rules`, how it is put together to a message in `message`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mushroom_assets.domain.alarm_rules import Kind
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import FORGOTTEN, Feed, sort
from mushroom_assets.domain.live import Outside, Part, Trend, outside, trend
from mushroom_assets.domain.sensors import Sensor
from mushroom_assets.domain.texts import decimals, duration_text, number_text, quantity_name, say
from mushroom_assets.domain.windows import to_instant

KINDS: tuple[Kind, ...] = ("act", "feed", "band", "rate")  # gravest first
OLDEST_VERDICT = dt.timedelta(days=2)  # of an older day nothing is told at once
STEADY = 0.5  # a movement is over when it has less than this share of the rate that is told
STEADY_S = 1800  # for so long
AGAIN = dt.timedelta(hours=24)  # what began before in so long must be over for longer
MOST_DOUBLED = 3
State = Literal["on", "hold", "off", "unclear"]
Report = Mapping[str, Any]  # stat_date, room_id, verdict, reasons of `daily_room_report`


class Subject(NamedTuple):
    """What an alarm is about: of a room, a reason, a source or a quantity by its name."""

    kind: Kind
    room_id: str
    name: str


class Sign(NamedTuple):
    """What is seen of a subject now.

    Attributes:
        subject: of what.
        state: `on` is to be told; `hold` begins nothing, but what was told goes on; `off` is well;
            from `unclear` nothing follows.
        since: when that began, UTC; None where this look is the first to see it.
        text: it in words, without the room.
        calm_s: for so long it must be off before that is told as its end.
    """

    subject: Subject
    state: State
    since: dt.datetime | None = None
    text: str = ""
    calm_s: float = 0


class Open(NamedTuple):
    """An alarm that was told and is not over.

    Attributes:
        alarm_id: its number.
        subject: of what.
        clear_at: since when it is off, None while it is on.
        before: how many of the same subject began within `AGAIN` before it.
    """

    alarm_id: int
    subject: Subject
    clear_at: dt.datetime | None
    before: int


class Decision(NamedTuple):
    """What follows from a look.

    Attributes:
        begun: to be told, and open from now on.
        ended: open ones that are over, to be told.
        dropped: open ones that nobody watches any more.
        cleared: open ones that are off, or on again, since when (None).
    """

    begun: list[Sign]
    ended: list[tuple[Open, Sign]]
    dropped: list[Open]
    cleared: list[tuple[Open, dt.datetime | None]]


def decide(signs: Iterable[Sign], told: Sequence[Open], farm: Farm, now: dt.datetime) -> Decision:
    """Which alarms begin and which end.

    What flaps does not ring all day: each time that it begins anew within `AGAIN` it must be off
    for twice as long before its end is told, so it stays one alarm. In quiet hours nothing begins
    or ends, but of kinds that break them.
    """
    seen = {sign.subject: sign for sign in signs}
    by_subject = {each.subject: each for each in told}
    local = now.astimezone(farm.zone)
    found = Decision([], [], [], [])
    for subject, sign in seen.items():
        is_quiet = farm.alarms.is_quiet(local, subject.kind)
        if subject not in by_subject and sign.state == "on" and not is_quiet:
            found.begun.append(sign)
    for each in told:
        seen_now = seen.get(each.subject)
        if seen_now is None:
            found.dropped.append(each)
        elif seen_now.state in ("on", "hold") and each.clear_at is not None:
            found.cleared.append((each, None))
        elif seen_now.state == "off":
            since = each.clear_at or seen_now.since or now
            if each.clear_at is None:
                found.cleared.append((each, since))
            if (now - since).total_seconds() >= _calm(seen_now, each) and not farm.alarms.is_quiet(
                local, each.subject.kind
            ):
                found.ended.append((each, seen_now._replace(since=since)))
    return found


def _calm(sign: Sign, told: Open) -> float:
    """Seconds that it must be off: of a feed none the first time."""
    doubled: int = 2 ** min(told.before, MOST_DOUBLED)
    return sign.calm_s * (doubled - 1 if sign.subject.kind == "feed" else doubled)


def verdict_signs(
    reports: Iterable[Report], told: Iterable[Open], farm: Farm, today: dt.date
) -> Iterator[Sign]:
    """Each reason to act of each room's newest report.

    Of a day longer past than `OLDEST_VERDICT` nothing is said, nor where a newer one is known.
    """
    newest: dict[str, Report] = {}
    for row in reports:
        known = newest.get(row["room_id"])
        if known is None or known["stat_date"] < row["stat_date"]:
            newest[row["room_id"]] = row
    open_acts = [each.subject for each in told if each.subject.kind == "act"]
    for room in farm.rooms:
        row = newest.get(room, {})
        own = [subject for subject in open_acts if subject.room_id == room]
        if not row or today - row["stat_date"] > OLDEST_VERDICT:
            yield from (Sign(subject, "unclear") for subject in own)
            continue
        day = row["stat_date"]
        acts = [reason for reason in row["reasons"] if reason["severity"] == "act"]
        for reason in acts:
            text = say("alarm.act", farm, day=day, reason=reason["text"])
            yield Sign(_about(room, reason), "on", text=text)
        verdict = say("alarm.act_over", farm, day=day, verdict=say(row["verdict"], farm))
        gone = set(own) - {_about(room, reason) for reason in acts}
        yield from (Sign(subject, "off", text=verdict) for subject in sorted(gone))


def _about(room: str, reason: Mapping[str, Any]) -> Subject:
    what = reason.get("quantity") or reason.get("condition") or ""
    return Subject("act", room, f"{reason['code']} {what}".strip())


def feed_signs(
    source: str, feeds: Sequence[Feed], farm: Farm, now: dt.datetime, late_s: int
) -> Iterator[Sign]:
    """Whether each room's feed of a source has stopped."""
    found = sort(feeds, now, late_s)
    for feed in found.stopped:
        since = feed.newest
        told = {} if since is None else {"since": clock_text(since, farm, now)}
        text = say(f"alarm.{source}_stopped", farm, **told)
        yield Sign(Subject("feed", feed.room_id, source), "on", since, text)
    for feed in found.alive:
        text = say(f"alarm.{source}_back", farm)
        yield Sign(Subject("feed", feed.room_id, source), "off", None, text, late_s)
    for feed in found.silent:
        text = say(f"alarm.{source}_forgotten", farm, days=FORGOTTEN.days)
        yield Sign(Subject("feed", feed.room_id, source), "off", None, text)


def unseen(source: str, farm: Farm) -> Iterator[Sign]:
    """Of feeds that were not looked at nothing is known."""
    for room in farm.rooms:
        yield Sign(Subject("feed", room, source), "unclear")


def climate_signs(
    room: str, sensors: Mapping[str, Sequence[Sensor]], parts: Sequence[Part]
) -> Iterator[Sign]:
    """How a room's quantities stand to their bands, and how they move.

    Args:
        room: the room.
        sensors: by quantity, of the last hours.
        parts: the last hours, a part a farm day; the last one ends now and has today's rules.
    """
    for quantity, own in sensors.items():
        series = [sensor.series for sensor in own]
        yield _band_sign(room, quantity, outside(series, quantity, parts), parts)
        watch = parts[-1].farm.alarms.watch(quantity)
        if watch.fall is not None or watch.rise is not None:
            yield _rate_sign(room, quantity, trend(series, parts, watch.over_s), parts[-1])


def _band_sign(room: str, quantity: str, found: Outside | None, parts: Sequence[Part]) -> Sign:
    part = parts[-1]
    farm = part.farm
    subject = Subject("band", room, quantity)
    name = quantity_name(quantity, farm)
    out_s = farm.alarms.out_s(quantity)
    if part.band(quantity) is None:
        return Sign(subject, "off", None, say("alarm.unjudged", farm, quantity=name))
    if found is None:
        return Sign(subject, "unclear")
    if not found.side:
        value = _number(found.value, quantity, farm)
        text = say("alarm.back", farm, quantity=name, value=value)
        return Sign(subject, "off", None, text, out_s)
    if found.out_s < out_s:
        return Sign(subject, "hold")
    value, limit = _apart(found.value, found.band[found.side > 0], quantity, farm)
    key = "alarm.above" if found.side > 0 else "alarm.below"
    time = duration_text(found.out_s, farm)
    since: dt.datetime | None = to_instant(found.since)
    if found.since <= parts[0].start:  # who looks no further back does not know since when
        time = say("alarm.longer", farm, time=time)
        since = None
    text = say(key, farm, quantity=name, value=value, limit=limit, time=time)
    return Sign(subject, "on", since, text)


def _rate_sign(room: str, quantity: str, found: Trend | None, part: Part) -> Sign:
    farm = part.farm
    watch = farm.alarms.watch(quantity)
    subject = Subject("rate", room, quantity)
    name = quantity_name(quantity, farm)
    if not part.is_judged:
        return Sign(subject, "off", None, say("alarm.unjudged", farm, quantity=name))
    if found is None:
        return Sign(subject, "unclear")
    value = _number(found.value, quantity, farm)
    rates = {"falls": (watch.fall, -found.per_hour), "rises": (watch.rise, found.per_hour)}
    for key, (limit, rate) in rates.items():
        if limit is not None and rate >= limit:
            told = {"value": value, "rate": _number(rate, quantity, farm)}
            told["time"] = duration_text(watch.over_s, farm)
            return Sign(subject, "on", None, say(f"alarm.{key}", farm, quantity=name, **told))
    shares = [rate / limit for limit, rate in rates.values() if limit is not None]
    if max(shares) >= STEADY:
        return Sign(subject, "hold")
    text = say("alarm.steady", farm, quantity=name, value=value)
    return Sign(subject, "off", None, text, STEADY_S)


def clock_text(at: dt.datetime, farm: Farm, now: dt.datetime) -> str:
    """A time in the farm's words: the day too where it is not today."""
    local = at.astimezone(farm.zone)
    is_today = local.date() == now.astimezone(farm.zone).date()
    return f"{local:%H:%M}" if is_today else f"{local:%Y-%m-%d %H:%M}"


def _apart(value: float, limit: float, quantity: str, farm: Farm) -> tuple[str, str]:
    """Both as they are shown; the value to so many decimals that it is not its limit."""
    unit = farm.units()[quantity]
    places = decimals(quantity, unit, farm)
    while round(value, places) == round(limit, places) and value != limit:
        places += 1
    return number_text(value, places, unit), _number(limit, quantity, farm)


def _number(value: float, quantity: str, farm: Farm) -> str:
    unit = farm.units()[quantity]
    return number_text(value, decimals(quantity, unit, farm), unit)
