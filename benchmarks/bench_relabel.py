"""New labels for 100,000 stored vectors, next to a bare copy of the same rows.

    make bench

The bare copy is `INSERT ... SELECT` of the rows under another model_id, in the same chunks, by one
connection and by as many as the job has. Vectors are random, which no part's time depends on.
"""

import datetime as dt
import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mushroom_assets.assets import relabel
from mushroom_assets.domain import vision
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_clip_inference
from mushroom_assets.storage.vision.relabel import stored_days

IMAGES = 100_000
A_DAY = 192
RUNS = 5
LIMIT_S = 2.0
FARM = parse_farm(reference_farm_text())
FILL = """
    INSERT INTO farm.daily_clip_inference (
        image_path,
        model_id, room_id, image_date, camera, captured_at, growth_day, status, width, height,
        content_sha256, embedding, stage, stage_probability, stage_margin,
        condition, condition_probability,
        scores,
        sharpness, brightness, temperature_c, humidity_pct, co2_ppm, run_id, computed_at
    )
    SELECT
        to_char(at, '"611/"YYYYMMDD"/611_192168123"') || n %% 8
            || to_char(at, '"_20260110_"YYYYMMDDHH24MISS') || n || '.jpg',
        'bench/prompts-00000000', (600 + n %% 4)::text, at::date, 'cam1', at, 3, 'ok', 2880, 1616,
        encode(sha256(n::text::bytea), 'hex'), embedding, 'fruiting', 0.5, 0.1,
        'healthy', 0.5,
        jsonb_build_object(
            'stage', jsonb_build_object('substrate', 0.123456, 'pinning', 0.123456,
                'fruiting', 0.523456, 'harvest', 0.1, 'empty', 0.129632),
            'condition', jsonb_build_object('healthy', 0.523456, 'mould', 0.123456, 'dry', 0.1)
        ),
        1.5, 0.5, 18.5, 91.5, 2250, '7b8c1f34-9c6f-4d2e-8b0a-111111111111', now()
    FROM (
        SELECT n, embedding, timestamptz '2024-01-01' + n / %s * interval '1 day' AS at FROM vectors
    ) AS image"""
COPY = """
    INSERT INTO farm.daily_clip_inference ({columns}) SELECT {values} FROM farm.daily_clip_inference
    WHERE image_date = ANY(%s) AND model_id = 'bench/prompts-00000000'"""


def fill(database: Database, dimensions: int) -> None:
    """A year and a half of images, each day's together, as a farm writes them."""
    record = np.dtype(
        [("fields", ">i2"), ("l0", ">i4"), ("n", ">i4"), ("l1", ">i4"), ("length", ">i2"),
         ("unused", ">i2"), ("embedding", ">f4", (dimensions,))]
    )  # fmt: skip
    rows = np.zeros(IMAGES, dtype=record)
    rows["fields"] = 2
    rows["l0"] = 4
    rows["l1"] = 4 + 4 * dimensions
    rows["length"] = dimensions
    rows["n"] = np.arange(IMAGES)
    drawn = np.random.default_rng(0).standard_normal((IMAGES, dimensions), dtype=np.float32)
    rows["embedding"] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    with database.transaction() as connection:
        connection.exec_driver_sql("TRUNCATE farm.daily_clip_inference")
        connection.exec_driver_sql(
            "CREATE TEMP TABLE vectors (n int, embedding vector) ON COMMIT DROP"
        )
        with connection.connection.cursor().copy("COPY vectors FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff")
        connection.exec_driver_sql(FILL, (A_DAY,))
    settle(database, "VACUUM ANALYZE farm.daily_clip_inference")


def settle(database: Database, *statements: str) -> None:
    """A quiet server: dead rows gone, a checkpoint behind us."""
    with database.session() as connection:
        for statement in (*statements, "CHECKPOINT"):
            connection.exec_driver_sql(statement)


def relabel_s(database: Database, dimensions: int, labeller: vision.Labeller) -> float:
    """Seconds of the job's work."""
    new = "bench/prompts-11111111"
    task = relabel.Relabelling(
        prefix="bench/prompts-",
        encoder="bench",
        dimensions=dimensions,
        trained=False,
        labeller=labeller,
        model_id=new,
        version="1",
        run_id="x",
        farm=FARM,
    )
    started = time.perf_counter()
    chunks = relabel.relabel(database, task, None, None)
    stored = sum(day.ok for day in itertools.chain.from_iterable(chunks))
    taken = time.perf_counter() - started
    if stored != IMAGES:
        raise RuntimeError(f"{stored} rows were stored, not {IMAGES}")
    return taken


def copy_s(database: Database, connections: int) -> float:
    """Seconds of the bare copy."""
    with database.transaction() as connection:
        stored = stored_days(connection, "bench/prompts-", None, None)
    names = [column.name for column in daily_clip_inference.columns]
    values = ["'bench/prompts-22222222'" if name == "model_id" else name for name in names]
    statement = COPY.format(columns=", ".join(names), values=", ".join(values))

    def copy(days: list[dt.date]) -> None:
        with database.transaction() as connection:
            connection.exec_driver_sql(statement, (days,))

    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(copy, relabel.chunks(stored, relabel.CHUNK_ROWS)))
    return time.perf_counter() - started


def forget(database: Database) -> None:
    """Only the first version is left."""
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "DELETE FROM farm.daily_clip_inference WHERE model_id <> 'bench/prompts-00000000'"
        )
    settle(database, "VACUUM farm.daily_clip_inference")


def axes(dimensions: int) -> npt.NDArray[np.float64]:
    """Texts' vectors of that length: the packaged model's have its own."""
    return np.random.default_rng(1).standard_normal((10_000, dimensions))


def measure(database: Database, dimensions: int) -> None:
    """One row of the table: medians."""
    fill(database, dimensions)
    labeller = vision.Labeller(FARM.vision, lambda texts: axes(dimensions)[: len(texts)], 100.0)
    ways: list[Callable[[], float]] = [
        lambda: relabel_s(database, dimensions, labeller),
        lambda: copy_s(database, 1),
        lambda: copy_s(database, relabel.CHUNKS_AT_ONCE),
    ]
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(RUNS):  # in turn, so that a disturbance meets all alike
        for way, seconds in zip(ways, taken, strict=True):
            seconds.append(way())
            forget(database)
    whole, one, several = (statistics.median(seconds) for seconds in taken)
    print(f"{dimensions:10}{whole:10.2f}{LIMIT_S:8.1f}{one:22.2f}{several:18.2f}", flush=True)


def text_encoding() -> float:
    """Seconds that the packaged model takes for the reference farm's prompts: the median."""
    encoder = load_encoder(None, None)
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        vision.Labeller(FARM.vision, encoder.encode_texts, encoder.logit_scale)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


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
        print(f"{IMAGES:,} rows in chunks of {relabel.CHUNK_ROWS:,}; seconds, median of {RUNS}")
        print(
            "dimensions   relabel   limit  bare copy, 1 connection, "
            f"{relabel.CHUNKS_AT_ONCE} connections"
        )
        for dimensions in (128, 512):
            measure(database, dimensions)
        database.dispose()
    print(f"encoding the prompts, packaged model: {text_encoding():.2f} s, besides")


if __name__ == "__main__":
    main()
