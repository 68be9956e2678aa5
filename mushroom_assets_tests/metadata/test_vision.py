"""What a day of `daily_clip_inference` shows, against counting by hand.

Markdown is read by another implementation.
"""

import datetime as dt
import io
import itertools
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any, cast

import dagster as dg
import numpy as np
import pytest
from dagster._serdes import serialize_value
from PIL import Image

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.image_row import DailyClipInference
from mushroom_assets.inference.images import thumbnail
from mushroom_assets.metadata.contact_sheet import (
    LEAST_CERTAIN,
    contact_sheet,
    least_certain,
    room_pictures,
    spread,
)
from mushroom_assets.metadata.vision import NAMED, vision_metadata
from mushroom_assets_tests.kit.markdown import pictures, tables, texts
from mushroom_assets_tests.kit.room_days import MODEL, RENDERS

DAY = dt.date(2026, 1, 10)
ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
STAGES = ("substrate", "primordia", "fruiting", "harvest", "harvested")


def farm(language: str = "en", rooms: Sequence[str] = ("607", "611")) -> Farm:
    listed = ", ".join(f'"{room}": {{}}' for room in rooms)
    begin = "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\n"
    return parse_farm(f"{begin}language: {language}\nrooms: {{{listed}}}\n")


def image(
    hour: float, room: str = "611", camera: str = "cam1", **changed: Any
) -> DailyClipInference:
    """A row; `shares` are the stages' probabilities, the others share what is left."""
    at = dt.datetime.combine(DAY, dt.time(), tzinfo=ZONE) + dt.timedelta(hours=hour)
    shares = changed.pop("shares", {"fruiting": 0.97, "harvest": 0.02})
    (first, leading), (_, following) = sorted(shares.items(), key=lambda share: -share[1])
    stages = dict.fromkeys(STAGES, 0.0) | shares
    row = {
        "image_path": f"{room}/20260110/{room}_{camera}_202615_{at:%Y%m%d%H%M%S}.jpg",
        "room_id": room,
        "camera": camera,
        "captured_at": at.astimezone(dt.UTC),
        "growth_day": 6,
        "status": "ok",
        "error": None,
        "stage": first if leading - following >= 0.1 else "unknown",
        "stage_probability": leading,
        "stage_margin": leading - following,
        "condition": "healthy",
        "condition_probability": 0.88,
        "brightness": 0.4,
        "scores": {"stage": stages, "condition": {"healthy": 0.88, "blotch": 0.05}},
        "familiarity": None,
        "probe_stage": None,
        "probe_stage_probability": None,
        "probe_id": None,
    }
    return cast(DailyClipInference, row | changed)


def broken(number: int, reason: str = "the file is empty (0 bytes)") -> DailyClipInference:
    row = image(number % 24, camera=f"cam{number:03}")
    unset = (
        "stage",
        "stage_probability",
        "stage_margin",
        "condition",
        "condition_probability",
        "scores",
        "brightness",
    )
    found = {**row, **dict.fromkeys(unset), "status": "unreadable", "error": reason}
    return cast(DailyClipInference, found)


def jpeg(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


GREY = jpeg(np.full((9, 16, 3), 128))


class Draw:
    """Remembers what it was asked for; `lost` files have no picture."""

    def __init__(self, picture: bytes = GREY, lost: Sequence[str] = ()) -> None:
        self.picture = picture
        self.lost = lost
        self.asked: list[list[str]] = []

    def __call__(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        self.asked.append(list(paths))
        return {path: self.picture for path in paths if path not in self.lost}


def shown(rows: Sequence[Any], of: Farm | None = None, **options: Any) -> dict[str, Any]:
    """The metadata as Dagster stores it: by key the value, of Markdown and texts the text."""
    options = {"trained": True, "draw": Draw(), **options}
    metadata = vision_metadata(rows, "tiny/w/prompts-1", farm=of or farm(), **options)
    event = dg.AssetMaterialization("daily_clip_inference", metadata=metadata)
    return {key: value.value for key, value in event.metadata.items()}


def table(value: Any) -> list[dict[str, Any]]:
    return [dict(record.data) for record in value.records]


def hours(rows: Sequence[Mapping[str, Any] | None]) -> list[int | None]:
    return [row["captured_at"].astimezone(ZONE).hour if row else None for row in rows]


def test_pictures_are_spread_over_the_day_and_a_gap_stays_a_gap() -> None:
    day = [image(hour + 1 / 60) for hour in range(24)]
    # The middles of parts of 4 hours
    assert hours(spread(day, 6, farm())) == [2, 6, 10, 14, 18, 22]
    assert hours(spread(day, 4, farm())) == [3, 9, 15, 21]
    assert hours(spread(day, 1, farm())) == [12]
    dark = [row for row, hour in zip(day, range(24), strict=True) if not 4 <= hour < 9]
    assert hours(spread(dark, 6, farm())) == [2, None, 10, 14, 18, 22]
    assert spread([], 3, farm()) == [None] * 3


def test_a_rooms_few_pictures_are_of_one_camera_after_the_other() -> None:
    day = [image(hour, camera=camera) for camera in ("east", "west") for hour in range(24)]
    chosen = [row for row in spread(day, 4, farm()) if row]
    assert [row["camera"] for row in chosen] == ["east", "west", "east", "west"]
    draw = Draw()
    (strip,) = tables(room_pictures([*day, broken(7)], farm(), draw, trained=True))
    assert texts(strip)[0] == ["03:00", "09:00", "15:00", "21:00"]
    assert texts(strip)[2:] == [["fruiting 97%"] * 4, ["healthy 88%"] * 4]
    assert [list(cell.pictures) for cell in strip[1]] == [
        [path.split("/")[-1]] for path in draw.asked[0]
    ]
    assert room_pictures([broken(7)], farm(), draw, trained=True) == ""


def test_the_sheet_has_a_line_a_camera_in_order_with_captions() -> None:
    places = itertools.product(("611", "607"), ("b", "a"), (22, 2, 10))
    rows = [image(hour, room, camera) for room, camera, hour in places]
    sheet = contact_sheet(rows, farm(), Draw(), trained=True)
    assert (
        sheet.splitlines()[0]
        == "12 of the day's 12 pictures, spread over the day, at most 6 a camera."
    )
    headings = [line for line in sheet.splitlines() if line.startswith("#")]
    assert headings == [
        f"#### Room {place}, growth day 6"
        for place in ("607, camera a", "607, camera b", "611, camera a", "611, camera b")
    ]
    for strip in tables(sheet):
        assert texts(strip) == [
            ["02:00", "–", "10:00", "–", "–", "22:00"],
            ["", "–", "", "–", "–", ""],
            ["fruiting 97%", "", "fruiting 97%", "", "", "fruiting 97%"],
            ["healthy 88%", "", "healthy 88%", "", "", "healthy 88%"],
        ]
    assert len(pictures(sheet)) == 12


def test_captions_are_in_the_farms_language() -> None:
    rows = [
        image(2),
        image(10, shares={"harvest": 0.41, "fruiting": 0.38}),
        image(18, probe_stage="harvest", probe_stage_probability=0.8),
    ]
    sheet = contact_sheet(rows, farm("zh"), Draw(), trained=True)
    assert sheet.splitlines()[0] == "当天共 3 张图像，此处按时间均匀选取 3 张，每台相机最多 6 张。"
    assert "#### 611 库，相机 cam1，生长第 6 天" in sheet
    (strip,) = tables(sheet)
    columns = list(zip(*texts(strip[2:]), strict=True))
    assert columns[0] == ("子实体生长期 97%", "健康 88%", "")
    assert columns[2] == ("不确定（采收期 41%）", "健康 88%", "")
    assert columns[4] == ("子实体生长期 97%", "健康 88%", "自有探针：采收期 80%")
    assert "unknown (harvest 41%)" in contact_sheet(rows, farm(), Draw(), trained=True)


def test_a_file_that_vanished_is_a_cell_without_its_picture() -> None:
    rows = [image(2), image(10)]
    sheet = contact_sheet(rows, farm(), Draw(lost=[rows[0]["image_path"]]), trained=True)
    (strip,) = tables(sheet)
    assert strip[1][0] == ("–", {})
    assert strip[2][0].text == "fruiting 97%"
    assert list(pictures(sheet)) == [rows[1]["image_path"].split("/")[-1]]


def test_the_least_certain_come_first_and_dark_frames_last() -> None:
    rows = [
        image(hour, shares={"fruiting": 0.9 - hour / 100, "harvest": 0.05}) for hour in range(12)
    ]
    rows += [image(20, shares={"harvest": 0.31, "primordia": 0.3}, brightness=0.02)]
    draw = Draw()
    (found,) = tables(least_certain(rows, farm(), draw))
    assert draw.asked == [[image(hour)["image_path"] for hour in range(11, 11 - LEAST_CERTAIN, -1)]]
    assert texts(found)[0] == ["picture", "image", "stage", "second", "lead"]
    first = (
        "Room 611, camera cam1, growth day 6, 11:00 611/20260110/611_cam1_202615_20260110110000.jpg"
    )
    assert texts(found)[1] == ["", first, "fruiting 79.0%", "harvest 5.0%", "74.0%"]
    (dark,) = tables(least_certain(rows[-1:], farm(), None))
    assert texts(dark)[1][1:] == ["harvest 31.0%", "primordia 30.0%", "1.0%"]


def test_what_is_unlike_all_that_was_learned_is_not_among_the_doubtful() -> None:
    foreign = image(3, stage="unknown", condition="unknown", familiarity=0.04)
    found = shown([image(2, familiarity=0.05), foreign])
    (doubtful,) = tables(found["least_certain"])
    assert len(doubtful[1:]) == 1
    assert "20260110020000.jpg" in texts(doubtful)[1][1]
    assert "least_certain" not in shown([foreign])


@pytest.mark.parametrize(
    ("left", "said"), [([], "unknown"), (["fruiting", "harvest"], "unknown (fruiting, harvest)")]
)
def test_where_the_probe_excludes_its_own_label_the_others_are_told(
    left: list[str], said: str
) -> None:
    unknown = image(2, probe_stage="unknown", probe_stage_probability=0.8, probe_stages=left)
    (doubtful,) = tables(shown([unknown, image(10)])["least_certain"])
    assert [line[-1] for line in texts(doubtful)] == ["own probe", said, "–"]


def test_the_farms_own_probe_stands_beside_the_zero_shot_label() -> None:
    rows = [image(2, probe_stage="harvest", probe_stage_probability=0.8), image(10)]
    found = shown(rows)
    (strip,) = tables(found["contact_sheet"])
    assert [cell.text for cell in strip[4]] == ["own probe: harvest 80%", *[""] * 5]
    (doubtful,) = tables(found["least_certain"])
    assert [line[-1] for line in texts(doubtful)] == ["own probe", "harvest 80%", "–"]
    assert table(found["probe_stages"])[1] == {"room": "611", "share of the images": "harvest 100%"}
    assert "probe_stages" not in shown([image(2)])


def counted_day() -> list[DailyClipInference]:
    """Nine images: six of room 611, one of them broken, and three of room 607."""
    rows = [image(hour) for hour in range(3)] + [image(3, shares={"harvest": 0.9, "fruiting": 0.1})]
    rows += [image(4, shares={"harvest": 0.5, "fruiting": 0.45}, condition="blotch"), broken(5)]
    substrate = {"substrate": 0.9, "harvest": 0.1}
    rows += [image(hour, "607", growth_day=None, shares=substrate) for hour in range(3)]
    return rows


def test_shares_by_room_are_those_counted_by_hand() -> None:
    found = shown(counted_day())
    shares = "share of the images"
    assert table(found["stages"]) == [
        {"room": "607", "growth day": None, "images": 3, shares: "substrate 100%"},
        {
            "room": "611",
            "growth day": 6,
            "images": 6,
            shares: "fruiting 60%, harvest 20%, unknown 20%",
        },
    ]
    conditions = ["healthy 100%", "healthy 80%, bacterial blotch 20%"]
    assert [line[shares] for line in table(found["conditions"])] == conditions


def test_shares_of_the_farm_are_those_counted_by_hand() -> None:
    found = shown(counted_day())
    stages = {"substrate": 3, "primordia": 0, "fruiting": 3, "harvest": 1, "harvested": 0}
    stages["unknown"] = 1
    assert {name: found[f"stage_{name} (0-1)"] for name in stages} == {
        name: count / 8 for name, count in stages.items()
    }
    conditions = {
        name: found[f"condition_{name} (0-1)"] for name in (*farm().vision.conditions, "unknown")
    }
    assert {name: share for name, share in conditions.items() if share} == {
        "healthy": 7 / 8,
        "blotch": 1 / 8,
    }
    assert found["dagster/partition_row_count"] == 9
    assert (found["images_ok"], found["images_not_ok"]) == (8, 1)
    assert (found["rooms_without_images"], found["strays"]) == (0, 0)


def plotted(day: dict[str, Any]) -> set[str]:
    return {key for key, value in day.items() if isinstance(value, int | float)}


def test_what_is_plotted_has_the_same_keys_every_day() -> None:
    first = plotted(shown([image(2)]))
    unsure = image(9, shares={"harvest": 0.5, "fruiting": 0.45})
    assert first == plotted(shown([unsure, broken(1)], draw=None))
    assert len(first) == 5 + len(STAGES) + len(farm().vision.conditions) + 2


def test_files_that_cannot_be_used_are_named_with_their_reason_up_to_a_bound() -> None:
    found = shown([image(2), *map(broken, range(NAMED + 5))])["not_ok"]
    assert found.count("the file is empty (0 bytes)") == NAMED
    assert found.endswith("and 5 more")
    odd = broken(1, "the name is not <room>_<camera>.jpg | a*b*")
    strays = [{"image_path": "elsewhere/", "reason": "as it is stored"}]
    found = shown([odd], strays=strays)
    assert r"the name is not \<room\>\_\<camera\>.jpg \| a\*b\*" in found["not_ok"]
    reason = "no room has the folder elsewhere; the rooms' folders are 607, 611. Remedy: "
    assert found["quarantine"].startswith(f"elsewhere/: {reason}")
    told = shown([odd], farm("zh"), strays=strays)["quarantine"]
    assert told.startswith("elsewhere/: 没有库房使用文件夹 elsewhere；各库房的文件夹为 607, 611。")
    assert "contact_sheet" not in found  # nothing to be shown
    assert not {"not_ok", "quarantine"} & set(shown([image(2)]))


def test_the_day_says_what_its_labels_come_from_and_how_many_pictures_are_known() -> None:
    rows = [image(2, familiarity=0.3), image(3, familiarity=0.02), image(4, familiarity=0.05)]
    found = vision_metadata(rows, RENDERS, trained=True, farm=farm())["labels_from"].value
    assert found == (
        "Labels: the packaged model, which learned from drawings and never saw a photograph. "
        "2 of 3 pictures are like what it learned."
    )
    own = vision_metadata([image(2)], MODEL, trained=True, farm=farm("zh"))["labels_from"].value
    assert own.startswith("标签来源：ViT-B-32/laion2b\\_s34b\\_b79k，")


def test_a_foreign_picture_is_not_guessed_at() -> None:
    foreign = image(2, stage="unknown", condition="unknown", familiarity=0.01)
    unsure = image(9, shares={"harvest": 0.41, "fruiting": 0.4}, familiarity=0.5)
    sheet = contact_sheet([foreign, unsure], farm(), Draw(), trained=True)
    assert sheet.count("unknown (unlike what the model knows)") == 2  # stage and condition
    assert "unknown (harvest 41%)" in sheet


def test_of_random_weights_a_chinese_farm_is_told_in_chinese() -> None:
    assert "随机权重" in shown([image(2)], farm("zh"), trained=False)["note"]


def test_of_random_weights_nothing_is_claimed() -> None:
    found = shown([image(2, probe_stage="harvest", probe_stage_probability=0.8)], trained=False)
    assert "random weights" in found["note"]
    (strip,) = tables(found["contact_sheet"])
    assert [texts(strip)[0][0], len(strip), len(strip[1][0].pictures)] == ["02:00", 2, 1]
    said = " ".join(f"{key}: {value}" for key, value in found.items())
    assert not [name for name in (*STAGES, "healthy", "97%") if name in said]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Materialize this day alone"), ("zh", "单独物化")]
)
def test_a_day_without_pictures_says_how_to_get_them(language: str, said: str) -> None:
    found = shown([image(2)], farm(language), draw=None)
    assert said in found["contact_sheet"]
    assert len(found["contact_sheet"]) < 1000  # longer Markdown is behind a click
    assert "data:" not in f"{found}"
    assert "20260110020000.jpg" in found["least_certain"]


def test_forty_rooms_of_the_noisiest_pictures_stay_below_a_megabyte() -> None:
    rooms = [str(number) for number in range(601, 641)]
    noise = thumbnail(jpeg(np.random.default_rng(0).integers(0, 256, (1616, 2880, 3))))
    padded = noise + bytes(6000 - len(noise))  # as large as a thumbnail may be
    places = itertools.product(rooms, ("1921681001", "1921681002"), range(24))
    rows: list[Any] = [image(hour, room, camera) for room, camera, hour in places]
    metadata = vision_metadata(rows, "m", trained=True, farm=farm(rooms=rooms), draw=Draw(padded))
    assert len(serialize_value(dg.AssetMaterialization("a", metadata=metadata))) < 1_000_000
    sheet = str(metadata["contact_sheet"].value)
    assert sheet.startswith("80 of the day's 1920 pictures")
    drawn = [
        name.replace("\\", "").split("_")
        for name in re.findall(r"!\[(.*?)\]\(data:image/jpeg;base64,", sheet)
    ]
    assert sorted((room, camera) for room, camera, *_ in drawn) == sorted(
        {(row["room_id"], row["camera"]) for row in rows}
    )
    assert {stamp for *_, stamp in drawn} == {"20260110120000.jpg"}  # at noon
    assert "| Room 601, camera 1921681001, growth day 6, 12:00 |" in sheet


def test_cameras_beyond_the_bound_are_counted() -> None:
    rows = [image(12, camera=f"cam{number:03}") for number in range(85)]
    sheet = contact_sheet(rows, farm(), Draw(), trained=True)
    assert sheet.splitlines()[0].endswith("the one nearest to noon. 5 more cameras are not shown.")
    assert len(pictures(sheet)) == 80
