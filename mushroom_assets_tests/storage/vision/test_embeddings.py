"""The kept vectors: recalled as they were."""

import numpy as np

from mushroom_assets.domain.vision import EncodedImage
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.vision.embeddings import EmbeddingMemory
from mushroom_assets_tests.kit.databases import execute


def test_a_vector_comes_back_bit_for_bit(database: Database) -> None:
    noise = np.random.default_rng(3).normal(size=512)
    vector = (noise / np.linalg.norm(noise)).astype(np.float32)
    memory = EmbeddingMemory(database, "tiny/weights")
    memory.keep([EncodedImage("a" * 64, vector, 640, 480, 12.5, 0.25, "bf16")])
    kept = memory.recall(["a" * 64, "b" * 64])
    assert kept.keys() == {"a" * 64}
    found = kept["a" * 64]
    assert found.embedding.dtype == np.float32
    assert found.embedding.tobytes() == vector.tobytes()
    assert (found.width, found.height, found.sharpness, found.brightness) == (640, 480, 12.5, 0.25)
    assert found.precision == "bf16"


def test_what_an_older_release_kept_is_computed_once_more(database: Database) -> None:
    memory = EmbeddingMemory(database, "tiny/weights")
    old = np.eye(4, dtype=np.float32)[0]
    new = np.eye(4, dtype=np.float32)[1]
    memory.keep([EncodedImage("a" * 64, old, 640, 480, 12.5, 0.25, "fp32")])
    execute(database.url, "UPDATE farm.image_embedding SET precision = NULL")
    assert memory.recall(["a" * 64]) == {}
    for vector in (new, old):  # the second one finds what is kept
        memory.keep([EncodedImage("a" * 64, vector, 640, 480, 12.5, 0.25, "fp32")])
    assert memory.recall(["a" * 64])["a" * 64].embedding.tolist() == new.tolist()
