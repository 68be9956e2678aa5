"""Which notes and pickings are taken, and what the others are told."""

import datetime as dt

import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.records import (
    Picking,
    RecordError,
    author_text,
    batch_of,
    check_noted_at,
    check_picking,
    note_text,
    require_room,
)

NOW = dt.datetime(2026, 3, 5, 15, 30, tzinfo=dt.UTC)  # 23:30 in Shanghai
BATCHES = [dt.date(2026, 2, 1), dt.date(2026, 3, 1)]


def test_texts_are_kept_without_the_blanks_around_them() -> None:
    assert note_text("  fan\r\nrepaired \n\n") == "fan\nrepaired"
    assert note_text("风机 👩\u200d🔧 <b>&|`*_") == "风机 👩\u200d🔧 <b>&|`*_"
    assert note_text("x" * 500) == "x" * 500
    assert author_text(" Li \n Wei ") == "Li Wei"
    assert author_text("") == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" \n\t", "the note is empty"),
        ("x" * 501, "the note has 501 characters"),
        ("a\x00b", r"not shown \(U\+0000\)"),
        ("a\x1b[31mb", r"not shown \(U\+001B\)"),
        ("a\u202eb", r"not shown \(U\+202E\)"),
        ("a\ud800b", r"not shown \(U\+D800\)"),
    ],
)
def test_what_is_no_note_is_refused_with_a_remedy(text: str, told: str) -> None:
    with pytest.raises(RecordError, match=rf"{told}.*Remedy: "):
        note_text(text)


def test_an_author_is_no_note() -> None:
    with pytest.raises(RecordError, match=r"the author has 81 characters.*Remedy: write 80"):
        author_text("x" * 81)


def test_a_note_is_of_the_past_and_of_a_day_of_the_farm(farm: Farm) -> None:
    check_noted_at(NOW + dt.timedelta(minutes=5), NOW, farm)  # a phone's clock
    check_noted_at(dt.datetime.combine(farm.first_day, dt.time(), farm.zone), NOW, farm)
    before = dt.datetime.combine(farm.first_day, dt.time(), farm.zone) - dt.timedelta(seconds=1)
    with pytest.raises(RecordError, match=r"before the farm's first day. Remedy: "):
        check_noted_at(before, NOW, farm)
    with pytest.raises(RecordError, match=r"2026-03-05 23:36 is still to come. Remedy: .* 23:30"):
        check_noted_at(NOW + dt.timedelta(minutes=6), NOW, farm)
    with pytest.raises(RecordError, match="has no time zone"):
        check_noted_at(NOW.replace(tzinfo=None), NOW, farm)


def test_a_room_is_one_of_the_farm(farm: Farm) -> None:
    require_room("611", farm)
    with pytest.raises(RecordError, match=r"no room 'barn'. Remedy: give one of 607, 608, 611"):
        require_room("barn", farm)


def picked(on: dt.date, kg: float = 812.5, room: str = "611", batch: int = 1) -> Picking:
    return Picking(room, BATCHES[batch], on, kg)


def test_a_picking_is_of_a_batch_and_of_a_day_from_its_first_to_this_one(farm: Farm) -> None:
    for day in (BATCHES[1], dt.date(2026, 3, 5)):
        check_picking(picked(day), BATCHES, NOW, farm)
    # The old batch, after the new one came in
    check_picking(picked(dt.date(2026, 3, 2), batch=0), BATCHES, NOW, farm)
    # Five minutes before midnight a phone may be a day ahead
    late = NOW + dt.timedelta(minutes=26)
    check_picking(picked(dt.date(2026, 3, 6)), BATCHES, late, farm)


def test_whoever_typed_it_is_told_in_the_farms_language(farm: Farm) -> None:
    with pytest.raises(RecordError) as refused:
        check_noted_at(NOW + dt.timedelta(hours=1), NOW, farm)
    ahead = "2026-03-06 00:30 还没有到。请填写不晚于现在（2026-03-05 23:30）的时间"
    assert refused.value.told("zh") == ahead
    assert refused.value.told("en") == f"{refused.value}"
    with pytest.raises(RecordError) as refused:
        require_room("<b>{0}</b>", farm)
    assert "'<b>{0}</b>'" in refused.value.told("zh")


@pytest.mark.parametrize(
    ("picking", "told"),
    [
        (picked(dt.date(2026, 3, 6)), "picked on 2026-03-06, which is still to come"),
        (picked(dt.date(2026, 2, 28)), "before the batch came in on 2026-03-01"),
        (picked(dt.date(2026, 3, 5), room="barn"), "no room 'barn'"),
        (
            Picking("611", dt.date(2026, 2, 2), dt.date(2026, 3, 5), 1),
            r"room 611 has no batch of 2026-02-02. Remedy: .*2026-02-01, 2026-03-01",
        ),
        (picked(dt.date(2026, 3, 5), 0), "a weight of 0 kg"),
        (picked(dt.date(2026, 3, 5), -1), "a weight of -1 kg"),
        (picked(dt.date(2026, 3, 5), float("nan")), "a weight of nan kg"),
        (picked(dt.date(2026, 3, 5), float("inf")), "a weight of inf kg"),
        (picked(dt.date(2026, 3, 5), 20_000.1), r"a weight of 20000.1 kg. Remedy: .* 20,000"),
    ],
)
def test_what_is_no_picking_is_refused_with_a_remedy(
    farm: Farm, picking: Picking, told: str
) -> None:
    with pytest.raises(RecordError, match=f"{told}.*"):
        check_picking(picking, BATCHES, NOW, farm)


def test_on_the_day_of_the_next_bags_the_old_batch_is_picked() -> None:
    assert batch_of(dt.date(2026, 3, 1), BATCHES) == BATCHES[0]
    assert batch_of(dt.date(2026, 3, 2), BATCHES) == BATCHES[1]
    assert batch_of(dt.date(2026, 2, 1), BATCHES) is None
