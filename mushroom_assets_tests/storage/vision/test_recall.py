"""What a search finds where filters and queries lie across the clusters of the vectors.

Cameras see always the same corner of a room: their vectors lie far apart. Every search is compared
with numpy, image by image.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_clip_inference
from mushroom_assets.storage.vision import index, index_build, search
from mushroom_assets.storage.vision.index_build import ensure_index
from mushroom_assets.storage.vision.search import nearest_images
from mushroom_assets_tests.kit.vectors import (
    DAY,
    ENCODER,
    NOON,
    Floats,
    cameras_apart,
    content,
    image,
    path,
    put_images,
    put_vectors,
    unit,
)

pytestmark = pytest.mark.long

COUNT = 4_000
DIMENSIONS = 48
ROOMS = ("607", "608", "611", "612")
LATER = NOON + dt.timedelta(days=1)
LAST = DAY + dt.timedelta(days=(COUNT - 1) // 192)
FILTERS: dict[str, dict[str, Any]] = {
    "room": {"rooms": ["607"]},
    "rooms": {"rooms": ["607", "612"]},
    "days": {"since": LAST - dt.timedelta(days=2)},
    "room and days": {
        "rooms": ["611"],
        "since": DAY + dt.timedelta(days=3),
        "until": DAY + dt.timedelta(days=9),
    },
    "all": {},
}


def room_of(number: int) -> str:
    """Two cameras a room."""
    return ROOMS[number % 8 // 2]


def day_of(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number // 192)


def put_farm(database: Database, vectors: Floats, **changed: Any) -> None:
    """An image of each vector."""
    rows = [
        image(number, vector, room_id=room_of(number), image_date=day_of(number), **changed)
        for number, vector in enumerate(vectors)
    ]
    put_images(database, rows)


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch, database: Database) -> Floats:
    """Eight cameras' vectors with an index, through which searches go."""
    monkeypatch.setattr(index_build, "INDEX_FROM", 1_000)
    vectors = cameras_apart(COUNT, DIMENSIONS)
    put_vectors(database, vectors)
    put_farm(database, vectors)
    assert ensure_index(database, ENCODER)
    return vectors


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ef_search of every way through the index."""
    ways: list[int] = []
    real: Callable[..., AbstractContextManager[None]] = index.through_index

    @contextmanager
    def counted(connection: sa.Connection, ef_search: int) -> Iterator[None]:
        ways.append(ef_search)
        with real(connection, ef_search):
            yield

    monkeypatch.setattr(search, "through_index", counted)
    return ways


def passes(number: int, rooms: Any = ROOMS, since: Any = DAY, until: Any = LAST) -> bool:
    return room_of(number) in rooms and since <= day_of(number) <= until


def expected(vectors: Floats, query: Floats, k: int = 10, **filters: Any) -> list[str]:
    """Paths of the k most similar, by numpy."""
    order = np.argsort(-(vectors.astype(float) @ query.astype(float)), kind="stable")
    return [path(int(number)) for number in order if passes(int(number), **filters)][:k]


def found(database: Database, query: Floats, k: int = 10, **filters: Any) -> list[str]:
    with database.transaction() as connection:
        near = nearest_images(connection, ENCODER, query, k, **filters)
    assert [row.similarity for row in near] == sorted(
        (row.similarity for row in near), reverse=True
    )
    assert {row.model_id.rsplit("/", 1)[0] for row in near} <= {ENCODER}
    return [row.image_path for row in near]


def queries(vectors: Floats) -> Floats:
    """Stored images of every camera, new ones of every camera, and directions like no image."""
    random = np.random.default_rng(5)
    unlike = unit(random.standard_normal((8, DIMENSIONS)))
    return np.concatenate([vectors[800:816], cameras_apart(COUNT, DIMENSIONS, 9)[-8:], unlike])


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_filters_cost_no_recall_whatever_looks_for_what(
    database: Database, farm: Floats, filters: dict[str, Any]
) -> None:
    asked = queries(farm) if filters else queries(farm)[16:]  # the first go through the index
    for query in asked:
        assert found(database, query, **filters) == expected(farm, query, **filters)


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_other_models_and_former_prompts_beside_change_nothing(
    database: Database, farm: Floats, filters: dict[str, Any]
) -> None:
    others = unit(np.random.default_rng(8).standard_normal((COUNT, 8)))
    put_vectors(database, others, "another/model")
    put_farm(database, others, model_id="another/model/prompts-0000000a")
    put_farm(database, farm, model_id=f"{ENCODER}/prompts-0000000b", computed_at=LATER)
    for query in queries(farm)[8:]:
        wanted = expected(farm, query, **filters)
        near = found(database, query, **filters)
        assert near == wanted or (not filters and len(set(near) & set(wanted)) >= 9)
    with database.transaction() as connection:
        (first, *_) = nearest_images(connection, ENCODER, farm[0], 3, **filters)
    assert first.model_id == f"{ENCODER}/prompts-0000000b"


def test_more_former_prompts_than_candidates_hide_no_image(
    database: Database, farm: Floats
) -> None:
    for number in range(12):
        label = f"{ENCODER}/prompts-{number:08d}"
        put_farm(database, farm[:64], model_id=label, computed_at=LATER + number * dt.timedelta(1))
    filters = {"rooms": ["608"], "until": DAY}
    for query in queries(farm)[::4]:
        assert found(database, query, 3, **filters) == expected(farm, query, 3, **filters)


def test_stored_vectors_are_found_through_the_index_and_others_are_not(
    database: Database, farm: Floats, through: list[int]
) -> None:
    hits = [
        len(set(found(database, query)) & set(expected(farm, query))) for query in farm[:400:10]
    ]
    assert np.mean(hits) >= 9.8
    assert len(through) == 40
    through.clear()
    found(database, farm[0], 11)  # more than was measured
    found(database, farm[0], rooms=["607"])
    assert through == []


def test_where_the_index_does_not_lead_to_the_vector_itself_all_are_compared(
    database: Database, farm: Floats, through: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A single candidate a layer: the way ends where no neighbour is nearer
    monkeypatch.setattr(search, "usable_ef_search", lambda *_: 1)
    monkeypatch.setattr(search, "CANDIDATES", 1)
    for query in farm[:80]:
        assert found(database, query, 1) == expected(farm, query, 1)
    assert len(through) == 80


def test_vectors_whose_images_are_gone_leave_room_for_the_others(
    database: Database, farm: Floats
) -> None:
    query = farm[100]
    gone = expected(farm, query, 60)
    with database.transaction() as connection:
        is_gone = daily_clip_inference.c.image_path.in_(gone)
        connection.execute(sa.delete(daily_clip_inference).where(is_gone))
    assert found(database, query) == expected(farm, query, 70)[60:]
    assert (
        found(database, query, rooms=["607", "608"])
        == [near for near in expected(farm, query, 90, rooms=["607", "608"]) if near not in gone][
            :10
        ]
    )


def test_equal_bytes_in_two_rooms_are_an_image_of_each(database: Database, farm: Floats) -> None:
    copies = [
        image(name, farm[0], content_sha256=content(0), room_id=room)
        for name, room in (("copy", "608"), ("again", "608"), ("mine", "607"))
    ]
    put_images(database, copies)
    assert found(database, farm[0], 4)[:4] == [path(0), path("again"), path("copy"), path("mine")]
    near = found(database, farm[0], 3, rooms=["608"])
    assert near[:2] == [path("again"), path("copy")]
    assert near[2:] == expected(farm, farm[0], 1, rooms=["608"])


def test_a_frozen_camera_is_as_many_images_as_it_sent(database: Database, farm: Floats) -> None:
    names = [f"frozen-{number:04d}" for number in range(500)]
    copies = [image(name, farm[3], content_sha256=content(3), room_id="608") for name in names]
    put_images(database, copies)
    near = found(database, farm[3], 505, rooms=["608"])
    assert near[:501] == [path(3), *map(path, names)]  # by path
    assert near[501:] == expected(farm, farm[3], 5, rooms=["608"])[1:]
