"""Strays: what no day will look at, by names alone."""

import pytest

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.strays import Entry, is_day, room_strays, root_strays, stray_text

FARM = parse_farm(
    "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\n"
    'rooms: {"607": {folder: "7"}, "611": {}, "612": {folder: north/612}}\n'
)


def test_under_the_root_only_the_rooms_folders_belong() -> None:
    entries = [
        Entry("elsewhere", True),
        Entry("611", True),
        Entry("607", True),
        Entry("7", True),
        Entry("north", True),
    ]
    assert root_strays(entries, FARM) == [
        (
            f"{name}/",
            f"no room has the folder {name}; the rooms' folders are 7, 611, north/612. "
            f"Remedy: give its room `folder: {name}` in the farm file, "
            "or move its days into a room's folder",
        )
        for name in ("607", "elsewhere")
    ]


def test_a_file_under_the_root_is_a_stray_also_with_a_rooms_name() -> None:
    strays = root_strays([Entry("611", False), Entry("a.jpg", False)], FARM)
    assert [path for path, _ in strays] == ["611", "a.jpg"]
    assert {reason for _, reason in strays} == {
        "a file right under the root. Remedy: move it into its day, <room>/<YYYYMMDD>/"
    }


def test_in_a_rooms_folder_only_days_belong() -> None:
    entries = [
        Entry("20260110", True),
        Entry("2026-01-10", True),
        Entry("a.jpg", False),
        Entry("20260111", False),
    ]
    assert room_strays("7", entries) == [
        (
            "7/2026-01-10/",
            "the folder's name is no day as YYYYMMDD. Remedy: rename it to the day of its images",
        ),
        *(
            (
                f"7/{name}",
                "a file right under a room's folder. "
                "Remedy: move it into 7/<YYYYMMDD>/, the day of its capture",
            )
            for name in ("20260111", "a.jpg")
        ),
    ]


def test_what_systems_leave_is_no_stray() -> None:
    entries = [Entry(".snapshot", True), Entry(".DS_Store", False), Entry("lost+found", True)]
    assert root_strays(entries, FARM) == room_strays("7", entries) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("20260110", True),
        ("20240229", True),
        ("20230229", False),
        ("20261301", False),
        ("00000101", False),
        ("2026011", False),
        ("202601100", False),
        ("2026011a", False),
        ("٢٠٢٦٠١١٠", False),  # digits, but not ours
        ("20260110\n", False),
        ("", False),
    ],
)
def test_a_day_is_eight_digits_and_a_date(name: str, expected: bool) -> None:
    assert is_day(name) is expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("elsewhere/", "没有库房使用文件夹 elsewhere；各库房的文件夹为 7, 611, north/612"),
        ("a.jpg", "根目录下的文件"),
        ("north/612/a.jpg", "移入拍摄当天的文件夹 north/612/<YYYYMMDD>/"),
        ("7/2026-01-10/", "文件夹名不是 YYYYMMDD 形式的日期"),
    ],
)
def test_a_chinese_farm_reads_the_reason_in_chinese(path: str, reason: str) -> None:
    chinese = FARM.model_copy(update={"language": "zh"})
    assert reason in stray_text(path, chinese)


def test_an_english_farm_reads_the_reason_that_is_stored() -> None:
    entries = [Entry("elsewhere", True), Entry("a.jpg", False)]
    for path, reason in [*root_strays(entries, FARM), *room_strays("north/612", entries)]:
        assert stray_text(path, FARM) == reason
    chinese = FARM.model_copy(update={"language": "zh"})
    assert root_strays(entries, chinese) == root_strays(entries, FARM)
