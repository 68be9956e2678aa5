"""`mushroom similar`: what it takes its argument for, when it needs the model, what it prints."""

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from mushroom_assets.cli.similar import encoder_name
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.prompts import prompts
from mushroom_assets.inference.images import content_sha256
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.resources import ClipResource
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_embedding
from mushroom_assets_tests.kit.cameras import FARM, picture
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.vectors import Floats, image, put_images, unit

NAME = "mushroom-tiny/random-seed0"
Run = Callable[..., Result]


def vector_of(data: bytes) -> Floats:
    encoder = load_encoder(None, "random-seed0")
    pixels = encoder.preprocess(Image.open(io.BytesIO(data)).convert("RGB"))
    vector: Floats = encoder.encode_images(pixels[None])[0]
    return vector


def path_of(number: int) -> str:
    return f"7/20260110/607_cam1_202615_202601100{number}0130.jpg"


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Run:
    """The command on a farm of two rooms, with the packaged model's random weights."""
    (tmp_path / "farm.yaml").write_text(FARM)
    (tmp_path / "images").mkdir()
    settings = {
        "DATABASE_URL": database.url,
        "MUSHROOM_HOME": tmp_path,
        "MUSHROOM_CONFIG": tmp_path / "farm.yaml",
        "MUSHROOM_CLIP_PRETRAINED": "random-seed0",
    }
    return lambda *arguments: mushroom("similar", *arguments, **settings)


@pytest.fixture
def vectors(database: Database) -> Floats:
    """The stored vectors of pictures 0 to 5: the even ones of room 607, the odd ones of 611."""
    found = unit(np.random.default_rng(4).standard_normal((6, 128)))
    for number, vector in enumerate(found):
        put_picture(database, number, vector)
    return found


def put_picture(database: Database, number: int, vector: Floats) -> None:
    content = content_sha256(picture(number))
    measures = {"width": 8, "height": 8, "sharpness": 1.0, "brightness": 0.5}
    row = {"content_sha256": content, "encoder": NAME, "embedding": vector} | measures
    with database.transaction() as connection:
        connection.execute(image_embedding.insert(), row)
    seen = image(
        number,
        vector,
        image_path=path_of(number),
        content_sha256=content,
        model_id=f"{NAME}/prompts-0000000a",
        room_id="611" if number % 2 else "607",
        captured_at=dt.datetime(2026, 1, 10, number, 1, 30, tzinfo=dt.UTC),
        image_date=dt.date(2026, 1, 10 + number),
    )
    put_images(database, [seen])


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody loads the model."""

    def refuse(_: ClipResource) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(ClipResource, "encoder", refuse)


def ranked(vectors: Floats, query: Floats) -> list[tuple[str, str]]:
    """Path and similarity as printed, by numpy."""
    cosines = vectors.astype(float) @ query.astype(float)
    return [(path_of(int(number)), f"{cosines[number]:.4f}") for number in np.argsort(-cosines)]


def shown(result: Result) -> list[tuple[str, str]]:
    lines = result.output.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("rank"))
    return [(line.split()[-1], line.split()[1]) for line in lines[head + 1 :]]


def test_the_encoder_is_called_as_the_loaded_one_is() -> None:
    settings = load_settings({"MUSHROOM_CLIP_PRETRAINED": "random-seed0"})
    assert encoder_name(settings) == load_encoder(None, "random-seed0").name == NAME


@pytest.mark.usefixtures("no_model")
def test_a_path_in_the_store_is_searched_by_its_stored_vector(run: Run, vectors: Floats) -> None:
    result = run(path_of(2), "--k", 4)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == f"{path_of(2)}: an image of the store, by its stored vector, by {NAME}"
    assert lines[1] == "random weights: stages and conditions mean nothing"
    assert lines[2].split() == [
        "rank", "similarity", "room", "captured", "growth", "day", "stage", "condition", "path",
    ]  # fmt: skip
    assert lines[3].split() == [
        "1", "1.0000", "607", "2026-01-10", "10:01", "6",
        "fruiting", "75%", "healthy", "50%", path_of(2),
    ]  # fmt: skip
    assert shown(result) == ranked(vectors, vectors[2])[:4]


@pytest.mark.usefixtures("no_model")
def test_a_file_with_known_bytes_needs_no_model(run: Run, vectors: Floats, tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(picture(3))
    result = run(tmp_path / "mine.jpg")
    assert result.output.startswith(f"{tmp_path / 'mine.jpg'}: a file on disk, by {NAME}\n")
    assert shown(result) == ranked(vectors, vectors[3])


def test_a_new_picture_is_encoded_from_disk_or_from_the_store(
    run: Run, vectors: Floats, tmp_path: Path
) -> None:
    stored = tmp_path / "images" / "611" / "20260120" / "new.jpg"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(picture(77))
    expected = ranked(vectors, vector_of(picture(77)))
    for argument, kind in (
        (stored, "a file on disk"),
        ("611/20260120/new.jpg", "an image of the store"),
    ):
        result = run(argument)
        assert f": {kind}, by {NAME}\n" in result.output
        assert [path for path, _ in shown(result)] == [path for path, _ in expected]


def test_words_are_asked_in_the_templates_of_the_labels(run: Run, vectors: Floats) -> None:
    encoder = load_encoder(None, "random-seed0")
    vision = parse_farm(FARM).vision
    result = run("brown spots on caps", "--k", 6)
    assert result.output.startswith("brown spots on caps: words (no such file or image), by ")
    asked = vision.stages["fruiting"].model_copy(update={"prompts": ["brown spots on caps"]})
    texts = prompts(asked, vision.templates)
    query = unit(unit(encoder.encode_texts(texts)).mean(axis=0))
    assert shown(result) == ranked(vectors, query)
    assert run("w" * 5000).exit_code == 0  # longer than a file's name may be


def test_a_label_stands_for_its_prompts(run: Run, vectors: Floats) -> None:
    encoder = load_encoder(None, "random-seed0")
    vision = parse_farm(FARM).vision
    result = run("Fruiting ", "--k", 6)
    assert result.output.startswith("Fruiting : the stage fruiting, by its prompts, by ")
    texts = prompts(vision.stages["fruiting"], vision.templates)
    query = unit(unit(encoder.encode_texts(texts)).mean(axis=0))
    assert shown(result) == ranked(vectors, query)


@pytest.mark.usefixtures("vectors", "no_model")
@pytest.mark.parametrize("argument", ["", "  "])
def test_nothing_is_not_looked_for(run: Run, argument: str) -> None:
    result = run(argument)
    assert (result.exit_code, result.output) == (
        1,
        "mushroom: there is nothing to look for. Remedy: give a picture's path, or words\n",
    )


@pytest.mark.usefixtures("no_model")
def test_rooms_and_days_limit_the_search(run: Run, vectors: Floats) -> None:
    expected = [path for path, _ in ranked(vectors, vectors[2])]

    def found(*options: object) -> list[str]:
        return [path for path, _ in shown(run(path_of(2), *options))]

    assert found("--room", "611") == [path for path in expected if path in map(path_of, (1, 3, 5))]
    assert found("--since", "2026-01-12", "--until", "2026-01-14") == [
        path for path in expected if path in map(path_of, (2, 3, 4))
    ]
    assert found("--room", "607", "--room", "611") == expected
    nothing = run(path_of(2), "--since", "2027-01-01")
    assert (nothing.exit_code, nothing.output) == (
        1,
        f"mushroom: no image with a vector of {NAME} is in these rooms and days."
        " Remedy: more with --room, or wider --since and --until\n",
    )  # fmt: skip
    assert "the farm file has no room 999" in run(path_of(2), "--room", "999").output


@pytest.mark.usefixtures("no_model")
def test_before_any_inference_it_says_what_to_do(run: Run) -> None:
    result = run("fruiting bodies")
    assert result.exit_code == 1
    assert result.output == (
        f"mushroom: no image has a vector of {NAME} yet."
        " Remedy: materialize daily_clip_inference, for a day with images\n"
    )


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"no picture", "not an image"),
        (picture(1)[:900], "damaged or cut off"),
    ],
    ids=["empty", "text", "cut"],
)
def test_a_file_that_is_no_picture_is_told(
    run: Run, tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / "broken.jpg").write_bytes(data)
    result = run(tmp_path / "broken.jpg")
    assert result.exit_code == 1
    assert result.output.startswith("mushroom: the picture cannot be used: unreadable: ")
    assert message in result.output
    assert result.output.endswith(
        ". Remedy: give another picture, or one that other programs can open\n"
    )


@pytest.mark.usefixtures("vectors", "no_model")
@pytest.mark.parametrize(
    "argument",
    [
        "7/20260110/nowhere.jpg",
        "nowhere.heic",
        "/tmp/nowhere",
        "7/20260110",
        "/tmp/no such.jpg",
        "no such/x.JPG",
    ],
)
def test_a_path_that_leads_nowhere_is_not_taken_for_words(run: Run, argument: str) -> None:
    result = run(argument)
    assert (result.exit_code, result.output) == (
        1,
        f"mushroom: {argument} is neither a file on disk nor in the image store."
        " Remedy: correct the path; the store's are FOLDER/YYYYMMDD/FILE, without its URL."
        " Words have a blank in them, or around them in quotes\n",
    )


@pytest.mark.usefixtures("vectors")
def test_a_model_that_is_not_there_is_told(database: Database, tmp_path: Path) -> None:
    result = mushroom(
        "similar",
        "caps",
        DATABASE_URL=database.url,
        MUSHROOM_HOME=tmp_path,
        MUSHROOM_CLIP_PRETRAINED="/nowhere/x.pt",
    )
    assert result.exit_code == 1
    assert result.output.startswith(
        "mushroom: Weights for mushroom-tiny: there is no file /nowhere/x.pt"
    )
    assert ". Remedy: correct the MUSHROOM_CLIP_ settings" in result.output
    assert result.output.count("\n") == 1
