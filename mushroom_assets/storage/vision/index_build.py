"""The HNSW index of a model's vectors: built when that pays, and measured before it is trusted.

One process builds, outside any transaction. How searches go through the index is the business of
`index`.
"""

import json
import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import errors, sql

from mushroom_assets.storage.answering import be_patient
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import SCHEMA, image_embedding
from mushroom_assets.storage.vision.index import (
    NEAREST,
    configure,
    distances,
    finds_itself,
    index_name,
    index_state,
    through_index,
    usable_ef_search,
)

log = logging.getLogger(__name__)

# In processor time, at 512 dimensions: to compare all takes 0.6 ms for each 1,000 vectors, by the
# index 3 ms; but with it every new vector takes 2 ms more
INDEX_FROM = 20_000
MAX_DIMENSIONS = 2_000  # pgvector does not index longer ones; they are scanned
# pgvector's own. 100,000 vectors of 512 dimensions: 35 s to build, 260 MB. With 32 and 200 the
# build was not done after 9 minutes, and a farm's vectors do not need it
# (benchmarks/bench_search.py).
M = 16
EF_CONSTRUCTION = 64
# Tried in this order until one reaches RECALL. Among 100,000 vectors spread like a farm's, 40 finds
# 0.989 of the 10 nearest, but none for some queries; 200 finds 0.998, and at least 8 for each
# query, in 6 ms, where an exact scan takes 700. Among vectors without any structure, even 1,000,
# pgvector's largest, finds only 0.60: those are scanned.
EF_SEARCH = (200, 400, 1_000)
# Measured share of the 10 nearest; 0.98 is promised, the rest is the error of a sample of 100
RECALL = 0.985
SAMPLE = 100
MEMORY_KB = 1_048_576  # at most, for a build: a larger graph is finished on disk, more slowly
# A build waits for older transactions to end; somebody's forgotten one must not hold it for ever
LOCK_TIMEOUT_S = 600


def ensure_index(database: Database, encoder: str) -> bool:
    """Index a model's vectors where that pays, and measure what the index finds.

    Call it outside any transaction: the build lets others read and write, and waits for
    transactions older than itself, which would be the caller's own. If several callers come at
    once, one builds and the others return without waiting. A broken build's leftover is dropped and
    built anew. The recall is measured after the build, and again whenever the vectors have doubled.

    Returns:
        Whether searches go through an index now; False means that they are exact.

    Raises:
        DatabaseUnavailable: the build was interrupted, or waited longer than `LOCK_TIMEOUT_S`; the
            next call starts afresh.
    """
    with database.session() as connection:
        count, dimensions = _size(connection, encoder)
        if INDEX_FROM <= count and dimensions <= MAX_DIMENSIONS and _lock(connection, encoder):
            valid, measured = index_state(connection, encoder)
            if not valid:
                _build(connection, encoder, count, dimensions)
            if not valid or measured.get("vectors", 0) * 2 <= count:
                with database.transaction() as reader:
                    _measure(reader, encoder, count)
        return usable_ef_search(connection, encoder) is not None


def _size(connection: sa.Connection, encoder: str) -> tuple[int, int]:
    """How many vectors a model has, and their dimensions (0 without any)."""
    stored = image_embedding.c
    own = stored.encoder == encoder
    dimensions = connection.scalar(
        sa.select(sa.func.vector_dims(stored.embedding)).where(own).limit(1)
    )
    return connection.scalar(sa.select(sa.func.count()).where(own)) or 0, dimensions or 0


def _lock(connection: sa.Connection, encoder: str) -> bool:
    """Take the right to build, until the session ends; False where another process has it.

    Waiting would hold a snapshot and so delay the other build.
    """
    lock = sa.select(sa.func.pg_try_advisory_lock(sa.func.hashtextextended(index_name(encoder), 0)))
    return bool(connection.scalar(lock))


def _execute(connection: sa.Connection, statement: sql.Composable) -> None:
    connection.exec_driver_sql(statement.as_string(), execution_options={"no_parameters": True})


def _build(connection: sa.Connection, encoder: str, count: int, dimensions: int) -> None:
    log.info("indexing %d vectors of %s", count, encoder)
    index = sql.Identifier(SCHEMA, index_name(encoder))
    drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(index)
    create = sql.SQL(
        "CREATE INDEX CONCURRENTLY {} ON {} USING hnsw ((embedding::vector({})) vector_cosine_ops)"
        " WITH (m = {}, ef_construction = {}) WHERE encoder = {}"
    ).format(
        sql.Identifier(index_name(encoder)),
        sql.Identifier(SCHEMA, image_embedding.name),
        *map(sql.Literal, (dimensions, M, EF_CONSTRUCTION, encoder)),
    )
    # Vectors and their neighbours: 307 MB for 100,000 of 512
    graph_kb = count * (4 * dimensions + 64 * M) // 1024
    settings = {
        "statement_timeout": "0",
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "maintenance_work_mem": f"{min(max(65_536, graph_kb), MEMORY_KB)}kB",
        "max_parallel_maintenance_workers": "2",
    }
    configure(connection, settings, local=False)
    be_patient(connection)
    _execute(connection, drop)
    try:
        _execute(connection, create)
    except sa.exc.OperationalError as error:
        if not isinstance(error.orig, errors.DiskFull):
            raise
        # Workers share the graph in /dev/shm, where a container has 64 MB unless told otherwise; a
        # single one does not need it.
        _execute(connection, drop)
        configure(connection, {"max_parallel_maintenance_workers": "0"}, local=False)
        _execute(connection, create)


def _measure(connection: sa.Connection, encoder: str, count: int) -> None:
    """Choose the smallest ef_search that finds enough of the exact nearest; note it on the index.

    The queries are a sample of the stored vectors: `search` asks the index with nothing else. By
    hash it is drawn at random, so each camera has its share. Vectors that the index does not lead
    to are noticed at each search, since they do not find themselves, and do not count here.
    """
    stored = image_embedding.c
    sample = sa.select(stored.embedding).where(stored.encoder == encoder)
    by_hash = sample.order_by(stored.content_sha256)
    vectors = connection.scalars(by_hash.limit(SAMPLE)).all()
    truth = [_nearest(connection, encoder, vector, exact=True) for vector in vectors]
    recall = 0.0
    chosen = None
    for ef_search in EF_SEARCH:
        with through_index(connection, ef_search):
            found = [_nearest(connection, encoder, vector, exact=False) for vector in vectors]
        recall = _recall(found, truth)
        if recall >= RECALL:
            chosen = ef_search
            break
    told = chosen or "none: searches stay exact"
    log.info("index of %s: recall@10 %.3f, ef_search %s", encoder, recall, told)
    note = {
        "encoder": encoder,
        "vectors": count,
        "ef_search": chosen,
        "recall_at_10": round(recall, 4),
    }
    comment = sql.SQL("COMMENT ON INDEX {} IS {}")
    index = sql.Identifier(SCHEMA, index_name(encoder))
    _execute(connection, comment.format(index, sql.Literal(json.dumps(note))))


def _recall(found: Sequence[Sequence[float]], truth: Sequence[Sequence[float]]) -> float:
    """Share of the `NEAREST` that searches find, mean of the queries, by distances.

    It does not matter which of several equally near vectors is found. For one that does not find
    itself a search compares all.
    """
    hits = []
    for near, true in zip(found, truth, strict=True):
        count = sum(distance <= true[-1] for distance in near) - 1
        hits.append(count if finds_itself(near) else NEAREST)
    return float(np.mean(hits)) / NEAREST


def _nearest(
    connection: sa.Connection, encoder: str, vector: npt.ArrayLike, *, exact: bool
) -> Sequence[float]:
    # The vector itself is the first
    nearest = distances(encoder, vector, exact=exact).limit(NEAREST + 1)
    return [row.distance for row in connection.execute(nearest)]
