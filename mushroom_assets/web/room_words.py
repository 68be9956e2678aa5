"""What was read of a room, as its templates show it: pictures by camera, hours, days, courses."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mushroom_assets.domain import batch_course, room_chart
from mushroom_assets.domain.batch_course import DayOfGood
from mushroom_assets.domain.cameras_now import Shot
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.morning import Morning
from mushroom_assets.domain.origin import origin
from mushroom_assets.domain.records import Note
from mushroom_assets.domain.room_chart import Chart
from mushroom_assets.domain.setpoints import change_text, spoken
from mushroom_assets.domain.texts import number_text, quantity_name, say
from mushroom_assets.domain.vision import label_text
from mushroom_assets.storage.page.images import Judgement
from mushroom_assets.web.rendering import short_day
from mushroom_assets.web.room_reading import Batch, While

NOON = 12


class Picture(NamedTuple):
    """A picture of a camera; `labels` is None where no model has judged it."""

    path: str
    camera: str
    taken: dt.datetime
    labels: str | None


class Day(NamedTuple):
    """A day of a batch."""

    day: dt.date
    growth_day: int
    verdict: str | None


def of_while(
    seen: While, shots: Sequence[Shot], morning: Morning | None, farm: Farm
) -> dict[str, Any]:
    """What a while shows besides what was read."""
    pictures = _pictures(seen.images, shots, seen, farm)
    if morning is not None:  # what goes on now begins with the newest
        pictures = {camera: taken[::-1] for camera, taken in pictures.items()}
    return {
        "pictures": pictures,
        "marks": [*_marks(seen.moves, farm), *_noted(seen.notes)],
        "draw": partial(_drawn, farm=farm),
        "hours": _hours(seen.charts, farm),
    }


def days_from(day: dt.date, days: int) -> dt.date:
    """The day so many days later."""
    return day + dt.timedelta(days=days)


def _drawn(chart: Chart, farm: Farm) -> dict[str, Any]:
    gap = say("page.gap", farm)
    return room_chart.drawn(chart, quantity_name(chart.quantity, farm), gap=gap)


def _marks(moves: Iterable[Mapping[str, Any]], farm: Farm) -> list[tuple[int, str]]:
    """Second and words of each move."""
    return [
        (int(move["changed_at"].timestamp()), change_text(spoken(move, farm), farm))
        for move in moves
    ]


def _noted(notes: Iterable[Note]) -> list[tuple[int, str, str]]:
    """Second, words and kind of each note."""
    return [(int(note.noted_at.timestamp()), note.text, "note") for note in notes]


def _hours(charts: Sequence[Chart], farm: Farm) -> list[tuple[str, list[str]]]:
    """The mean of each hour of each chart, in words."""
    if not charts:
        return []
    columns = [_means(chart) for chart in charts]
    times = [dt.datetime.fromtimestamp(at, farm.zone) for at, _ in charts[0].hours()]
    rows = zip(*columns, strict=True)
    return [(f"{at:%H:%M}", list(row)) for at, row in zip(times, rows, strict=True)]


def _means(chart: Chart) -> list[str]:
    return [number_text(mean, chart.places) for _, mean in chart.hours()]


def _labels(image: Judgement, farm: Farm) -> str:
    """Stage and condition in words; nothing from a model that has learned nothing."""
    if origin(image.model_id) == "random":
        return ""
    told = []
    if image.stage:
        told.append(label_text("stage", image.stage, farm))
    if image.condition:
        told.append(label_text("condition", image.condition, farm))
    return say("comma", farm).join(told)


def _pictures(
    images: Iterable[Judgement], shots: Iterable[Shot], seen: While, farm: Farm
) -> dict[str, list[Picture]]:
    """The pictures of a while by camera, oldest first; those not judged yet from the store."""
    found: dict[str, Picture] = {}
    for shot in shots:
        if seen.window.start <= shot.taken < seen.window.end:
            found[shot.path] = Picture(shot.path, shot.camera, shot.taken, None)
    for image in images:
        labels = _labels(image, farm)
        found[image.image_path] = Picture(image.image_path, image.camera, image.captured_at, labels)
    cameras: dict[str, list[Picture]] = {}
    for picture in sorted(found.values(), key=lambda one: (one.camera, one.taken)):
        cameras.setdefault(picture.camera, []).append(picture)
    return cameras


def of_batch(
    seen: Batch | None,
    good: Sequence[DayOfGood],
    hour: int | None,
    camera: str | None,
    farm: Farm,
) -> dict[str, Any]:
    """What a batch shows besides what was read."""
    if seen is None:
        return {}
    days = (seen.last - seen.first).days + 1
    calendar = []
    for place in range(days):
        day = seen.first + dt.timedelta(days=place)
        calendar.append(Day(day, place + 1, seen.verdicts.get(day)))
    courses = batch_course.courses(seen.room_id, seen.first, seen.days, good, seen.farm)
    before = {day.batch_date for day in seen.days if day.batch_date < seen.first}
    return {
        "calendar": calendar,
        "before": max(before, default=None),
        "drawn": [_course(course, farm) for course in courses],
        **_daily(seen.images, hour, camera, farm),
    }


def _course(course: batch_course.Course, farm: Farm) -> dict[str, Any]:
    name = quantity_name(course.quantity, farm)
    others = [short_day(farm, batch) for batch, _ in course.others]
    words = {
        "own": say("page.this_batch", farm),
        "good": say("page.good_days", farm),
        "day": say("page.growth_day", farm),
        "gap": say("page.gap", farm),
    }
    known = {place + 1: value for place, value in enumerate(course.own) if value is not None}
    spoken_course = say("page.chart_unknown", farm, name=name)
    if known:
        number = partial(number_text, places=course.places)
        spoken_course = say(
            "page.course_chart",
            farm,
            name=name,
            count=len(known),
            low=number(min(known.values())),
            high=number(max(known.values())),
            unit=course.unit,
            day=max(known),
            last=number(known[max(known)]),
        )
    return {
        "name": name,
        "quantity": course.quantity,
        "chart": batch_course.drawn(course, name, others, **words),
        "spoken": spoken_course,
    }


def _daily(
    images: Sequence[Judgement], hour: int | None, camera: str | None, farm: Farm
) -> dict[str, Any]:
    """A picture a day: the one nearest to an hour, of one camera."""
    cameras = sorted({image.camera for image in images})
    chosen = camera if camera in cameras else next(iter(cameras), None)
    own = [image for image in images if image.camera == chosen]
    hours = sorted({_hour(image, farm) for image in own})
    counts = Counter(_hour(image, farm) for image in own)
    usual = min(hours, key=lambda one: (-counts[one], abs(one - NOON)), default=NOON)
    at = hour if hour in hours else usual
    by_day: dict[dt.date, Judgement] = {}
    for image in own:
        if _hour(image, farm) == at:
            by_day.setdefault(image.image_date, image)
    daily = [
        Picture(image.image_path, image.camera, image.captured_at, _labels(image, farm))
        for image in by_day.values()
    ]
    return {"cameras": cameras, "camera": chosen, "hours": hours, "hour": at, "daily": daily[::-1]}


def _hour(image: Judgement, farm: Farm) -> int:
    return image.captured_at.astimezone(farm.zone).hour
