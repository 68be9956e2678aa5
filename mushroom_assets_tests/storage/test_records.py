"""Notes and pickings: what is stored, what is refused, and which reports a change of one marks."""

import datetime as dt
from collections.abc import Iterator

import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.records import Harvest, Note, Picking, RecordError
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.harvest import (
    read_harvests,
    read_pickings,
    remove_harvest,
    write_harvest,
)
from mushroom_assets.storage.inputs import follow, own_reach
from mushroom_assets.storage.notes import (
    correct_note,
    read_note,
    read_notes,
    remove_note,
    write_note,
)
from mushroom_assets_tests.kit.plant import put_batch

IN_DATE = dt.date(2026, 3, 1)
NEXT = dt.date(2026, 3, 8)
PICKED = dt.date(2026, 3, 5)
REPORT = "daily_room_report"
KEYS = ("611", IN_DATE)


def day(number: int) -> dt.date:
    return dt.date(2026, 3, number)


@pytest.fixture
def planted(database: Database, farm: Farm) -> Iterator[Database]:
    """Room 611 with the batches of 1 and 8 March."""
    put_batch(database, "611", IN_DATE, 9800)
    put_batch(database, "611", NEXT, 9700)
    follow(database, farm)
    yield database


def at(farm: Farm, number: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 3, number, hour, minute, tzinfo=farm.zone)


def marked(database: Database, farm: Farm) -> list[tuple[str, str, dt.date]]:
    """What the log touches: source, asset and farm day; the log is empty after it."""
    found = set()
    for each in follow(database, farm):
        for us in each.instants:
            instant = dt.datetime.fromtimestamp(us / 1e6, farm.zone)
            found.add((each.source, each.asset, instant.date()))
    return sorted(found)


def days(source: str, *numbers: int) -> list[tuple[str, str, dt.date]]:
    return [(source, REPORT, day(number)) for number in numbers]


def execute(database: Database, statement: str) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(statement)


def test_a_note_marks_the_report_of_its_day_and_nothing_else(planted: Database, farm: Farm) -> None:
    with planted.transaction() as connection:
        number = write_note(connection, farm, "611", at(farm, 4, 23, 59), " fan\r\nrepaired ", "Li")
    assert marked(planted, farm) == days("note", 4)
    with planted.transaction() as connection:
        again = write_note(connection, farm, "611", at(farm, 4, 23, 59), "fan\nrepaired", "Li")
        correct_note(connection, farm, number, at(farm, 4, 23, 59), "fan\nrepaired", "Li")
        note = read_note(connection, number)
    assert again == number
    assert note == Note(number, "611", at(farm, 4, 23, 59), "fan\nrepaired", "Li")
    assert marked(planted, farm) == []
    with planted.transaction() as connection:
        correct_note(connection, farm, number, at(farm, 5, 0), "fan repaired")
    assert marked(planted, farm) == days("note", 4, 5)
    with planted.transaction() as connection:
        remove_note(connection, number)
        with pytest.raises(RecordError, match=f"no note {number}"):
            remove_note(connection, number)
        with pytest.raises(RecordError, match=f"no note {number}"):
            correct_note(connection, farm, number, at(farm, 5, 0), "fan repaired")
    assert marked(planted, farm) == days("note", 5)


def test_notes_are_read_by_span_and_room_in_time(planted: Database, farm: Farm) -> None:
    with planted.transaction() as connection:
        late = write_note(connection, farm, "611", at(farm, 4, 9), "later")
        early = write_note(connection, farm, "612", at(farm, 4, 8), "earlier")
        write_note(connection, farm, "611", at(farm, 5, 0), "the next day")
        span = (at(farm, 4, 0), at(farm, 5, 0))
        assert [note.note_id for note in read_notes(connection, *span)] == [early, late]
        assert [note.note_id for note in read_notes(connection, *span, "611")] == [late]


def test_a_picking_marks_its_day_and_the_days_of_its_batch_after_it(
    planted: Database, farm: Farm
) -> None:
    picking = Picking("611", IN_DATE, PICKED, 812.5)
    with planted.transaction() as connection:
        write_harvest(connection, farm, picking)
        assert {each.asset for each in own_reach(connection, farm)} == {REPORT}
    assert marked(planted, farm) == days("harvest", 5, 6, 7)
    with planted.transaction() as connection:
        write_harvest(connection, farm, picking)
        with pytest.raises(RecordError, match=r"812\.5 kg are stored already, not 813"):
            write_harvest(connection, farm, Picking("611", IN_DATE, PICKED, 813))
    assert marked(planted, farm) == []
    with planted.transaction() as connection:
        write_harvest(connection, farm, Picking("611", IN_DATE, PICKED, 813), correct=True)
        last = Picking("611", IN_DATE, NEXT, 100)  # in the morning, before the new bags
        write_harvest(connection, farm, last)
        found = read_harvests(connection, [KEYS])
        assert read_harvests(connection, [("611", NEXT)]) == {}
        assert read_harvests(connection, [KEYS], day(4)) == {}
        assert read_pickings(connection, NEXT, NEXT) == [last]
    assert found[KEYS] == Harvest(*KEYS, [Picking("611", IN_DATE, PICKED, 813), last], 9800)
    assert found[KEYS].weight_kg == 913
    assert found[KEYS].kg_per_bag == pytest.approx(913 / 9800)
    assert marked(planted, farm) == days("harvest", 5, 6, 7, 8)
    with planted.transaction() as connection:
        remove_harvest(connection, "611", IN_DATE, NEXT)
        with pytest.raises(RecordError, match="nothing is stored for 2026-03-08"):
            remove_harvest(connection, "611", IN_DATE, NEXT)
    assert marked(planted, farm) == days("harvest", 8)


def test_other_bags_mark_the_days_that_tell_the_kilos_a_bag(planted: Database, farm: Farm) -> None:
    with planted.transaction() as connection:
        write_harvest(connection, farm, Picking("611", IN_DATE, PICKED, 812.5))
    follow(planted, farm)
    execute(planted, "UPDATE farm.batch SET bag_count = 9000 WHERE in_date = '2026-03-01'")
    assert marked(planted, farm) == days("harvest", 5, 6, 7)
    execute(planted, "UPDATE farm.batch SET bag_count = 9000")
    assert marked(planted, farm) == []


BY_HAND = {
    "INSERT INTO farm.note (room_id, noted_at, text) VALUES ('611', '2026-03-03 15:59Z', 'x')": [3],
    "UPDATE farm.note SET text = text": [],
    "UPDATE farm.note SET author = 'Li'": [3],
    "UPDATE farm.note SET room_id = '612'": [3],
    "UPDATE farm.note SET room_id = 'barn'": [3],
    "UPDATE farm.note SET text = 'of no room of the farm'": [],
    "DELETE FROM farm.note": [],
}


def test_a_note_marks_its_day_whoever_wrote_it(planted: Database, farm: Farm) -> None:
    for statement, numbers in BY_HAND.items():
        execute(planted, statement)
        assert marked(planted, farm) == days("note", *numbers), statement


def test_a_truncated_table_marks_every_report(planted: Database, farm: Farm) -> None:
    for name in ("note", "harvest"):
        execute(planted, f"TRUNCATE farm.{name}")
        found = marked(planted, farm)
        assert {(source, asset) for source, asset, _ in found} == {(name, REPORT)}
        assert found[0][2] == farm.first_day


REFUSED = [
    "INSERT INTO farm.note (room_id, noted_at, text) VALUES ('611', 'infinity', 'x')",
    "INSERT INTO farm.note (room_id, noted_at, text) VALUES ('611', '0044-03-15 BC', 'x')",
    "INSERT INTO farm.harvest VALUES ('611', '2026-03-01', '2026-03-05', 'NaN')",
    "INSERT INTO farm.harvest VALUES ('611', '2026-03-01', '2026-03-05', 'Infinity')",
    "INSERT INTO farm.harvest VALUES ('611', '2026-03-01', '2026-03-05', 0)",
    "INSERT INTO farm.harvest VALUES ('611', '2026-03-01', 'infinity', 1)",
    "INSERT INTO farm.harvest VALUES ('611', '-infinity', '2026-03-05', 1)",
    "INSERT INTO farm.harvest VALUES ('611', '2026-03-05', '2026-03-01', 1)",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_no_report_could_read_is_refused_by_the_tables(
    planted: Database, statement: str
) -> None:
    with pytest.raises(Exception, match="violates check constraint"):
        execute(planted, statement)
