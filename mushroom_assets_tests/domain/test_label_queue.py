"""What to label next: by turns, at most one of a camera and day, equal bytes once."""

import datetime as dt

from mushroom_assets.domain.label_queue import UNCERTAIN, UNFAMILIAR, Candidate, queue

DAY = dt.date(2026, 1, 10)


def image(path: str, *, camera: str = "1", day: int = 0, content: str | None = None) -> Candidate:
    on = DAY + dt.timedelta(days=day)
    return Candidate(path, "611", camera, on, content or path, 0.5, 0.5)


def names(unfamiliar: list[Candidate], uncertain: list[Candidate], count: int) -> list[str]:
    return [
        f"{one.candidate.image_path} {one.reason}" for one in queue(unfamiliar, uncertain, count)
    ]


def test_both_kinds_take_turns() -> None:
    odd = [image(f"odd{day}", day=day) for day in range(3)]
    unsure = [image(f"unsure{day}", day=10 + day) for day in range(3)]
    expected = [
        f"odd0 {UNFAMILIAR}",
        f"unsure0 {UNCERTAIN}",
        f"odd1 {UNFAMILIAR}",
        f"unsure1 {UNCERTAIN}",
        f"odd2 {UNFAMILIAR}",
        f"unsure2 {UNCERTAIN}",
    ]
    for count in range(1, 7):
        assert names(odd, unsure, count) == expected[:count]
    assert names(odd, unsure, 9) == expected


def test_one_kind_alone_gives_all() -> None:
    images = [image(str(day), day=day) for day in range(4)]
    assert names([], images, 3) == [f"{day} {UNCERTAIN}" for day in range(3)]
    assert names(images[:1], images[1:], 4) == [
        f"0 {UNFAMILIAR}",
        *(f"{day} {UNCERTAIN}" for day in (1, 2, 3)),
    ]
    assert names([], [], 3) == []


def test_of_a_camera_and_day_there_is_one_and_of_equal_bytes_too() -> None:
    odd = [image("a"), image("b", day=1)]
    unsure = [
        image("same day"),
        image("same bytes", day=5, content="a"),
        image("other camera", camera="2"),
        image("b", day=1),
    ]
    assert names(odd, unsure, 9) == [
        f"a {UNFAMILIAR}",
        f"other camera {UNCERTAIN}",
        f"b {UNFAMILIAR}",
    ]
