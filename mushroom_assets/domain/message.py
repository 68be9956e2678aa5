"""Messages for a phone: what is told in the morning and at once, in the farm's language.

Short, and without a mark of any markup: each service shows plain text. `alarms` says what there is
to be told.
"""

import datetime as dt
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from mushroom_assets.domain.alarms import KINDS, Open, Sign, clock_text
from mushroom_assets.domain.card import MARKS, verdict_text
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.names import ENVIRONMENT, REPORT
from mushroom_assets.domain.report import SEVERITY
from mushroom_assets.domain.texts import say

MOST_BYTES = 1800  # of title and body: WeCom takes 2048
NAME_LENGTH = 40  # characters of a room's name
ROOMS_NAMED = 4  # in a title
ALARM = MARKS["act"]
OVER = MARKS["good"]
PAGES = {"act": REPORT, "band": ENVIRONMENT, "rate": ENVIRONMENT}  # of a feed its source
Report = Mapping[str, Any]  # stat_date, room_id, verdict, reasons of `daily_room_report`


class Message(NamedTuple):
    """What is sent: a title, a body, and whether it is good news."""

    title: str
    body: str
    good: bool


class Links(NamedTuple):
    """Where a reader finds more: the farm's page, where it has one, else the UI of Dagster."""

    page_url: str | None
    ui_url: str

    def room(self, room: str, day: dt.date, asset: str) -> str:
        """A room on a day; in the UI the asset that tells of it."""
        if self.page_url:
            return f"{self.page_url.rstrip('/')}/rooms/{quote(room, safe='')}?day={day}"
        shown = f"?view=partitions&partition={day}" if asset == REPORT else ""
        return f"{self.ui_url.rstrip('/')}/assets/{asset}{shown}"

    def farm(self, day: dt.date) -> str:
        """All rooms on a day."""
        if self.page_url:
            return f"{self.page_url.rstrip('/')}/"
        return self.room("", day, REPORT)


class News(NamedTuple):
    """What there is to tell now.

    Attributes:
        begun: alarms that begin.
        ended: alarms that are over.
        now: when, UTC.
    """

    begun: Sequence[Sign]
    ended: Sequence[Sign]
    now: dt.datetime


def at_once(news: News, links: Links, farm: Farm) -> Message | None:
    """What begins, worst first, and what is over; None if there is nothing."""
    if not news.begun and not news.ended:
        return None
    told = news.begun or news.ended
    title = say("alarm.needy" if news.begun else "alarm.over", farm, rooms=_rooms(told, farm))
    return _message(title, _told(news, links, farm), good=not news.begun, farm=farm)


def morning(
    reports: Sequence[Report], still: Iterable[Open], news: News, links: Links, farm: Farm
) -> Message | None:
    """The rooms of a day, worst first, then what is new or goes on now.

    None where all is well and the farm file wants no such message.

    Args:
        reports: the day's, of all rooms that have one.
        still: alarms that were told before and are not over.
        news: what goes with it.
        links: where a reader finds more.
        farm: its rooms and language.
    """
    day = reports[0]["stat_date"]
    by_room = {row["room_id"]: row for row in reports}
    unwell = [room for room in farm.rooms if not _is_good(by_room.get(room))]
    told = list(_told(news, links, farm))
    if not unwell:
        open_rooms = {each.subject.room_id for each in still}
        going_on = [room for room in farm.rooms if room in open_rooms]
        if going_on:
            told.append(say("morning.still", farm, rooms=_listed(going_on, farm)))
        elif not told and not farm.alarms.morning_if_good:
            return None
        title = say("morning.well", farm, day=day, total=len(farm.rooms))
        return _message(title, [*told, links.farm(day)], good=not news.begun, farm=farm)
    unwell.sort(key=lambda room: -_severity(by_room.get(room)))
    title = say("morning.needy", farm, day=day, count=len(unwell), total=len(farm.rooms))
    lines = [_report_lines(room, by_room.get(room), day, links, farm) for room in unwell]
    return _message(title, [*lines, *told], good=False, farm=farm)


def lacking(day: dt.date, news: News, links: Links, farm: Farm) -> Message:
    """In the place of a morning that does not come: there are no reports of the day."""
    title = say("morning.lacking", farm, day=day)
    return _message(title, [links.farm(day), *_told(news, links, farm)], good=False, farm=farm)


def noted(message: Message, note: str, written: dt.datetime, farm: Farm, now: dt.datetime) -> str:
    """The body of a message that comes late, or perhaps again, with a note that says so."""
    return f"{say(note, farm, time=clock_text(written, farm, now))}\n{message.body}"


def plain(name: str) -> str:
    """A name as it can stand in a line: without control characters and marks of direction."""
    visible = "".join(" " if unicodedata.category(mark)[0] == "C" else mark for mark in name)
    words = " ".join(visible.split())
    return words if len(words) <= NAME_LENGTH else f"{words[: NAME_LENGTH - 1]}…"


def _is_good(row: Report | None) -> bool:
    return row is not None and row["verdict"] == "good"


def _severity(row: Report | None) -> int:
    """A room without a report is as one of which too little is known."""
    return SEVERITY.index(row["verdict"] if row is not None else "insufficient_data")


def _report_lines(room: str, row: Report | None, day: dt.date, links: Links, farm: Farm) -> str:
    if row is None:
        mark = MARKS["insufficient_data"]
        text = say("morning.unknown", farm)
    else:
        mark, _, text = verdict_text(row["verdict"], farm).partition(" ")
        if row["reasons"]:
            text = f"{text}{say('colon', farm)}{row['reasons'][0]['text']}"
    line = say("alarm.line", farm, mark=mark, room=plain(room), text=text)
    return f"{line}\n{links.room(room, day, PAGES['act'])}"


def _told(news: News, links: Links, farm: Farm) -> Iterator[str]:
    """A paragraph a room: what begins, gravest first; then what is over; each room has its link."""
    order = list(farm.rooms)
    day = news.now.astimezone(farm.zone).date()
    for mark, signs in ((ALARM, news.begun), (OVER, news.ended)):
        ranked = sorted(signs, key=lambda sign: KINDS.index(sign.subject.kind))
        rooms = list(dict.fromkeys(sign.subject.room_id for sign in ranked))
        rooms.sort(key=lambda room: (_worst(room, ranked), order.index(room)))
        for room in rooms:
            own = [sign for sign in ranked if sign.subject.room_id == room]
            lines = [_line(sign, mark, farm, news.now) for sign in own]
            asset = PAGES.get(own[0].subject.kind, own[0].subject.name)
            yield "\n".join([*lines, links.room(room, day, asset)])


def _worst(room: str, signs: Iterable[Sign]) -> int:
    return min(KINDS.index(sign.subject.kind) for sign in signs if sign.subject.room_id == room)


def _line(sign: Sign, mark: str, farm: Farm, now: dt.datetime) -> str:
    text = sign.text
    if sign.since is not None and now - sign.since > dt.timedelta(minutes=1):
        says_it = sign.subject.kind == "feed" and mark == ALARM
        if not says_it:
            since = clock_text(sign.since, farm, now)
            text = say("alarm.since", farm, text=text, since=since)
    return say("alarm.line", farm, mark=mark, room=plain(sign.subject.room_id), text=text)


def _rooms(signs: Iterable[Sign], farm: Farm) -> str:
    ranked = sorted(signs, key=lambda sign: KINDS.index(sign.subject.kind))
    return _listed(list(dict.fromkeys(sign.subject.room_id for sign in ranked)), farm)


def _listed(rooms: Sequence[str], farm: Farm) -> str:
    named = [plain(room) for room in rooms[:ROOMS_NAMED]]
    if len(rooms) > ROOMS_NAMED:
        named.append(say("alarm.more", farm, count=len(rooms) - ROOMS_NAMED))
    return say("comma", farm).join(named)


def _message(title: str, paragraphs: Iterable[str], *, good: bool, farm: Farm) -> Message:
    """As many paragraphs as fit, and how many more there are."""
    told = list(paragraphs)
    left = MOST_BYTES - len(title.encode())
    kept: list[str] = []
    for number, paragraph in enumerate(told):
        left -= len(paragraph.encode()) + 1
        if left < 0 and kept:
            kept.append(say("alarm.more", farm, count=len(told) - number))
            break
        kept.append(paragraph)
    return Message(title, "\n".join(kept), good)
