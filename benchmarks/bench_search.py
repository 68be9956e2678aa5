"""Search among 20,000 and 100,000 vectors of 512 dimensions: recall@10 and time, for every filter.

    make bench

Four kinds of vectors. `rooms`: as a trained model spreads the pictures of a farm whose cameras lie
far apart and drift from day to day; it is asked with every filter, by queries of several kinds:
stored pictures (`own`), new pictures of another room than the filter's (`other`), and directions
like no picture, as texts are (`words`). `rendered`: the spread of pictures that the simulated
cameras draw, as ViT-B-32 with random weights sees them. `farm`: cameras hardly apart, and a wide
spread of each picture's own. `isotropic`: without any structure, the worst there is. The last three
are asked without a filter, to see whether their index is used.

Recall is by numpy, of what a search serves: through the index or not, as it decides. Beside the
farm's own rows lie those of another model and of a former prompt set, where the table says so.
"""

import argparse
import datetime as dt
import hashlib
import io
import itertools
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from pgvector.psycopg import register_vector
from PIL import Image

from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.simulation.cameras import render, shots
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.vision.index import index_name, index_state
from mushroom_assets.storage.vision.index_build import ensure_index
from mushroom_assets.storage.vision.search import nearest_images

Floats = npt.NDArray[np.float32]
SIZES = (20_000, 100_000)
DIMENSIONS = 512
CAMERAS = 8
A_DAY = 192
QUERIES = 40  # of each kind
NEAREST = 10
LIMIT = 0.98  # recall@10
LIMIT_MS = 150  # 95th percentile, on two quiet cores
BUSY = 1.0  # load above which times say little
FARM = parse_farm(reference_farm_text())
ROOMS = ("607", "608", "611", "612")
FIRST = dt.date(2026, 1, 1)
MODEL = "ViT-B-32/bench"
ANOTHER = "mushroom-tiny/bench"  # of 128 dimensions
# What a row holds besides its vector, as inference writes it
SCORES = (
    '{"stage": {"substrate": 0.004213, "primordia": 0.012345, "fruiting": 0.970001, "harvest":'
    ' 0.013441}, "condition": {"healthy": 0.912345, "bacterial blotch": 0.051234, "green mould":'
    ' 0.021234, "dry caps": 0.015187}}'
)


def unit(vectors: Floats) -> Floats:
    """Rows of length 1."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def isotropic(count: int, random: np.random.Generator) -> Floats:
    """Directions drawn at random."""
    return unit(random.standard_normal((count, DIMENSIONS), dtype=np.float32))


def spreading(random: np.random.Generator) -> Callable[[int, float], Floats]:
    """Draws rows of a given variance, which falls as 1/i along the dimensions.

    That is 28 dimensions in effect; random weights leave 1.4.
    """
    variance = 1 / np.arange(1, DIMENSIONS + 1)
    axes = np.linalg.qr(random.standard_normal((DIMENSIONS, DIMENSIONS)))[0]
    axes = (axes * np.sqrt(variance / variance.sum())).T.astype(np.float32)

    def spread(rows: int, share: float) -> Floats:
        drawn = random.standard_normal((rows, DIMENSIONS), dtype=np.float32)
        return (drawn * np.float32(share**0.5)) @ axes

    return spread


def rooms(count: int, random: np.random.Generator) -> Floats:
    """Eight cameras far apart, each of which drifts from day to day, in the order of their rows.

    The variances are shares of the squared length of what all pictures have in common.
    """
    spread = spreading(random)
    number = np.arange(count)
    camera = camera_of(number)
    day = number // A_DAY
    days = int(day[-1]) + 1
    drift = spread(CAMERAS * days, 0.0005).reshape(CAMERAS, days, DIMENSIONS).cumsum(axis=1)
    stage = np.digitize(day % 27, [4, 7, 23])
    seen = spread(CAMERAS, 0.5)[camera] + drift[camera, day] + spread(4, 0.05)[stage]
    return unit(isotropic(1, random) + seen + spread(count, 0.05))


def farm(count: int, random: np.random.Generator) -> Floats:
    """Eight cameras over years, in any order."""
    spread = spreading(random)
    batches = count // (8 * 27 * 24) + 2
    camera, batch, day = (random.integers(0, most, count) for most in (8, batches, 27))
    stage = np.digitize(day, [4, 7, 23])
    circumstances = spread(8, 0.1)[camera] + spread(8 * batches, 0.02)[camera * batches + batch]
    circumstances += spread(4, 0.05)[stage] + spread(27, 0.01)[day]
    return unit(isotropic(1, random) + circumstances + spread(count, 0.05))


def rendered(count: int, random: np.random.Generator) -> Floats:
    """Around each camera and stage with the covariance that rendered pictures have there."""
    encoder = load_encoder("ViT-B-32", "random-seed0", "cpu")
    groups: dict[tuple[str, str], list[Floats]] = {}
    days = [dt.date(2026, 1, 10) + dt.timedelta(days=3 * number) for number in range(18)]
    taken = [shots(FARM, list(FARM.rooms), day, seed=0) for day in days]
    for shot in itertools.chain.from_iterable(taken):
        if shot.fault is None and shot.captured_at.hour in (2, 10, 15):
            picture = Image.open(io.BytesIO(render(shot, seed=0, size=(640, 360)))).convert("RGB")
            vector = encoder.encode_images(encoder.preprocess(picture)[None])[0]
            groups.setdefault((shot.camera, shot.stage), []).append(vector)
    seen = [np.stack(group) for group in groups.values() if len(group) > 2]
    own = np.concatenate([group - group.mean(axis=0) for group in seen])
    _, scale, axes = np.linalg.svd(own / len(own) ** 0.5, full_matrices=False)
    print(f"rendered: {len(own)} pictures in {len(seen)} groups of a camera and a stage")
    middle = np.stack([group.mean(axis=0) for group in seen])[random.integers(0, len(seen), count)]
    return unit(
        middle + (random.standard_normal((count, len(scale)), dtype=np.float32) * scale) @ axes
    )


def content(number: int) -> str:
    """The hash of a file's bytes."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def camera_of(number: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A day's rows lie by path: room, camera, hour."""
    return number % A_DAY // 24


def room_of(number: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Two cameras a room."""
    return camera_of(number) // 2


def store_vectors(connection: sa.Connection, encoder: str, vectors: Floats) -> None:
    """Vectors by content, as inference keeps them."""
    raw: Any = connection.connection.driver_connection
    columns = "content_sha256, encoder, embedding, width, height, sharpness, brightness"
    statement = f"COPY farm.image_embedding ({columns}) FROM STDIN (FORMAT BINARY)"
    with raw.cursor().copy(statement) as copy:
        copy.set_types(["text", "text", "vector", "int4", "int4", "float8", "float8"])
        for number, vector in enumerate(vectors):
            copy.write_row((content(number), encoder, vector, 2880, 1616, 1.0, 0.5))


def store_images(
    connection: sa.Connection, encoder: str, vectors: Floats, prompts: str, at: dt.datetime
) -> None:
    """A day's row for each vector, as long as those that inference writes."""
    raw: Any = connection.connection.driver_connection
    types = {
        "image_path": "text", "model_id": "text", "room_id": "text", "image_date": "date",
        "camera": "text", "captured_at": "timestamptz", "batch_date": "date", "growth_day": "int4",
        "status": "text", "width": "int4", "height": "int4", "content_sha256": "text",
        "embedding": "vector", "stage": "text", "stage_probability": "float8",
        "stage_margin": "float8", "condition": "text", "condition_probability": "float8",
        "scores": "jsonb", "sharpness": "float8", "brightness": "float8",
        "temperature_c": "float8", "humidity_pct": "float8", "co2_ppm": "float8",
        "run_id": "text", "computed_at": "timestamptz",
    }  # fmt: skip
    names = ", ".join(types)
    statement = f"COPY farm.daily_clip_inference ({names}) FROM STDIN (FORMAT BINARY)"
    with raw.cursor().copy(statement) as copy:
        copy.set_types(list(types.values()))
        for number, vector in enumerate(vectors):
            of = number % A_DAY // 24
            room = ROOMS[of // 2]
            camera = f"19216812{of}"
            day = FIRST + dt.timedelta(days=number // A_DAY)
            taken = dt.datetime(day.year, day.month, day.day, number % 24, 1, 30, tzinfo=dt.UTC)
            path = f"{room}/{day:%Y%m%d}/{room}_{camera}_202615_{taken:%Y%m%d%H%M%S}.jpg"
            copy.write_row((
                path, f"{encoder}/prompts-{prompts}", room, day, camera, taken, FIRST, 5, "ok",
                2880, 1616, content(number), vector, "fruiting", 0.97, 0.95, "healthy", 0.91,
                SCORES, 1.0, 0.5, 18.1, 90.2, 2000.0, "0" * 36, at,
            ))  # fmt: skip


def store(database: Database, encoder: str, vectors: Floats) -> None:
    """A farm of one model and one prompt set."""
    with database.transaction() as connection:
        connection.exec_driver_sql("TRUNCATE farm.image_embedding, farm.daily_clip_inference")
        register_vector(connection.connection.driver_connection)
        store_vectors(connection, encoder, vectors)
        store_images(connection, encoder, vectors, "00000000", dt.datetime.now(dt.UTC))
    settle(database)


def settle(database: Database) -> None:
    """As autovacuum leaves the tables."""
    with database.session() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE farm.image_embedding, farm.daily_clip_inference")


def put_beside(database: Database, vectors: Floats) -> None:
    """Another model's vectors of the same pictures, and the rows of a later prompt set."""
    small = unit(vectors[:, :128])
    now = dt.datetime.now(dt.UTC)
    with database.transaction() as connection:
        register_vector(connection.connection.driver_connection)
        store_vectors(connection, ANOTHER, small)
        store_images(connection, ANOTHER, small, "00000000", now)
        store_images(connection, MODEL, vectors, "00000001", now)
    settle(database)


class Answers(NamedTuple):
    """Of each query the share of the nearest that was found, and the milliseconds it took."""

    recall: npt.NDArray[np.float64]
    ms: npt.NDArray[np.float64]

    def columns(self) -> str:
        """Mean and least recall with its limit, median and 95th percentile with its limit."""
        slow = np.quantile(self.ms, 0.95)
        recall = f"{self.recall.mean():8.4f}{self.recall.min():7.2f}{LIMIT:7.2f}"
        times = f"{np.median(self.ms):8.1f}{slow:8.1f}{LIMIT_MS:7d}"
        missed = "  MISSED" if self.recall.mean() < LIMIT or slow >= LIMIT_MS else ""
        return f"{recall}{times}{missed}"


def ask(
    database: Database,
    encoder: str,
    vectors: Floats,
    queries: Floats,
    keep: npt.NDArray[np.bool_],
    **filters: Any,
) -> Answers:
    """Every query once, compared with numpy's answer among the vectors to keep.

    By similarity, as several images may be equally near.
    """
    recall = []
    ms = []
    cosines = queries @ vectors[keep].T
    least = np.partition(cosines, -NEAREST, axis=1)[:, -NEAREST]
    with database.transaction() as connection:
        for query, lowest in zip(queries, least, strict=True):
            started = time.perf_counter()
            found = nearest_images(connection, encoder, query, NEAREST, **filters)
            ms.append((time.perf_counter() - started) * 1000)
            hits = sum(image.similarity >= lowest - 1e-6 for image in found)
            recall.append(hits / NEAREST)
    return Answers(np.array(recall), np.array(ms))


class Filtered(NamedTuple):
    """A filter: its name, how the search is told, and which vectors pass."""

    name: str
    told: dict[str, Any]
    keep: npt.NDArray[np.bool_]


def filters_of(count: int) -> list[Filtered]:
    """A room, two, all days of the last fortnight, a room's fortnight, and none."""
    number = np.arange(count)
    day = number // A_DAY
    last = int(day[-1])
    since = FIRST + dt.timedelta(days=last - 13)
    in_room = room_of(number) == 0
    recent = day >= last - 13
    return [
        Filtered("none", {}, np.ones(count, dtype=bool)),
        Filtered("a room", {"rooms": [ROOMS[0]]}, in_room),
        Filtered("two rooms", {"rooms": ROOMS[::3]}, in_room | (room_of(number) == 3)),
        Filtered("14 days", {"since": since}, recent),
        Filtered("room + days", {"rooms": [ROOMS[0]], "since": since}, in_room & recent),
    ]


def queries_of(vectors: Floats, count: int, random: np.random.Generator) -> dict[str, Floats]:
    """Stored pictures, new ones of the rooms that no filter names, and random directions."""
    stored = vectors[random.choice(count, QUERIES, replace=False)]
    fresh = np.arange(count, len(vectors))
    other = vectors[fresh[np.isin(room_of(fresh), (1, 2))]][:QUERIES]
    return {"own": stored, "other": other, "words": isotropic(QUERIES, random)}


def measure_rooms(database: Database, count: int) -> None:
    """The table of filters and queries, first alone, then with others' rows beside."""
    random = np.random.default_rng(0)
    vectors = rooms(count + 2 * A_DAY, random)
    queries = queries_of(vectors, count, random)
    vectors = vectors[:count]
    store(database, MODEL, vectors)
    print(f"\n{index_line(database, MODEL)}")
    heading = f"{'beside':8}{'filter':13}{'images':>8} {'query':6}{'recall':>8}{'least':>7}"
    print(f"{heading}{'limit':>7}{'median':>8}{'p95 ms':>8}{'limit':>7}")
    for beside in ("nothing", "others"):
        if beside == "others":
            put_beside(database, vectors)
        for name, told, keep in filters_of(count):
            for kind, asked in queries.items():
                got = ask(database, MODEL, vectors, asked, keep, **told)
                line = f"{beside:8}{name:13}{keep.sum():8d} {kind:6}{got.columns()}"
                print(line, flush=True)


def index_line(database: Database, encoder: str) -> str:
    """Build the index; what it is."""
    started = time.perf_counter()
    ensure_index(database, encoder)
    build = time.perf_counter() - started
    with database.transaction() as connection:
        note = index_state(connection, encoder)[1]
        size = connection.scalar(
            sa.text("SELECT pg_relation_size(to_regclass(:name))"),
            {"name": f"farm.{index_name(encoder)}"},
        )
    if not note:
        return f"{encoder}: no index"
    told = f"recall of the index {note['recall_at_10']:.3f}, ef_search {note['ef_search'] or '-'}"
    return f"{encoder}: index of {size / 2**20:.0f} MB in {build:.0f} s, {told}"


def measure_kind(
    database: Database, count: int, draw: Callable[[int, np.random.Generator], Floats]
) -> None:
    """Two lines: what a search finds of one kind of vectors, asked with stored ones and words."""
    name = f"bench/{draw.__name__}"
    random = np.random.default_rng(0)
    vectors = draw(count, random)
    store(database, name, vectors)
    print(index_line(database, name))
    stored = vectors[random.choice(count, QUERIES, replace=False)]
    for kind, asked in (("own", stored), ("words", isotropic(QUERIES, random))):
        got = ask(database, name, vectors, asked, np.ones(count, dtype=bool))
        print(f"{'nothing':8}{'none':13}{count:8d} {kind:6}{got.columns()}", flush=True)


def load() -> str:
    """How busy the machine is, with a warning where it is."""
    now = os.getloadavg()[0]
    told = f"load {now:.2f} on {os.cpu_count()} cores"
    return f"{told}: BUSY, times say little" if now > BUSY else told


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of vectors")
    parser.add_argument("--rooms-only", action="store_true", help="only `rooms`, with its filters")
    return parser.parse_args(given)


def main() -> None:
    """Print the tables."""
    warnings.filterwarnings("ignore")
    asked = arguments(sys.argv[1:])
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        embedded_postgres(Path(home) / "pg") as url,
    ):
        database = Database(url)
        with database.transaction() as connection:
            migrations.upgrade(connection)
        print(f"recall@{NEAREST} of {QUERIES} queries a line, each asked once; {load()}")
        for count in asked.sizes:
            print(f"\n{count:,} vectors of {DIMENSIONS}", end="")
            measure_rooms(database, count)
            print(load())
        if not asked.rooms_only:
            print()
            for draw in (farm, rendered, isotropic):
                measure_kind(database, max(asked.sizes), draw)
        print(f"at the end {load()}")
        database.dispose()


if __name__ == "__main__":
    main()
