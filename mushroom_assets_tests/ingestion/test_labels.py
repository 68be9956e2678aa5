"""`mushroom label`: every label is stored on the bytes that were seen, or named with its fault."""

import csv
import io
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from mushroom_assets.cli.similar import encoder_name
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_label
from mushroom_assets.storage.vision.label_queue import uncertain, unfamiliar
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.labels import image_path, say, see, sha
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

    def write(self, *lines: str, encoding: str = "utf-8") -> Path:
        file = self.home / "labels.csv"
        file.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
        return file

    def label(self, *arguments: object, url: str | None = None, **settings: object) -> Result:
        where = {"MUSHROOM_HOME": self.home / "home", "MUSHROOM_CONFIG": self.home / "farm.yaml"}
        settings = {**where, "DATABASE_URL": url or self.database.url, **settings}
        return mushroom("label", *arguments, **settings)

    def speak(self, language: str) -> None:
        """Let the farm have this language, and texts for its labels."""
        text = FARM.replace(
            "{young: {prompts: [x]}", "{young: {text: {en: pins, zh: 原基}, prompts: [x]}"
        )
        text = text.replace("gone: {", "gone: {text: {en: picked, zh: 采后}, ")
        text = text.replace("mouldy: {", "mouldy: {text: {en: green mould, zh: 绿霉}, ")
        (self.home / "farm.yaml").write_text(f"{text}language: {language}\n", encoding="utf-8")

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
    (4, "stage is none of the farm file's", f"{B},youngish,,"),
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
    assert "youngish" in result.output
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


# --- in people's words


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("separator", "encoding"),
    [(",", "utf-8"), (";", "gbk"), ("\t", "utf-8-sig"), (";", "utf-16"), ("\t", "gb18030")],
)
def test_labels_may_be_written_in_either_language_as_excel_saves_them(
    growers: Growers, language: str, separator: str, encoding: str
) -> None:
    growers.speak(language)
    lines = [f"{A},原基,绿 霉,李", f"{B},Old,Green Mould,", f"{C},PICKED,healthy,Wang"]
    lines = [line.replace(",", separator) for line in (HEADER, *lines)]
    result = growers.label(growers.write(*lines, encoding=encoding))
    assert (result.exit_code, "3 rows read: 3 added" in result.output) == (0, True)
    assert growers.stored() == [
        (A, sha("a"), "young", "mouldy", "李"),
        (B, sha("b"), "old", "mouldy", None),
        (C, sha("c"), "gone", "healthy", "Wang"),
    ]


def test_what_stands_for_no_label_is_told_with_all_that_can_be_written(growers: Growers) -> None:
    growers.speak("zh")
    result = growers.label(growers.write(HEADER, f"{A},未知,,", f"{B},,mould,"))
    assert result.exit_code == 1
    assert (
        "line 2: stage is none of the farm file's: young (pins, 原基), old, gone (picked, 采后): "
        in result.output
    )
    assert (
        "line 3: condition is none of the farm file's: healthy, mouldy (green mould, 绿霉): "
        in result.output
    )
    assert growers.stored() == []


def test_a_text_of_two_labels_is_refused_with_both(growers: Growers) -> None:
    growers.speak("en")
    farm = growers.home / "farm.yaml"
    text = farm.read_text(encoding="utf-8").replace("picked", "Pins")
    farm.write_text(text, encoding="utf-8")
    result = growers.label(growers.write(HEADER, f"{A},pins,,", f"{B},gone,,"))
    assert result.exit_code == 1
    assert "line 2: stage may be young or gone: write which, by its name: " in result.output
    assert growers.stored() == []


# --- equal bytes


def test_in_one_file_two_labels_of_equal_bytes_are_a_fault_that_names_both_paths(
    growers: Growers,
) -> None:
    see(growers.database, B, "a")  # the bytes of A
    result = growers.label(growers.write(HEADER, f"{A},young,healthy,", f"{B},old,healthy,"))
    assert result.exit_code == 1
    reason = f"another stage for the same image, byte for byte that of {A}, earlier in the file"
    assert f"line 3: {reason}: {B},old,healthy," in result.output
    assert growers.stored() == []
    growers.label(growers.write(HEADER, f"{A},young,healthy,", f"{B},old,,"), "--skip-bad")
    assert growers.stored() == [(A, sha("a"), "young", "healthy", None)]
    result = growers.label(growers.write(HEADER, f"{A},young,,", f"{B},,healthy,"))
    assert result.exit_code == 0  # they say nothing of one kind


def test_over_time_two_labels_of_equal_bytes_are_told_with_the_one_that_counts(
    growers: Growers,
) -> None:
    growers.speak("en")
    see(growers.database, B, "a")
    told = growers.label(growers.write(HEADER, f"{A},young,,")).output
    assert "byte for byte" not in told
    told = growers.label(growers.write(HEADER, f"{B},old,,", f"{C},old,,")).output
    assert (
        f"{B} is old (stage), {A}, the same picture byte for byte, is young: the later label, old, "
        "counts\n" in told
    )
    assert "2 rows read: 2 added" in told
    # The same again changes nothing, so the other one counts on
    told = growers.label(growers.write(HEADER, f"{A},young,,")).output
    assert f"{B} is old (stage), {A}, the same picture" in told
    growers.speak("zh")
    told = growers.label(growers.write(HEADER, f"{A},young,,")).output
    assert f"{B} 标为 old（stage），而内容完全相同的 {A} 标为 young：以较晚的 old 为准\n" in told
    told = growers.label(growers.write(HEADER, f"{A},old,,")).output
    assert "以较晚的" not in told


def test_more_than_twenty_contradictions_are_counted(growers: Growers) -> None:
    paths = [image_path("611", 11, hour) for hour in range(24)]
    for path in paths:
        see(growers.database, path, "frozen")
    growers.label(growers.write("image_path,stage", *(f"{path},young" for path in paths)))
    see(growers.database, A, "frozen")
    told = growers.label(growers.write("image_path,stage", f"{A},old")).output.splitlines()
    assert sum("byte for byte" in line for line in told) == 20
    assert "and 4 more such pictures" in told


# --- rooms


def test_classes_that_come_each_from_rooms_of_their_own_are_told(growers: Growers) -> None:
    rooms = {"young": "611", "old": "612", "gone": "613"}
    for number, (stage, room) in enumerate(rooms.items()):
        paths = [image_path(room, 10 + number, hour) for hour in range(16 - (stage == "gone"))]
        for path in paths:
            see(growers.database, path, path)
        told = growers.label(
            growers.write("image_path,stage", *(f"{path},{stage}" for path in paths))
        ).output
        assert ("may have learned the room" in told) == (stage != "young")
    # `gone` has too few labels to be known at all
    assert told.splitlines()[-1] == (
        "stage: It may have learned the room, not the class: no other class is labelled in the "
        "rooms of young: 611; old: 612. Label these classes in rooms where others were labelled "
        "too."
    )
    see(growers.database, A, "a")
    told = growers.label(growers.write("image_path,stage", f"{A},old")).output
    assert "may have learned the room" not in told  # 611 has both now


# --- what to label next


def queued(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def judged(growers: Growers) -> Growers:
    """Three days of two cameras, hourly, by the packaged model; cam1 has a label on day 11."""
    encoder = encoder_name(load_settings())
    for day in (11, 12, 13):
        for hour in range(4):
            for camera in ("cam1", "cam2"):
                path = image_path("611", day, hour).replace("cam1", camera)
                margin = 0.1 * (day - 10) + 0.01 * hour + (camera == "cam2") * 0.005
                see(
                    growers.database,
                    path,
                    path,
                    encoder=encoder,
                    camera=camera,
                    stage_margin=margin,
                    familiarity=None,
                )
    say(growers.database, image_path("611", 11, 0), "young")
    return growers


def test_the_least_certain_are_to_be_labelled_next_one_of_a_camera_and_day(
    judged: Growers,
) -> None:
    result = judged.label("--queue", 4)
    assert result.exit_code == 0
    rows = queued(result.output)
    cam1, cam2 = "cam1", "cam2"
    expected = [(11, 0, cam2), (12, 0, cam1), (12, 0, cam2), (13, 0, cam1)]
    paths = [image_path("611", day, hour).replace("cam1", cam) for day, hour, cam in expected]
    assert [row["image_path"] for row in rows] == paths
    assert [row["margin"] for row in rows] == ["0.1050", "0.2000", "0.2050", "0.3000"]
    assert {row["reason"] for row in rows} == {"least certain"}
    assert {row["familiarity"] for row in rows} == {""}
    # Of day 11 cam1 has a label already: its other images are nearly the same
    assert len(queued(judged.label("--queue", 100).output)) == 5


def test_half_of_them_are_the_least_familiar_where_the_weights_say(judged: Growers) -> None:
    with judged.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE farm.daily_clip_inference SET familiarity ="
            " 1 - stage_margin WHERE image_date >= '2026-01-11'"
        )
    judged.speak("zh")
    rows = queued(judged.label("--queue", 4).output)
    assert [row["reason"] for row in rows] == ["最不熟悉", "最不确定"] * 2
    # The familiar ones are the certain ones: both ends
    odd, unsure = ((13, "cam2", 3), (13, "cam1", 3)), ((11, "cam2", 0), (12, "cam1", 0))
    paths = [
        image_path("611", day, hour).replace("cam1", cam)
        for pair in zip(odd, unsure, strict=True)
        for day, cam, hour in pair
    ]
    assert [row["image_path"] for row in rows] == paths
    assert [row["familiarity"] for row in rows] == ["0.6650", "0.8950", "0.6700", "0.8000"]


def test_what_is_unlike_all_that_was_learned_is_not_called_uncertain(judged: Growers) -> None:
    with judged.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE farm.daily_clip_inference SET familiarity = 0.04")
    rows = queued(judged.label("--queue", 100).output)
    assert {row["reason"] for row in rows} == {"least familiar"}
    assert len(rows) == 5


def test_of_a_day_with_an_unfamiliar_image_the_uncertain_one_is_queued(judged: Growers) -> None:
    """Of each camera and day the first image is unfamiliar, and the least certain of all."""
    with judged.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE farm.daily_clip_inference SET familiarity ="
            " CASE WHEN image_path LIKE '%%000000.jpg' THEN 0.01 ELSE 0.5 END"
        )
        found = uncertain(connection, encoder_name(load_settings()), 0.05)
    assert len(found) == 5
    assert {one.familiarity for one in found} == {0.5}


def test_what_is_equally_unfamiliar_comes_from_all_cameras_by_turns(judged: Growers) -> None:
    with judged.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE farm.daily_clip_inference SET familiarity = 0.01")
        connection.exec_driver_sql("DELETE FROM farm.image_label")
        found = unfamiliar(connection, encoder_name(load_settings()))
    turns = [(one.camera, one.image_date.day) for one in found]
    assert turns == [(camera, day) for day in (13, 12, 11) for camera in ("cam1", "cam2")]


def test_the_queue_is_a_file_that_is_filled_in_and_loaded(judged: Growers) -> None:
    file = judged.home / "queue.csv"
    result = judged.label("--queue", 3, "-o", file)
    assert result.output.splitlines() == [
        f"3 images to label: {file}",
        f"fill in stage and condition, then: mushroom label {file}",
    ]
    again = judged.label("--queue", 3, "-o", file)
    assert again.exit_code == 2
    assert "may have labels in it; name another file" in again.output
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    lines[2] = lines[2].replace(",,,,", ",old,mouldy,Li,", 1)
    file.write_text("\n".join(lines), encoding="utf-8-sig")
    before = len(judged.stored())
    told = judged.label(file).output
    assert told.splitlines()[:2] == [
        "2 rows without a label are left out",
        "1 rows read: 1 added, 0 already there, 0 bad",
    ]
    assert len(judged.stored()) == before + 1
    first = queued(file.read_text(encoding="utf-8-sig"))[1]["image_path"]
    assert (first, sha(first), "old", "mouldy", "Li") in judged.stored()
    assert first not in judged.label("--queue", 100).output


def test_a_queue_that_nobody_filled_in_adds_nothing(judged: Growers) -> None:
    file = judged.home / "queue.csv"
    judged.label("--queue", 3, "-o", file)
    before = judged.stored()
    told = judged.label(file).output.splitlines()
    assert told[:2] == [
        "3 rows without a label are left out",
        "0 rows read: 0 added, 0 already there, 0 bad",
    ]
    assert judged.stored() == before


def test_a_queue_cannot_be_written_where_there_is_no_folder(judged: Growers) -> None:
    result = judged.label("--queue", 3, "-o", judged.home / "nowhere" / "queue.csv")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_other_models_images_and_those_that_cannot_be_used_are_not_queued(
    judged: Growers,
) -> None:
    for path in [row["image_path"] for row in queued(judged.label("--queue", 100).output)]:
        say(judged.database, path, "old")
    rest = queued(judged.label("--queue", 100).output)
    assert {row["image_path"] for row in rest}.isdisjoint({A, B, C})  # of the model tiny/weights-1
    with judged.database.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE farm.daily_clip_inference SET status = 'rejected', embedding = NULL"
            " WHERE image_date >= '2026-01-11'"
        )
    result = judged.label("--queue", 5)
    assert result.exit_code == 1
    assert "no image without a label was judged by" in result.output
    assert "Remedy: materialize daily_clip_inference" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give either FILE or --queue N"),
        (("--queue", "0"), "0 is not in the range"),
        (("-o", "x.csv"), "give either FILE or --queue N"),
    ],
)
def test_a_file_or_a_queue_is_asked_for(
    growers: Growers, arguments: tuple[str, ...], told: str
) -> None:
    result = growers.label(*arguments)
    assert (result.exit_code, told in result.output) == (2, True)
    file = growers.write(HEADER, f"{A},young,,")
    result = growers.label(file, "-o", "x.csv")
    assert "-o goes with --queue N" in result.output
    assert "give either FILE or --queue N" in growers.label(file, "--queue", "3").output
