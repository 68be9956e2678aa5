"""`mushroom label`: every label is stored on the bytes that were seen, or named with its fault."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_label
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.labels import image_path, see, sha
from mushroom_assets_tests.kit.plant import rows

FARM = """
timezone: Asia/Shanghai
first_day: 2025-10-01
rooms: {"611": {}}
vision:
  unknown_margin: 0.1
  templates: ["{}"]
  stages: {young: {prompts: [x]}, old: {prompts: [y]}, gone: {prompts: [z]}}
  conditions: {healthy: {prompts: [x]}, mouldy: {prompts: [y]}}
"""
A, B, C = (image_path("611", 10, hour) for hour in (8, 9, 10))
HEADER = "image_path,stage,condition,labelled_by"


class Growers:
    """People with files of labels, and what the table makes of them."""

    def __init__(self, home: Path, database: Database) -> None:
        self.home = home
        self.database = database
        (home / "farm.yaml").write_text(FARM, encoding="utf-8")

    def write(self, *lines: str) -> Path:
        file = self.home / "labels.csv"
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return file

    def label(self, file: Path, *options: str, url: str | None = None) -> Result:
        where = {"MUSHROOM_HOME": self.home / "home", "MUSHROOM_CONFIG": self.home / "farm.yaml"}
        return mushroom("label", file, *options, DATABASE_URL=url or self.database.url, **where)

    def stored(self) -> list[tuple[Any, ...]]:
        facts = itemgetter("image_path", "content_sha256", "stage", "condition", "labelled_by")
        return [facts(row) for row in rows(self.database, image_label)]


@pytest.fixture
def growers(tmp_path: Path, database: Database) -> Growers:
    for path, content in ((A, "a"), (B, "b"), (C, "c")):
        see(database, path, content)
    return Growers(tmp_path, database)


def test_labels_are_stored_and_what_is_missing_is_told(growers: Growers) -> None:
    file = growers.write(HEADER, f"{A},young,healthy,Li", f" {B} , old ,,", f"{C},,mouldy,Wang")
    result = growers.label(file)
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "3 rows read: 3 added, 0 already there, 0 bad",
            "stage: young 1 (15 missing), old 1 (15 missing), gone 0 (16 missing); "
            "0 of 3 classes have 16, a probe needs 2",
            "condition: healthy 1 (15 missing), mouldy 1 (15 missing); "
            "0 of 2 classes have 16, a probe needs 2",
        ],
    )
    assert growers.stored() == [
        (A, sha("a"), "young", "healthy", "Li"),
        (B, sha("b"), "old", None, None),
        (C, sha("c"), None, "mouldy", "Wang"),
    ]
    before = rows(growers.database, image_label)
    assert "3 rows read: 0 added, 3 already there, 0 bad" in growers.label(file).output
    assert rows(growers.database, image_label) == before


def test_a_class_with_16_images_misses_none(growers: Growers) -> None:
    paths = [image_path("612", 11, hour) for hour in range(17)]
    for path in paths:
        see(growers.database, path, path)
    stages = ["young"] * 15 + ["old"] * 2
    lines = [f"{path},{stage}" for path, stage in zip(paths, stages, strict=True)]
    told = growers.label(growers.write("image_path,stage", *lines)).output
    assert "stage: young 15 (1 missing), old 2 (14 missing), gone 0 (16 missing); 0 of 3" in told
    told = growers.label(growers.write("image_path,stage", f"{A},young")).output
    counts = "stage: young 16, old 2 (14 missing), gone 0 (16 missing)"
    assert f"{counts}; 1 of 3 classes have 16, a probe needs 2" in told


def test_a_file_with_one_kind_leaves_the_other_as_it_was(growers: Growers) -> None:
    growers.label(growers.write(HEADER, f"{A},young,healthy,Li"))
    result = growers.label(growers.write("stage,note,image_path", f"old,any text,{A}"))
    assert "1 rows read: 1 added, 0 already there, 0 bad" in result.output
    assert growers.stored() == [(A, sha("a"), "old", "healthy", None)]


BAD = [
    (3, "no day has seen this image, or could use it", "611/20260110/never.jpg,young,,"),
    (4, "stage is none of the farm file's", f"{B},Young,,"),
    (5, "condition is none of the farm file's", f"{B},old,unknown,"),
    (7, "neither a stage nor a condition", f"{B},,,Li"),
    (8, "image_path is empty", ",young,,"),
    (9, "expected 4 cells, found 3", f"{B},young,"),
    (10, "another stage for the same image earlier in the file", f"{A},old,,"),
    (11, "another stage for the same image earlier in the file", f"{A},old,,"),
    (12, "another condition for the same image earlier in the file", f"{A},,mouldy,"),
]
GOOD = {2: f"{A},young,healthy,Li", 13: f"{A},young,,Li", 14: f"{B},,mouldy,"}


@pytest.fixture
def mixed(growers: Growers) -> Path:
    lines = {1: HEADER, 6: ""} | GOOD | {line: text for line, _, text in BAD}
    return growers.write(*[lines[number] for number in sorted(lines)])


def test_bad_rows_are_listed_with_their_lines_and_nothing_is_stored(
    growers: Growers, mixed: Path
) -> None:
    result = growers.label(mixed)
    assert result.exit_code == 1
    assert f"{mixed}: 9 of 12 rows are bad, nothing was loaded" in result.output
    told = [
        line.split(": ")[:2] for line in result.output.splitlines() if line.startswith("  line ")
    ]
    assert told == [[f"  line {number}", reason] for number, reason, _ in BAD]
    assert "Young" in result.output
    assert "stage is none of the farm file's: young, old, gone" in result.output
    assert growers.stored() == []


def test_skip_bad_stores_the_others_and_writes_the_bad_ones_to_a_file(
    growers: Growers, mixed: Path
) -> None:
    result = growers.label(mixed, "--skip-bad")
    assert result.exit_code == 0
    assert "12 rows read: 2 added, 1 already there, 9 bad" in result.output
    assert growers.stored() == [
        (A, sha("a"), "young", "healthy", "Li"),
        (B, sha("b"), None, "mouldy", None),
    ]
    written = mixed.with_name("labels.csv.bad.csv").read_text(encoding="utf-8").splitlines()
    assert [int(line.split(",")[0]) for line in written[1:]] == [number for number, _, _ in BAD]


def test_an_image_that_could_not_be_used_has_no_label(growers: Growers) -> None:
    see(growers.database, A, "broken", vector=None, status="unreadable", embedding=None)
    result = growers.label(growers.write(HEADER, f"{A},young,,"))
    assert result.exit_code == 1
    assert (
        "line 2: no day has seen this image, or could use it: is the path right, " in result.output
    )


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            "stage,condition",
            "lacks the columns image_path. It has: stage, condition (UTF-8, cells separated by "
            "commas). Remedy: let its first line name the columns",
        ),
        (
            "image_path,labelled_by",
            "lacks a column stage or condition. It has: image_path, labelled_by. "
            "Remedy: add one of them",
        ),
    ],
)
def test_a_file_without_its_columns_is_refused_in_one_message(
    growers: Growers, header: str, told: str
) -> None:
    file = growers.write(header, "x,y")
    result = growers.label(file)
    assert (result.exit_code, result.output) == (1, f"mushroom: {file} {told}\n")


def test_labels_come_from_parquet_too(growers: Growers) -> None:
    file = growers.home / "labels.parquet"
    stages = pa.array(["young", None, "wrong"]).dictionary_encode()
    pq.write_table(
        pa.table({"image_path": [A, B, C], "stage": stages, "condition": [None, "healthy", None]}),
        file,
    )
    assert "  line 3: stage is none of the farm file's" in growers.label(file).output
    assert growers.label(file, "--skip-bad").exit_code == 0
    assert growers.stored() == [
        (A, sha("a"), "young", None, None),
        (B, sha("b"), None, "healthy", None),
    ]


def test_without_tables_the_remedy_is_told(growers: Growers, empty_database_url: str) -> None:
    result = growers.label(growers.write(HEADER, f"{A},young,,"), url=empty_database_url)
    assert result.exit_code == 1
    assert "Remedy: run `mushroom init`" in result.output
