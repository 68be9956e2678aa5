"""Labels by people: the latest word on the bytes that were looked at, and what contradicts it.

Vectors are joined by content.
"""

import datetime as dt
from operator import itemgetter
from typing import Any

from mushroom_assets.domain.probe import Contradiction
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_label
from mushroom_assets.storage.vision.labels import (
    NO_LABELS,
    contradictions,
    count_labels,
    count_rooms,
    label_state,
    labelled_encoders,
    read_labelled,
    seen_contents,
)
from mushroom_assets_tests.kit.labels import ENCODER, NOON, image_path, keep_vector, say, see, sha
from mushroom_assets_tests.kit.plant import rows

A, B, C = (image_path("611", 10, hour) for hour in (8, 9, 10))
LATER = NOON + dt.timedelta(days=1)


def stored(database: Database) -> dict[str, tuple[Any, ...]]:
    facts = itemgetter("content_sha256", "stage", "condition", "labelled_by")
    return {row["image_path"]: facts(row) for row in rows(database, image_label)}


def labelled(
    database: Database, kind: str = "stage", encoder: str = ENCODER
) -> list[tuple[Any, ...]]:
    """Content, room-day, label, vector and zero-shot label, in the order they come."""
    with database.transaction() as connection:
        found = read_labelled(connection, encoder, kind)
    return [
        (one.content_sha256, one.room_day, one.label, one.vector.tolist(), one.zero_shot)
        for one in found
    ]


def state(database: Database) -> str:
    with database.transaction() as connection:
        return label_state(connection)


def at_once(database: Database, statement: str) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(statement)


def test_the_content_of_an_image_is_that_which_a_day_saw_last(database: Database) -> None:
    see(database, A, "old", at=NOON)
    see(database, A, "new", prompts="p2", at=LATER)
    see(database, B, "broken", vector=None, status="unreadable", embedding=None)
    see(database, C, "once fine", at=NOON)
    see(
        database,
        C,
        "broken",
        vector=None,
        prompts="p2",
        at=LATER,
        status="unreadable",
        embedding=None,
    )
    with database.transaction() as connection:
        assert seen_contents(connection, [A, B, C, "611/20260110/never.jpg"]) == {A: sha("new")}
        assert seen_contents(connection, []) == {}


def test_a_label_is_stored_with_the_content_and_a_repeated_one_changes_nothing(
    database: Database,
) -> None:
    see(database, A, "a")
    assert say(database, A, "fruiting", "healthy", "Li") == 1
    assert stored(database) == {A: (sha("a"), "fruiting", "healthy", "Li")}
    before = rows(database, image_label)
    assert [say(database, A, "fruiting", "healthy", by) for by in ("Li", None)] == [0, 0]
    assert rows(database, image_label) == before


def test_the_latest_word_counts_and_what_it_leaves_out_stays(database: Database) -> None:
    see(database, A, "a")
    say(database, A, "fruiting", "healthy", "Li")
    (first,) = rows(database, image_label)
    assert say(database, A, "harvest", by="Wang") == 1
    (second,) = rows(database, image_label)
    assert stored(database) == {A: (sha("a"), "harvest", "healthy", "Wang")}
    assert second["labelled_at"] > first["labelled_at"]
    assert say(database, A, condition="blotch") == 1
    # nobody's name on another's word
    assert stored(database) == {A: (sha("a"), "harvest", "blotch", None)}
    assert say(database, A, by="Wang", stage="harvest") == 1
    assert stored(database) == {A: (sha("a"), "harvest", "blotch", "Wang")}


def test_a_label_of_new_bytes_takes_nothing_over_from_the_old_ones(database: Database) -> None:
    see(database, A, "old")
    say(database, A, "fruiting", "healthy")
    see(database, A, "new")
    assert say(database, A, "fruiting") == 1
    assert stored(database) == {A: (sha("new"), "fruiting", None, None)}


def test_labels_join_the_vectors_of_one_model_by_content_in_its_order(database: Database) -> None:
    contents = {A: "a", B: "b", C: "c"}
    for number, (path, content) in enumerate(contents.items()):
        see(database, path, content, vector=(float(number), 1.0), stage=f"guess {number}")
        keep_vector(database, content, (9.0, 9.0, 9.0), encoder="other/weights")
    say(database, A, "fruiting")
    say(database, B, "harvest", "healthy")
    say(database, C, condition="blotch")
    expected = [
        (sha("a"), "611/20260110", "fruiting", [0.0, 1.0], "guess 0"),
        (sha("b"), "611/20260110", "harvest", [1.0, 1.0], "guess 1"),
    ]
    assert labelled(database) == sorted(expected)
    assert [row[2] for row in sorted(labelled(database, "condition"))] == [
        label for _, label in sorted([(sha("b"), "healthy"), (sha("c"), "blotch")])
    ]
    assert [row[3] for row in labelled(database, encoder="other/weights")] == [[9.0, 9.0, 9.0]] * 2
    # A part of a model's name is not its name
    assert labelled(database, encoder="tiny/weights") == []


def test_a_label_belongs_to_the_bytes_that_were_looked_at(database: Database) -> None:
    see(database, A, "old", vector=(1.0, 0.0), stage="guess of old")
    say(database, A, "fruiting")
    see(database, A, "new", vector=(0.0, 1.0), stage="guess of new")
    assert labelled(database) == [(sha("old"), "611/20260110", "fruiting", [1.0, 0.0], None)]


def test_equal_bytes_at_two_paths_are_one_image_and_the_latest_label_counts(
    database: Database,
) -> None:
    elsewhere = image_path("612", 11, 8)
    for path in (A, elsewhere):
        see(database, path, "same")
    say(database, A, "fruiting")
    say(database, elsewhere, "harvest")
    assert [row[:3] for row in labelled(database)] == [(sha("same"), "612/20260111", "harvest")]
    say(database, A, "primordia", "healthy")
    assert [row[:3] for row in labelled(database)] == [(sha("same"), "611/20260110", "primordia")]
    with database.transaction() as connection:
        assert count_labels(connection, "stage") == {"primordia": 1}
        assert count_labels(connection, "condition") == {"healthy": 1}


def test_labels_of_equal_bytes_that_contradict_are_named_with_the_one_that_counts(
    database: Database,
) -> None:
    elsewhere = image_path("612", 11, 8)
    third = image_path("612", 12, 8)
    for path in (A, elsewhere, third):
        see(database, path, "same")
    see(database, B, "other")
    say(database, elsewhere, "fruiting", "healthy")
    say(database, third, "fruiting")
    say(database, B, "harvest", "blotch")

    def found(*contents: str) -> list[Contradiction]:
        with database.transaction() as connection:
            return contradictions(connection, [sha(one) for one in contents] or None)

    assert found() == []
    say(database, A, "harvest", "healthy")
    expected = [
        Contradiction("stage", A, "harvest", elsewhere, "fruiting"),
        Contradiction("stage", A, "harvest", third, "fruiting"),
    ]
    assert found() == found("same") == expected
    assert found("other") == []
    # A row has one time: with the condition, what it says of the stage is the latest too
    say(database, third, condition="blotch")
    assert found("same") == [
        Contradiction("stage", third, "fruiting", A, "harvest"),
        Contradiction("condition", third, "blotch", A, "healthy"),
        Contradiction("condition", third, "blotch", elsewhere, "healthy"),
    ]
    say(database, A, "fruiting")
    assert {one.kind for one in found()} == {"condition"}


def test_labels_are_counted_by_class_and_room(database: Database) -> None:
    for number, room in enumerate(["611", "611", "612"]):
        path = image_path(room, 10, number)
        see(database, path, str(number))
        say(database, path, "fruiting" if number else "harvest", "healthy" if number else None)
    again = image_path("613", 10, 5)
    see(database, again, "0")  # the bytes of the first
    say(database, again, "harvest")
    with database.transaction() as connection:
        assert count_rooms(connection, "stage") == {
            "fruiting": {"611": 1, "612": 1},
            "harvest": {"613": 1},
        }
        assert count_rooms(connection, "condition") == {"healthy": {"611": 1, "612": 1}}


def test_the_zero_shot_label_is_the_latest_of_that_model(database: Database) -> None:
    see(database, A, "a", prompts="p1", at=NOON, stage="first")
    see(database, A, "a", prompts="p2", at=LATER, stage="second")
    see(
        database,
        A,
        "a",
        encoder=f"{ENCODER}0",
        at=LATER + dt.timedelta(days=1),
        stage="another model's",
    )
    say(database, A, "fruiting")
    assert [row[4] for row in labelled(database)] == ["second"]


def test_labels_are_counted_by_class_with_or_without_vectors(database: Database) -> None:
    for number in range(5):
        path = image_path("611", 10, number)
        see(database, path, str(number), vector=(1.0, 0.0) if number else None)
        say(
            database,
            path,
            "fruiting" if number < 3 else "harvest",
            "healthy" if number == 4 else None,
        )
    with database.transaction() as connection:
        assert count_labels(connection, "stage") == {"fruiting": 3, "harvest": 2}
        assert count_labels(connection, "condition") == {"healthy": 1}
    assert len(labelled(database)) == 4


def test_the_models_with_vectors_of_labelled_images_come_with_the_newest_last(
    database: Database,
) -> None:
    see(database, A, "a", encoder="new/w", at=LATER)
    see(database, A, "a", encoder="an-old/w", at=NOON)
    see(database, B, "not labelled", encoder="idle/w", at=LATER)
    say(database, A, "fruiting")
    with database.transaction() as connection:
        assert labelled_encoders(connection) == ["an-old/w", "new/w"]


# --- what the sensor looks at


def test_the_state_changes_with_every_label_and_every_vector_of_one_and_with_nothing_else(
    database: Database,
) -> None:
    seen = [state(database)]
    assert seen == [NO_LABELS]
    see(database, A, "a")
    see(database, B, "b", vector=None)
    assert state(database) == NO_LABELS
    for change in (
        lambda: say(database, A, "fruiting"),
        lambda: say(database, A, "harvest"),
        lambda: say(database, B, "harvest"),
        lambda: keep_vector(database, "b", (0.0, 1.0)),
        lambda: keep_vector(database, "a", (0.0, 1.0), encoder="other/w"),
        lambda: at_once(database, f"DELETE FROM farm.image_label WHERE image_path = '{A}'"),
    ):
        change()
        seen.append(state(database))
        say(database, B, "harvest") if len(seen) > 3 else None  # the same again
        see(database, C, "not labelled")
        assert state(database) == seen[-1]
    assert len(set(seen)) == 7
    at_once(database, "DELETE FROM farm.image_label")
    assert state(database) == NO_LABELS
