"""Nearest images and similar room days on PostgreSQL, against numpy, with and without the index."""

import datetime as dt
import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import (
    daily_clip_inference,
    room_day_embedding,
)
from mushroom_assets.storage.vision import index_build, search
from mushroom_assets.storage.vision.index_build import ensure_index
from mushroom_assets.storage.vision.room_days import (
    likened_to,
    replace_room_days,
    similar_room_days,
)
from mushroom_assets.storage.vision.search import (
    nearest_images,
    stored_vector,
)
from mushroom_assets_tests.kit.vectors import (
    DAY,
    ENCODER,
    NOON,
    Floats,
    clusters,
    content,
    image,
    path,
    put,
    put_images,
    put_vectors,
    unit,
)

MODEL = f"{ENCODER}/prompts-0000000a"
ROOMS = ("607", "608", "611")


def near(database: Database, vector: Any, k: int = 10, **filters: Any) -> list[search.NearImage]:
    with database.transaction() as connection:
        return nearest_images(connection, ENCODER, vector, k, **filters)


def paths(found: list[search.NearImage]) -> list[str]:
    return [row.image_path for row in found]


def by_numpy(vectors: Floats, query: Floats, keep: Any = None) -> list[int]:
    """Numbers of the vectors, the most similar first."""
    cosines = vectors.astype(float) @ query.astype(float)
    order = np.argsort(-cosines, kind="stable")
    return [int(number) for number in order if keep is None or keep(int(number))]


def put_farm(database: Database, vectors: Floats) -> None:
    """Three rooms in turn, ten images a day."""
    put_vectors(database, vectors)
    images = []
    for number, vector in enumerate(vectors):
        day = DAY + dt.timedelta(days=number // 10)
        images.append(image(number, vector, room_id=ROOMS[number % 3], image_date=day))
    put_images(database, images)


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch, database: Database) -> Floats:
    """1,200 vectors with an index, through which searches go."""
    monkeypatch.setattr(index_build, "INDEX_FROM", 20)
    vectors = clusters(1200, 32)
    put_farm(database, vectors)
    assert ensure_index(database, ENCODER)
    return vectors


def test_without_an_index_the_result_is_exact(database: Database) -> None:
    vectors = clusters(300, 16)
    put_farm(database, vectors)
    for query in clusters(20, 16, seed=3):
        found = near(database, query, 7)
        best = by_numpy(vectors, query)[:7]
        assert paths(found) == [path(number) for number in best]
        cosines = vectors[best].astype(float) @ query
        assert [row.similarity for row in found] == pytest.approx(cosines, abs=1e-6)
    (first, *_) = found
    assert first[2:10] == (
        ROOMS[best[0] % 3], NOON, 6, "fruiting", 0.75, "healthy", 0.5, MODEL,
    )  # fmt: skip


def test_a_query_of_any_length_asks_for_its_direction(database: Database) -> None:
    put(database, unit([[1, 0], [1, 1], [0, 1]]))
    found = near(database, [0, 30.0])
    assert paths(found) == [path(2), path(1), path(0)]
    assert [row.similarity for row in found] == pytest.approx([1, 0.5**0.5, 0], abs=1e-6)


def test_the_index_finds_what_numpy_finds(database: Database, indexed: Floats) -> None:
    hits = []
    for query in clusters(40, 32, seed=7):
        best = by_numpy(indexed, query)[:10]
        hits.append(len(set(paths(near(database, query))) & {path(number) for number in best}))
    assert np.mean(hits) >= 9.8


def test_rooms_and_days_limit_the_search_to_their_last_image(
    database: Database, indexed: Floats
) -> None:
    first = DAY + dt.timedelta(days=100)
    last = DAY + dt.timedelta(days=110)

    def kept(number: int) -> bool:
        return number % 3 == 1 and 1000 <= number < 1110

    query = clusters(1, 32, seed=11)[0]
    expected = [path(number) for number in by_numpy(indexed, query, kept)]
    filters = {"rooms": ["608"], "since": first, "until": last}
    assert paths(near(database, query, 5, **filters)) == expected[:5]
    assert paths(near(database, query, 100, **filters)) == expected  # 37 images in all
    assert paths(near(database, query, 5, rooms=[])) == []
    assert len(near(database, query, 600)) == 600


def test_what_a_search_sets_ends_with_it(database: Database, indexed: Floats) -> None:
    settings = ("enable_seqscan", "jit", "hnsw.ef_search", "hnsw.iterative_scan")
    with database.transaction() as connection:
        for _ in range(12):
            nearest_images(connection, ENCODER, indexed[0], 10)
            nearest_images(connection, ENCODER, indexed[0], 500)
        assert [connection.scalar(sa.text(f"SHOW {name}")) for name in settings] == [
            "on",
            "on",
            "40",
            "off",
        ]
    with (
        database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as loose,
        pytest.raises(exc.DBAPIError, match="SAVEPOINT can only be used in transaction blocks"),
    ):
        nearest_images(loose, ENCODER, indexed[0], 3)


@pytest.mark.parametrize("with_index", [False, True])
def test_equal_bytes_at_several_paths_are_several_images(
    database: Database, monkeypatch: pytest.MonkeyPatch, with_index: bool
) -> None:
    monkeypatch.setattr(index_build, "INDEX_FROM", 50 if with_index else 10_000)
    vectors = clusters(60, 8)
    put(database, vectors)
    put_images(
        database, [image(name, vectors[0], content_sha256=content(0)) for name in ("copy", "again")]
    )
    assert ensure_index(database, ENCODER) is with_index
    found = near(database, vectors[0], 4)
    assert paths(found) == [
        path(0),
        path("again"),
        path("copy"),
        path(by_numpy(vectors, vectors[0])[1]),
    ]
    assert paths(near(database, vectors[0], 2)) == [path(0), path("again")]


def test_vectors_whose_image_is_gone_replaced_or_another_models_do_not_count(
    database: Database,
) -> None:
    vectors = unit([[1, 0.01 * number] for number in range(6)])
    put_vectors(database, vectors)
    again = image(
        "re",
        vectors[5],
        image_path=path(2),
        content_sha256=content(5),
        model_id=f"{ENCODER}/prompts-b",
        computed_at=NOON + dt.timedelta(hours=1),
    )
    images = [
        image(1, vectors[1], model_id="ViT-T/test-weights-2/prompts-0000000a"),
        image(2, vectors[2]),
        again,
        image(3, None, content_sha256=content(3)),
        image(4, vectors[4]),
    ]
    put_images(database, images)
    assert paths(near(database, [1, 0])) == [path(4), path(2)]


def test_labels_are_those_of_the_latest_prompts(database: Database) -> None:
    put(database, unit([[1, 0], [0, 1]]))
    later = {"model_id": f"{ENCODER}/prompts-00000000", "computed_at": NOON + dt.timedelta(hours=1)}
    put_images(database, [image(0, [1, 0], stage="harvest", stage_probability=0.5, **later)])
    found = near(database, [1, 0], 2)
    assert [(row.image_path, row.stage, row.stage_probability) for row in found] == [
        (path(0), "harvest", 0.5), (path(1), "fruiting", 0.75),
    ]  # fmt: skip


def test_the_vector_of_an_image_comes_back_by_path_and_by_content(database: Database) -> None:
    vectors = clusters(3, 8)
    put(database, vectors)
    with database.transaction() as connection:
        by_path = stored_vector(connection, ENCODER, image_path=path(1))
        by_content = stored_vector(connection, ENCODER, content_sha256=content(1))
        assert by_path is not None
        assert by_content is not None
        np.testing.assert_array_equal(by_path, vectors[1])
        np.testing.assert_array_equal(by_content, vectors[1])
        assert stored_vector(connection, "another/model", image_path=path(1)) is None
        assert stored_vector(connection, ENCODER, image_path="nowhere.jpg") is None


def days(database: Database) -> dict[tuple[int, str], dict[str, Any]]:
    with database.transaction() as connection:
        rows = connection.execute(sa.select(room_day_embedding)).mappings()
        return {(row["image_date"].day, row["room_id"]): dict(row) for row in rows}


def replace(database: Database, day: dt.date = DAY, run_id: str = "run-2") -> int:
    with database.transaction() as connection:
        return replace_room_days(connection, ENCODER, MODEL, day, run_id)


def test_a_room_day_is_the_mean_of_its_ok_images_scaled_to_length_1(database: Database) -> None:
    vectors = clusters(20, 16)
    growth = [5, 6, 6, None, 5, None, None]
    rows = [
        image(number, vector, room_id=ROOMS[number % 2], growth_day=growth[number // 2 % 7])
        for number, vector in enumerate(vectors)
    ]
    others = [
        image("bad", None, room_id="607"),
        image("tomorrow", vectors[0], room_id="607", image_date=DAY + dt.timedelta(days=1)),
        image("other", vectors[0], room_id="607", model_id=f"{ENCODER}/prompts-0000000b"),
    ]
    put_images(database, rows + others)
    assert replace(database) == 2
    found = days(database)
    assert set(found) == {(10, "607"), (10, "608")}
    for room in ROOMS[:2]:
        own = [row for row in rows if row["room_id"] == room]
        mean = np.mean([row["embedding"].astype(float) for row in own], axis=0)
        row = found[10, room]
        np.testing.assert_allclose(row["embedding"], mean / np.linalg.norm(mean), atol=1e-6)
        known = Counter(row["growth_day"] for row in own if row["growth_day"])
        assert row["growth_day"] == min(known, key=lambda day: (-known[day], day))
        assert (row["image_count"], row["encoder"], row["run_id"]) == (10, ENCODER, "run-2")


def test_replacing_a_day_touches_no_other_day_and_no_other_model(database: Database) -> None:
    put_images(
        database,
        [
            image(day, vector, image_date=dt.date(2026, 1, day))
            for day, vector in zip((9, 10, 11), unit([[1, 0], [1, 1], [0, 1]]), strict=True)
        ],
    )
    for day in (9, 10, 11):
        replace(database, dt.date(2026, 1, day), "run-1")
    with database.transaction() as connection:
        connection.execute(
            sa.insert(room_day_embedding),
            [{**days(database)[10, "611"], "encoder": "another/model", "room_id": "607"}],
        )
        connection.execute(
            sa.delete(daily_clip_inference).where(daily_clip_inference.c.image_date == DAY)
        )
    assert replace(database) == 0
    assert {key: row["run_id"] for key, row in days(database).items()} == {
        (9, "611"): "run-1", (10, "607"): "run-1", (11, "611"): "run-1",
    }  # fmt: skip


def test_a_day_whose_vectors_cancel_out_looks_like_nothing(database: Database) -> None:
    put_images(database, [image(0, [1, 0]), image(1, [-1, 0])])
    assert replace(database) == 0


def test_the_rows_are_the_callers_to_commit(database: Database) -> None:
    put_images(database, [image(0, [1, 0])])
    with database.engine.connect() as connection:
        replace_room_days(connection, ENCODER, MODEL, DAY, "run-2")
        connection.rollback()
    assert days(database) == {}


def put_days(
    database: Database, vectors: dict[tuple[str, int], Any], encoder: str = ENCODER
) -> None:
    rows = [
        {
            "image_date": dt.date(2026, 1, day), "room_id": room, "encoder": encoder,
            "embedding": unit(vector), "image_count": 48, "growth_day": day,
            "run_id": "run-1", "computed_at": NOON,
        }
        for (room, day), vector in vectors.items()
    ]  # fmt: skip
    with database.transaction() as connection:
        connection.execute(sa.insert(room_day_embedding), rows)


def test_similar_days_lie_in_the_past_and_not_next_door(database: Database) -> None:
    random = np.random.default_rng(2)
    places = itertools.product(ROOMS, range(5, 25))
    vectors = {place: random.standard_normal(8) for place in places}
    put_days(database, vectors)
    put_days(database, {("607", 6): vectors["608", 20]}, encoder="another/model")
    own = unit(vectors["608", 20])
    cosines = {
        key: float(unit(vector).astype(float) @ own)
        for key, vector in vectors.items()
        if key[1] < 20 and not (key[0] == "608" and key[1] >= 17)
    }
    best = sorted(cosines, key=lambda key: -cosines[key])
    with database.transaction() as connection:
        found = similar_room_days(connection, ENCODER, "608", dt.date(2026, 1, 20), 100)
        first = similar_room_days(connection, ENCODER, "608", dt.date(2026, 1, 20), 1)
    assert [(row.room_id, row.day.day) for row in found] == best
    assert [row.similarity for row in found] == pytest.approx(
        [cosines[key] for key in best], abs=1e-6
    )
    assert first == found[:1]
    assert (found[0].growth_day, found[0].image_count) == (best[0][1], 48)


def test_later_days_that_a_day_is_nearest_to(database: Database) -> None:
    random = np.random.default_rng(3)
    vectors = {place: random.standard_normal(8) for place in itertools.product(ROOMS, range(5, 25))}
    put_days(database, vectors)
    put_days(database, {("607", 21): vectors["608", 10]}, encoder="another/model")
    expected = set()
    for (room, day), vector in vectors.items():
        own = unit(vector).astype(float)
        past = {
            place: float(unit(other).astype(float) @ own)
            for place, other in vectors.items()
            if place[1] < day and not (place[0] == room and place[1] >= day - 3)
        }
        if past:
            expected.add((room, day, *max(past, key=lambda place: past[place])))
    found = set()
    with database.transaction() as connection:
        for day in range(5, 25):
            for row in likened_to(connection, ENCODER, dt.date(2026, 1, day)):
                assert row.growth_day == day
                found.add((row.room_id, row.day.day, row.like_room, day))
    assert found == expected
    assert len({place[3] for place in expected}) > 3


def test_of_two_days_as_near_the_later_one_is_nearest(database: Database) -> None:
    put_days(database, {("607", 9): [1, 0], ("607", 10): [1, 0], ("611", 20): [1, 1]})
    with database.transaction() as connection:
        (near, _) = similar_room_days(connection, ENCODER, "611", dt.date(2026, 1, 20), 5)
        (likened,) = likened_to(connection, ENCODER, dt.date(2026, 1, 10))
        assert likened_to(connection, ENCODER, dt.date(2026, 1, 9)) == set()
    assert near.day == dt.date(2026, 1, 10)
    assert (likened.room_id, likened.like_room) == ("611", "607")


def test_a_day_without_a_vector_has_no_similar_ones(database: Database) -> None:
    put_days(database, {("607", 9): [1, 0]})
    with database.transaction() as connection:
        assert similar_room_days(connection, ENCODER, "611", dt.date(2026, 1, 20), 5) == []
        assert similar_room_days(connection, ENCODER, "607", dt.date(2026, 1, 9), 5) == []
