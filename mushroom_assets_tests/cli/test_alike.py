"""`mushroom similar --html` and `--json`: the page is parsed, its pictures are decoded."""

import base64
import datetime as dt
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from mushroom_assets.cli.similar import encoder_name
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.inference.images import content_sha256
from mushroom_assets.metadata.alike import Asked, alike_page
from mushroom_assets.resources import ClipResource
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_embedding
from mushroom_assets.storage.vision.search import NearImage
from mushroom_assets_tests.kit.cameras import FARM, picture
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.vectors import image, put_images, put_vectors, unit

Run = Callable[..., Result]
NAME = encoder_name(load_settings({}))
# The first three components make the order: 0 is like itself, then 1, then 2
VECTORS = unit(np.array([[1, 0, 0], [1, 0.2, 0], [1, 0.5, 0.1], [0, 0, 1]]))
SCORES = {"stage": {"fruiting": 0.41, "harvest": 0.39}, "condition": {"healthy": 0.5}}


def path_of(number: int) -> str:
    return f"7/20260110/607_c<{number}>_202615_202601100{number}0130.jpg"


class Page(HTMLParser):
    """What a browser would show: texts, pictures, and whatever it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.pictures: list[str] = []
        self.tags: list[str] = []
        self.language: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "html":
            self.language = found["lang"]
        if tag == "img":
            self.pictures.append(found["src"] or "")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def size_of(source: str) -> tuple[int, int]:
    head, _, data = source.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).size


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Path:
    """A farm with four images, of which the third has gone from the store."""
    (tmp_path / "farm.yaml").write_text(FARM)
    put_vectors(database, VECTORS, NAME)
    rows = []
    for number, vector in enumerate(VECTORS):
        (tmp_path / "images" / path_of(number)).parent.mkdir(parents=True, exist_ok=True)
        if number != 2:
            (tmp_path / "images" / path_of(number)).write_bytes(picture(number))
        rows.append(
            image(
                number,
                vector,
                image_path=path_of(number),
                camera=f"c<{number}>",
                model_id=f"{NAME}/prompts-0000000a",
                room_id="607",
                captured_at=dt.datetime(2026, 1, 10, number, 1, 30, tzinfo=dt.UTC),
                scores=SCORES,
                familiarity=0.5,
            )
        )
    rows[1] |= {"stage": "unknown", "stage_probability": 0.41}
    rows[2] |= {"condition": "unknown", "familiarity": 0.001}
    put_images(database, rows)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database: Database, folder: Path) -> Run:
    """The command on it, without a model."""

    def refuse(_: ClipResource) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(ClipResource, "encoder", refuse)
    settings = {
        "DATABASE_URL": database.url,
        "MUSHROOM_HOME": folder,
        "MUSHROOM_CONFIG": folder / "farm.yaml",
    }
    return lambda *arguments: mushroom("similar", *arguments, **settings)


def test_the_page_shows_each_image_with_its_picture_and_words(run: Run, folder: Path) -> None:
    file = folder / "alike.html"
    result = run(path_of(0), "--k", 3, "--html", file, "--room", "607", "--since", "2026-01-02")
    assert result.exit_code == 0
    assert result.output.endswith(f"with the pictures: {file}\n")
    assert result.output.splitlines()[1].startswith("rank  similarity")
    page = Page(file.read_text(encoding="utf-8"))
    assert page.language == "en"
    assert {"script", "link", "iframe"}.isdisjoint(page.tags)
    # The query, 0 and 1; 160x120 becomes 144x108
    assert [size_of(source) for source in page.pictures] == [(144, 108)] * 3
    assert page.pictures[0] == page.pictures[1]
    style, *texts = page.texts[1:]
    assert ".gone" in style
    assert texts == [
        f"Most like {path_of(0)}",
        f"3 pictures, by {NAME}",
        "rooms 607, from 2026-01-02 on",
        "Labels: the packaged model, which learned from drawings and never saw a photograph."
        " 2 of 3 pictures are like what it learned.",
        "1. similarity 1.0000", "Room 607, camera c<0>, growth day 6", "2026-01-10 08:01",
        "fruiting 75%", "healthy 50%", path_of(0),
        # 1 / sqrt(1.04), then 1 / sqrt(1.26)
        "2. similarity 0.9806", "Room 607, camera c<1>, growth day 6", "2026-01-10 09:01",
        "unknown (fruiting 41%)", "healthy 50%", path_of(1),
        "no longer in the store, or not to be read",
        "3. similarity 0.8909", "Room 607, camera c<2>, growth day 6", "2026-01-10 10:01",
        "fruiting 75%", "unknown (unlike what the model knows)", path_of(2),
    ]  # fmt: skip


def test_the_page_speaks_the_farms_language(run: Run, folder: Path) -> None:
    (folder / "farm.yaml").write_text(FARM + "language: zh\n")
    assert run(path_of(0), "--k", 3, "--html", folder / "a.html").exit_code == 0
    page = Page((folder / "a.html").read_text(encoding="utf-8"))
    assert page.language == "zh"
    assert f"与 {path_of(0)} 最相似的图像" in page.texts
    assert "2. 相似度 0.9806" in page.texts
    assert "已不在图像库中，或无法读取" in page.texts


def test_a_query_whose_picture_is_gone_is_shown_as_gone(run: Run, folder: Path) -> None:
    run(path_of(2), "--html", folder / "gone.html")
    page = Page((folder / "gone.html").read_text(encoding="utf-8"))
    assert page.texts.count("no longer in the store, or not to be read") == 2  # query and tile
    assert len(page.pictures) == 3


def test_a_file_on_disk_stands_on_its_page(run: Run, folder: Path, database: Database) -> None:
    wide = io.BytesIO()
    Image.open(io.BytesIO(picture(7))).resize((320, 80)).save(wide, "JPEG")
    (folder / "mine.jpg").write_bytes(wide.getvalue())
    measures = {"width": 8, "height": 8, "sharpness": 1.0, "brightness": 0.5}
    known = {"content_sha256": content_sha256(wide.getvalue()), "encoder": NAME}
    with database.transaction() as connection:
        row = known | measures | {"embedding": VECTORS[1]}
        connection.execute(image_embedding.insert(), row)
    result = run(folder / "mine.jpg", "--k", 1, "--html", folder / "a.html")
    assert result.output.startswith(f"{folder / 'mine.jpg'}: a file on disk, by {NAME}\n")
    page = Page((folder / "a.html").read_text(encoding="utf-8"))
    assert [size_of(source) for source in page.pictures] == [(144, 36), (144, 108)]
    assert f"Most like {folder / 'mine.jpg'}" in page.texts
    assert path_of(1) in page.texts


def test_words_have_no_picture_of_their_own_and_are_no_markup() -> None:
    farm = parse_farm(FARM)
    row = image(0, VECTORS[0], image_path=path_of(0), camera="cam1", scores=SCORES)
    found = NearImage(**{"similarity": 0.25, **row_of(row)})
    asked = Asked("<b>brown</b> & spots", is_words=True, encoder="ViT-B-32/laion")
    page = Page(alike_page(asked, [found], {}, farm))
    assert "Most like the words “<b>brown</b> & spots”" in page.texts
    assert "1. similarity 0.2500" in page.texts
    assert (page.pictures, page.tags.count("b")) == ([], 1)  # the rank


def row_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in NearImage._fields if name != "similarity"}


def test_random_weights_show_no_labels(
    monkeypatch: pytest.MonkeyPatch, run: Run, folder: Path, database: Database
) -> None:
    monkeypatch.setenv("MUSHROOM_CLIP_PRETRAINED", "random-seed0")
    name = "mushroom-tiny/random-seed0"
    put_vectors(database, VECTORS[:1], name)
    put_images(database, [image(0, VECTORS[0], model_id=f"{name}/prompts-0000000a", camera="c")])
    assert run("611/20260110/0.jpg", "--html", folder / "a.html").exit_code == 0
    page = Page((folder / "a.html").read_text(encoding="utf-8"))
    told = "The model has random weights: its labels mean nothing and are left out."
    assert told in page.texts
    assert not [text for text in page.texts if "fruiting" in text]


def test_a_page_that_cannot_be_written_is_told(run: Run, folder: Path) -> None:
    result = run(path_of(0), "--html", folder / "nowhere" / "a.html")
    assert result.exit_code == 1
    assert result.output.startswith("mushroom: the page cannot be written: [Errno 2] ")
    assert result.output.endswith("Remedy: name a file in a folder that you may write to\n")


def test_json_is_one_document_with_all_that_the_row_says(run: Run, folder: Path) -> None:
    result = run(path_of(0), "--k", 2, "--json", "--until", "2026-01-11", "--room", "607")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["query"] == {
        "text": path_of(0), "kind": "image", "encoder": NAME, "labels_from": "renders",
    }  # fmt: skip
    assert document["filters"] == {"k": 2, "rooms": ["607"], "since": None, "until": "2026-01-11"}
    first, second = document["images"]
    assert set(first) == {"rank", *NearImage._fields}
    assert [first["rank"], second["rank"]] == [1, 2]
    assert first["similarity"] == pytest.approx(1, abs=1e-6)
    assert second["similarity"] == pytest.approx(1.04**-0.5, abs=1e-6)
    assert second | {"similarity": 0} == {
        "rank": 2, "image_path": path_of(1), "similarity": 0, "room_id": "607",
        "captured_at": "2026-01-10T09:01:30+08:00", "growth_day": 6, "stage": "unknown",
        "stage_probability": 0.41, "condition": "healthy", "condition_probability": 0.5,
        "model_id": f"{NAME}/prompts-0000000a", "camera": "c<1>", "familiarity": 0.5,
        "scores": SCORES, "probe_stage": None, "probe_stage_probability": None,
        "probe_condition": None, "probe_condition_probability": None, "probe_id": None,
    }  # fmt: skip
    both = run(path_of(0), "--json", "--html", folder / "a.html")
    assert len(json.loads(both.stdout)["images"]) == 4
    assert (folder / "a.html").exists()


def test_beside_json_a_fault_is_told_on_stderr(run: Run) -> None:
    result = run(path_of(0), "--json", "--since", "2027-01-01")
    assert (result.exit_code, result.stdout) == (1, "")
    fault = f"mushroom: no image with a vector of {NAME} is in these rooms and days."
    assert result.stderr.startswith(fault)


def test_the_documents_similarities_are_numpys(run: Run) -> None:
    document = json.loads(run(path_of(3), "--json").stdout)
    cosines = np.sort(VECTORS.astype(float) @ VECTORS[3].astype(float))[::-1]
    found = [near["similarity"] for near in document["images"]]
    assert found == pytest.approx(cosines.tolist(), abs=1e-6)
