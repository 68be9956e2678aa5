"""Search among 100,000 vectors of 512 dimensions: what the index finds of the 10 nearest, and when.

    make bench

Three kinds of vectors. `rendered`: the spread of pictures that the simulated cameras draw, as
ViT-B-32 with random weights sees them, around the mean of each camera and stage. `farm`: as a
trained model spreads them, which is wider: camera, batch, stage, growth day and the picture's own
part, with variance falling as 1/i along the dimensions (28 of them in effect; random weights leave
1.4). `isotropic`: without any structure, the worst there is. Each query is a new vector of the same
kind, timed once, index and exact scan in turn.
"""

import datetime as dt
import hashlib
import io
import itertools
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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
VECTORS = 100_000
DIMENSIONS = 512
QUERIES = 200
NEAREST = 10
LIMIT = 0.98  # recall@10
FARM = parse_farm(reference_farm_text())


def unit(vectors: Floats) -> Floats:
    """Rows of length 1."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def isotropic(count: int, random: np.random.Generator) -> Floats:
    """Directions drawn at random."""
    return unit(random.standard_normal((count, DIMENSIONS), dtype=np.float32))


def farm(count: int, random: np.random.Generator) -> Floats:
    """Eight cameras over years.

    The variances are shares of the squared length of what all pictures have in common.
    """
    variance = 1 / np.arange(1, DIMENSIONS + 1)
    axes = np.linalg.qr(random.standard_normal((DIMENSIONS, DIMENSIONS)))[0]
    axes = (axes * np.sqrt(variance / variance.sum())).T.astype(np.float32)

    def spread(rows: int, share: float) -> Floats:
        return (
            random.standard_normal((rows, DIMENSIONS), dtype=np.float32) * np.float32(share**0.5)
        ) @ axes

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
    print(
        f"rendered: {len(own)} pictures in {len(seen)} groups of a camera and a stage", flush=True
    )
    middle = np.stack([group.mean(axis=0) for group in seen])[random.integers(0, len(seen), count)]
    return unit(
        middle + (random.standard_normal((count, len(scale)), dtype=np.float32) * scale) @ axes
    )


def store(database: Database, encoder: str, vectors: Floats) -> None:
    """Vectors, and a day's row for each, 192 images a day in four rooms."""
    with database.transaction() as connection:
        connection.exec_driver_sql("TRUNCATE farm.image_embedding, farm.daily_clip_inference")
        raw = connection.connection.driver_connection
        register_vector(raw)
        columns = "content_sha256, encoder, embedding, width, height, sharpness, brightness"
        with raw.cursor().copy(
            f"COPY farm.image_embedding ({columns}) FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.set_types(["text", "text", "vector", "int4", "int4", "float8", "float8"])
            for number, vector in enumerate(vectors):
                content = hashlib.sha256(b"%d" % number).hexdigest()
                copy.write_row((content, encoder, vector, 2880, 1616, 1.0, 0.5))
        connection.exec_driver_sql(
            "INSERT INTO farm.daily_clip_inference (image_path, model_id, room_id, image_date,"
            " captured_at, status, content_sha256, embedding, run_id, computed_at)"
            " SELECT content_sha256, encoder || '/prompts-00000000', (600 + n %% 4)::text,"
            " date '2026-01-01' + (n / 192)::int, now(), 'ok', content_sha256, embedding, '', now()"
            " FROM (SELECT *, row_number() OVER () AS n FROM farm.image_embedding) AS image"
        )
        connection.exec_driver_sql("ANALYZE farm.image_embedding, farm.daily_clip_inference")


class Answers(NamedTuple):
    """Of each query the similarities of its nearest, and the milliseconds it took."""

    similarities: npt.NDArray[np.float64]
    ms: npt.NDArray[np.float64]

    def times(self) -> str:
        """Median and 95th percentile."""
        return f"{np.median(self.ms):8.1f}{np.quantile(self.ms, 0.95):8.1f}"


def ask(database: Database, encoder: str, queries: Floats, *, exact: bool) -> Answers:
    """Every query once."""
    answers = []
    ms = []
    with database.transaction() as connection:
        for query in queries:
            started = time.perf_counter()
            found = nearest_images(connection, encoder, query, NEAREST, exact=exact)
            ms.append((time.perf_counter() - started) * 1000)
            answers.append([image.similarity for image in found])
    return Answers(np.array(answers), np.array(ms))


def recall(found: Answers, truth: Answers) -> float:
    """Share of the exact nearest that was found.

    By similarity, as several images may be equally near.
    """
    return float((found.similarities >= truth.similarities[:, -1:] - 1e-9).mean())


def measure(
    database: Database, name: str, draw: Callable[[int, np.random.Generator], Floats]
) -> None:
    """One row of the table."""
    vectors = draw(VECTORS + QUERIES, np.random.default_rng(0))
    store(database, name, vectors[:VECTORS])
    started = time.perf_counter()
    ensure_index(database, name)
    build = time.perf_counter() - started
    with database.transaction() as connection:
        note = index_state(connection, name)[1]
        size = connection.scalar(
            sa.text("SELECT pg_relation_size(:name)"), {"name": f"farm.{index_name(name)}"}
        )
    served = ask(database, name, vectors[VECTORS:], exact=False)
    truth = ask(database, name, vectors[VECTORS:], exact=True)
    index = f"{note['ef_search'] or 'exact':>7}{note['recall_at_10']:9.3f}"
    print(
        f"{name:10}{build:8.0f}{size / 2**20:8.0f}{index}"
        f"{recall(served, truth):9.4f}{LIMIT:7.2f}{served.times()}{truth.times()}"
        f"{np.median(truth.ms) / np.median(served.ms):8.1f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        embedded_postgres(Path(home) / "pg") as url,
    ):
        database = Database(url)
        with database.transaction() as connection:
            migrations.upgrade(connection)
        print(
            f"{VECTORS:,} vectors of {DIMENSIONS}, {QUERIES} queries each asked once,"
            f" recall@{NEAREST}; times in ms"
        )
        print(
            "index: recall of the index itself, at the ef_search chosen or the largest;"
            " served: what a search finds"
        )
        print(
            f"{'vectors':10}{'build s':>8}{'MB':>8}{'ef':>7}{'index':>9}{'served':>9}{'limit':>7}"
            f"{'median':>8}{'p95':>8}{'exact':>8}{'p95':>8}{'ratio':>8}"
        )
        for draw in (farm, rendered, isotropic):
            measure(database, draw.__name__, draw)
        database.dispose()


if __name__ == "__main__":
    main()
