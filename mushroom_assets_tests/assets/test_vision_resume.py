"""What `daily_clip_inference` computes twice: runs that are killed, repeated or overtaken by files.

Run as a module it is the process that gets killed: see `main`.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.inference.encoder import ClipEncoder
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_embedding
from mushroom_assets_tests.kit.cameras import (
    ASSET,
    DAY,
    FARM,
    OTHER_PROMPTS,
    Cameras,
    picture,
)
from mushroom_assets_tests.kit.plant import materialize
from mushroom_assets_tests.kit.runs import run_job
from mushroom_assets_tests.kit.small import without

WORKERS = 2
IMAGES = 120
BATCH = 16
# Labels do not matter here
RANDOM = ClipResource(pretrained="random-seed0", device="cpu", threads=WORKERS)
DELAY_S = 0.15  # of every batch in the process that gets killed: the day takes it some 0.6 s
SPOIL = """
    UPDATE farm.image_embedding SET sharpness = -1, computed_at = 'epoch', embedding = (
        SELECT array_agg(-x ORDER BY n)::vector
        FROM unnest(embedding::real[]) WITH ORDINALITY AS part (x, n))"""
CLIENTS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
        AND application_name LIKE 'mushroom_assets ________-%%'"""


def name(number: int) -> str:
    return f"611/20260110/611_cam{number}_202615_20260110080130.jpg"


class Spy:
    """How many images the model was given, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._given: list[int] = []
        encode = ClipEncoder.encode_images

        def counting(encoder: ClipEncoder, pixels: Any) -> Any:
            self._given.append(len(pixels))
            return encode(encoder, pixels)

        monkeypatch.setattr(ClipEncoder, "encode_images", counting)

    def images(self) -> int:
        """Since the last call."""
        given = sum(self._given)
        self._given.clear()
        return given


class Journal(Cameras):
    """Cameras whose runs use the packaged model's shape with random weights, in two workers."""

    def look(self, *, store: ImageStore | None = None, recompute: bool = False) -> tuple[int, int]:
        """Run the day; returns how many images have a vector, and how many it says it computed."""
        doors = {
            "postgres": PostgresResource(url=self.database.url, connect_attempts=1),
            "image_store": store or ImageStore(root=str(self.store)),
            "clip": RANDOM,
            "farm_file": FarmFile(path=str(self.path)),
        }
        result = run_job(
            f"{ASSET}_job",
            self.farm,
            doors,
            self.instance,
            ops={ASSET: {"config": {"recompute": recompute}}},
            tags=range_tags(DAY, DAY),
        )
        (made,) = result.asset_materializations_for_node(ASSET)
        computed = made.metadata["images_computed"].value
        assert isinstance(computed, int)
        return len([row for row in self.rows(ASSET) if row["embedding"] is not None]), computed

    def shown(self, name: str) -> Any:
        """What the day's latest materialization shows under a name."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(ASSET))
        assert event is not None
        assert event.asset_materialization is not None
        return event.asset_materialization.metadata[name].value

    def kept(self) -> dict[str, Any]:
        """All kept vectors with their facts, by content."""
        with self.database.transaction() as connection:
            return {
                row.content_sha256: row for row in connection.execute(sa.select(image_embedding))
            }

    def clients(self) -> int:
        """Connections to this database but our own, dying ones too."""
        with self.database.transaction() as connection:
            return int(connection.exec_driver_sql(CLIENTS).scalar_one())


@pytest.fixture
def journal(database: Database, tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(database, tmp_path) as journal:
        journal.store.mkdir()
        yield journal


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


def start(journal: Journal, given: Path) -> subprocess.Popen[bytes]:
    """A process of its own that works off the day, slowly."""
    arguments = [journal.database.url, str(journal.path), str(given)]
    command = [sys.executable, "-m", __spec__.name, *arguments]
    environment = os.environ | {
        "MUSHROOM_CLIP_THREADS": str(WORKERS),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def main(url: str, farm_file: str, given: str) -> None:
    """Work off the day, slowly; the file `given` gets the size of each batch before the model."""
    encode = ClipEncoder.encode_images

    def slow(encoder: ClipEncoder, pixels: Any) -> Any:
        with Path(given).open("a") as file:  # one write: atomic between threads
            file.write(f"{len(pixels)}\n")
        time.sleep(DELAY_S)
        return encode(encoder, pixels)

    path = Path(farm_file)
    images = path.parent / "images"
    # threads: from the environment
    clip = {"clip": ClipResource(pretrained="random-seed0", device="cpu")}
    farm = parse_farm(path.read_text(encoding="utf-8"))
    with mock.patch.object(ClipEncoder, "encode_images", slow):
        materialize(ASSET, url, farm, DAY, farm_file=path, images=images, resources=clip)


def kill_once_kept(journal: Journal, process: subprocess.Popen[bytes], at_least: int) -> None:
    """SIGKILL, as soon as so many vectors are kept; returns when the server has noticed."""
    deadline = time.monotonic() + 120
    while len(journal.kept()) < at_least:
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was ready before"
    while journal.clients():  # what was on its way may still be committed
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_alike(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> None:
    """The same rows; numbers that a model computed, within what another batch may change."""
    close = ("embedding", "scores", "stage_probability", "stage_margin", "condition_probability")
    assert [without(row, *close) for row in found] == [without(row, *close) for row in expected]
    for row, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(row["embedding"], other["embedding"], atol=1e-5)
        for kind, scores in other["scores"].items():
            assert row["scores"][kind] == pytest.approx(scores, abs=1e-4)
        for column in close[2:]:
            assert row[column] == pytest.approx(other[column], abs=1e-4)


@pytest.mark.parametrize("at_least", [1, 25])
def test_a_killed_run_loses_only_the_batches_at_work(
    journal: Journal, spy: Spy, tmp_path: Path, at_least: int
) -> None:
    for number in range(IMAGES):
        journal.shoot(name(number), picture(number))
    process = start(journal, tmp_path / "given")
    try:
        kill_once_kept(journal, process, at_least)
    finally:
        process.kill()
        process.wait()
    kept = len(journal.kept())
    given = sum(int(line) for line in (tmp_path / "given").read_text().split())
    assert at_least <= kept < IMAGES
    assert kept <= given <= kept + WORKERS * BATCH
    assert journal.rows(ASSET) == []  # the day's rows come all at once or not at all
    assert journal.look() == (IMAGES, IMAGES - kept)
    assert spy.images() == IMAGES - kept
    resumed = journal.rows(ASSET)
    journal.empty()
    assert journal.look() == (IMAGES, IMAGES)
    assert_alike(resumed, journal.rows(ASSET))


def test_a_rerun_of_an_unchanged_day_computes_nothing(journal: Journal, spy: Spy) -> None:
    for number in range(10):
        journal.shoot(name(number), picture(number))
    assert journal.look() == (10, 10)
    before = journal.rows(ASSET)
    vectors = journal.kept()
    assert spy.images() == 10
    assert journal.look() == (10, 0)
    assert spy.images() == 0
    assert_alike(journal.rows(ASSET), before)
    assert {key: row.computed_at for key, row in journal.kept().items()} == {
        key: row.computed_at for key, row in vectors.items()
    }


def test_a_row_says_with_which_precision_its_vector_was_computed(journal: Journal) -> None:
    """That of a kept vector is the one it was made with, whatever the model computes in now."""
    for number in range(3):
        journal.shoot(name(number), picture(number))
    journal.shoot(name(3), b"no picture")
    journal.look()
    rows = journal.found()
    assert [rows[name(number)]["precision"] for number in range(4)] == [*["fp32"] * 3, None]
    first = rows[name(0)]["content_sha256"]
    kept = "UPDATE farm.image_embedding SET precision = {} WHERE content_sha256 {} '{}'"
    journal.execute(kept.format("'bf16'", "=", first))
    journal.execute(kept.format("NULL", ">", max(first, rows[name(1)]["content_sha256"])))
    journal.look()
    again = {path: row["precision"] for path, row in journal.found().items()}
    expected = {row.content_sha256: row.precision for row in journal.kept().values()}
    assert again == {path: expected.get(row["content_sha256"]) for path, row in rows.items()}
    assert again[name(0)] == "bf16"
    assert journal.shown("precision") == ", ".join(sorted({*again.values()} - {None}))


def test_only_a_replaced_and_a_late_file_are_computed(journal: Journal, spy: Spy) -> None:
    for number in range(10):
        journal.shoot(name(number), picture(number))
    journal.look()
    spy.images()
    journal.shoot(name(3), picture(103))
    journal.shoot(name(10), picture(110))
    assert journal.look() == (11, 2)
    assert spy.images() == 2
    found = journal.found()
    for path, seed in ((name(2), 2), (name(3), 103), (name(10), 110)):
        assert found[path]["content_sha256"] == hashlib.sha256(picture(seed)).hexdigest()


def test_a_file_under_another_name_is_not_computed_again(journal: Journal, spy: Spy) -> None:
    journal.shoot(name(0), picture(0))
    journal.look()
    spy.images()
    journal.shoot(name(1), picture(0))
    assert journal.look() == (2, 0)
    assert spy.images() == 0


def test_a_run_that_asks_for_it_computes_all_anew_and_replaces_what_was_kept(
    journal: Journal, spy: Spy
) -> None:
    for number in range(10):
        journal.shoot(name(number), picture(number))
    journal.look()
    right = journal.rows(ASSET)
    journal.execute(SPOIL)
    spy.images()
    assert journal.look() == (10, 0)
    # What is kept is believed
    assert [row["sharpness"] for row in journal.rows(ASSET)] == [-1] * 10
    assert journal.look(recompute=True) == (10, 10)
    assert spy.images() == 10
    assert_alike(journal.rows(ASSET), right)
    kept = journal.kept()
    for row in right:
        mended = kept[row["content_sha256"]]
        np.testing.assert_allclose(mended.embedding, row["embedding"], atol=1e-5)
        assert mended.sharpness == row["sharpness"]
        assert mended.computed_at.year > 1970
        assert mended.precision == row["precision"] == "fp32"
    assert journal.look() == (10, 0)


def test_new_prompts_compute_no_image(journal: Journal, spy: Spy) -> None:
    for number in range(10):
        journal.shoot(name(number), picture(number))
    journal.look()
    spy.images()
    journal.path.write_text(FARM + OTHER_PROMPTS)
    assert journal.look() == (20, 0)
    assert spy.images() == 0
    assert {frozenset(row["scores"]["stage"]) for row in journal.rows(ASSET)} == {
        frozenset(["it's %s", "b", "c"]),
        frozenset(journal.farm.vision.stages),
    }


class Busy(ImageStore):
    """A store that changes while the first image is read.

    That one is replaced, the second goes, and a third comes.
    """

    def read(self, path: str) -> bytes:
        data = super().read(path)
        if path == name(0) and data == picture(0):
            root = Path(str(self.root))
            (root / name(0)).write_bytes(picture(100))
            (root / name(1)).unlink(missing_ok=True)
            (root / name(2)).write_bytes(picture(2))
        return data


def test_files_that_change_while_the_model_works_are_seen_at_the_commit(
    journal: Journal, spy: Spy
) -> None:
    for number in (0, 1, *range(3, 20)):
        journal.shoot(name(number), picture(number))
    journal.look(store=Busy(root=str(journal.store)))
    found = journal.found()
    # The second: read before it went, its row goes; found gone, its row says so.
    gone = found.pop(name(1), None)
    assert gone is None or gone["error"] == "the file vanished"
    assert found.keys() == {name(number) for number in (0, *range(2, 20))}
    for path, row in found.items():
        assert (
            row["content_sha256"] == hashlib.sha256((journal.store / path).read_bytes()).hexdigest()
        )
    # 17 that stay; the first, old and new; the late one; the second, if it was read
    assert spy.images() in (20, 21)
    assert journal.look() == (19, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
