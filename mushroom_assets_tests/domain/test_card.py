"""The report in words, in both languages: changes, what was seen, how earlier batches did."""

import datetime as dt
import unicodedata
from typing import Any

from mushroom_assets.domain.report import EVENTS_SHOWN, Likeness
from mushroom_assets_tests.kit.room_days import (
    BATCH,
    DAY,
    RANDOM,
    RENDERS,
    change,
    farm,
    image,
    stats,
    write,
)


def test_labels_of_an_untrained_model_are_never_judged_or_shown() -> None:
    row = write(images=[image("green_mould", "harvest")] * 48, model_id=RANDOM)
    assert (row["verdict"], row["reasons"]) == ("good", [])
    assert "Images: 48, not judged (the CLIP model has random weights)" in row["summary_md"]
    assert "mould" not in row["summary_md"]
    assert "harvest" not in row["summary_md"]


def test_the_summary_names_the_commonest_stage_and_a_day_without_images() -> None:
    seen = write(images=[image(stage="harvest")] * 3 + [image(stage="fruiting")] * 2)
    told = seen["summary_md"].splitlines()[-3:]
    assert told == [
        "Images: 5, mostly harvest",
        "",
        "Labels: ViT-B-32/laion2b_s34b_b79k by the farm file's prompts; "
        "how right they are here was not measured.",
    ]
    assert write()["summary_md"].endswith("No images")


def test_drawings_are_told_and_how_many_pictures_are_like_them() -> None:
    foreign = image("unknown", "unknown", familiarity=0.0499)
    known = image(familiarity=0.05, probe_id="stage-1 condition-2")
    told = write(images=[known] * 3 + [foreign], model_id=RENDERS)["summary_md"].splitlines()
    assert told[-1] == (
        "Labels: the packaged model, which learned from drawings and never saw a photograph. "
        "3 of 4 pictures are like what it learned. "
        "Beside them those of the farm's own probe: stage-1 condition-2."
    )


def test_where_most_pictures_are_foreign_the_verdict_is_said_to_leave_labels_out() -> None:
    foreign = image("unknown", "unknown", familiarity=0.0)
    pictures = [foreign] * 3 + [image("blotch", familiarity=0.4)] * 2
    lines = write(images=pictures, model_id=RENDERS)["summary_md"].splitlines()
    assert "Images: 5, mostly unknown" in lines
    assert lines[-1].endswith(
        "2 of 5 pictures are like what it learned. The verdict leaves its labels out."
    )
    chinese = write(images=pictures, model_id=RENDERS, of=farm("zh"))["summary_md"].splitlines()
    assert chinese[-1] == (
        "标签来源：随包模型，只学过渲染图，从未见过照片。5 张图像中有 2 张与其所学相似。"
        "结论不采用其标签。"
    )


def test_changes_are_listed_in_order_of_time_in_farm_time() -> None:
    moved = [
        change(70),
        change(5, previous_value=0.0, current_value=1.0, previous_label="off", current_label="on"),
    ]
    lines = write(changes=moved)["summary_md"].splitlines()
    first = lines.index("**Setpoint changes: 2**")
    assert lines[first + 2 : first + 6] == [
        "| time | move |",
        "|---|---|",
        "| 09:05 | air cooler: setpoint off → on |",
        "| 10:10 | air cooler: setpoint 18.0 → 17.5 °C |",
    ]


def test_of_many_changes_the_first_are_shown_and_the_rest_counted() -> None:
    summary = write(changes=[change(minute) for minute in range(EVENTS_SHOWN + 3)])["summary_md"]
    assert summary.count("air cooler: ") == EVENTS_SHOWN
    assert "and 3 more" in summary
    assert (
        "more"
        not in write(changes=[change(minute) for minute in range(EVENTS_SHOWN)])["summary_md"]
    )


def test_the_whole_summary_in_english() -> None:
    row = write(stats(co2={"in_range": 0.75, "mean": 3456.789, "min": 1000.0, "max": 5000.0}))
    assert row["summary_md"].splitlines() == [
        "### Room 611, 2026-01-20: ! watch",
        "",
        "growth day 11, batch of 2026-01-10",
        "",
        "- CO2 in its band of 1500 to 3800 ppm for 75% of the known time",
        "",
        "| quantity | mean | min | max | in range | known |",
        "|---|---|---|---|---|---|",
        "| temperature | 18.1 °C | 17.0 °C | 19.0 °C | 100% | 100% |",
        "| humidity | 18.1 % | 17.0 % | 19.0 % | 100% | 100% |",
        "| CO2 | 3457 ppm | 1000 ppm | 5000 ppm | 75% | 100% |",
        "| VPD | 18.123 kPa | 17.000 kPa | 19.000 kPa | – | 100% |",
        "| dew point | 18.1 °C | 17.0 °C | 19.0 °C | – | 100% |",
        "",
        "**Setpoint changes: 0**",
        "",
        "No earlier batch was recorded at growth day 11.",
        "",
        "No images",
    ]


def test_the_whole_summary_in_chinese() -> None:
    row = write(
        stats(temperature={"in_range": 0.5}, humidity={"coverage": 0.5}),
        of=farm("zh"),
        changes=[change(5)],
        images=[image()] * 2,
    )
    # full-width punctuation aside
    lines = unicodedata.normalize("NFKC", row["summary_md"]).splitlines()
    assert lines[:6] == [
        "### 611 库 2026-01-20:!! 需处理",
        "",
        "生长第 11 天,2026-01-10 入库",
        "",
        "- 温度处于目标区间 17~19.5 °C 的时间占 50%",
        "- 湿度全天仅 50% 的时间有数据(至少需要 70%)",
    ]
    assert lines[7] == "| 指标 | 均值 | 最小 | 最大 | 达标 | 有数据 |"
    assert "**设定变更:1 次**" in lines
    assert lines[-3] == "图像:2 张,多为子实体生长期"
    assert lines[-1] == (
        "标签来源:ViT-B-32/laion2b_s34b_b79k,依据农场文件的提示词;在本农场的准确率未经测量。"
    )
    # Codes are no texts
    assert [reason["code"] for reason in row["reasons"]] == ["in_range", "coverage"]


def test_every_text_exists_in_both_languages() -> None:
    sick = [image("blotch")] * 3 + [image(None, None, "unreadable")]
    worst = stats(
        temperature={"suspect_count": 999}, humidity={"sample_count": 0}, co2={"coverage": 0.1}
    )
    for language, foreign in (("en", "库"), ("zh", "Room")):
        summary = write(
            worst, images=sick, of=farm(language), changes=[change(n) for n in range(20)]
        )["summary_md"]
        assert foreign not in summary
        assert "{" not in summary


ALIKE = Likeness("608", dt.date(2026, 1, 3), 0.9712, 12)


def test_the_past_day_most_alike_is_told_in_one_line() -> None:
    without, told = write()["summary_md"], write(alike=ALIKE)["summary_md"]
    line = "Looked most like room 608 on 2026-01-03 (growth day 12, similarity 0.97)"
    assert told == f"{without}\n\n{line}"
    assert write(alike=ALIKE)["verdict"] == write()["verdict"]


def test_what_is_not_known_of_the_day_most_alike_is_left_out() -> None:
    bare = write(alike=Likeness("608", dt.date(2026, 1, 3), 0.5))["summary_md"]
    assert bare.endswith("Looked most like room 608 on 2026-01-03 (similarity 0.50)")


def test_to_a_model_of_drawings_unfamiliar_pictures_are_like_nothing() -> None:
    foreign = [image("unknown", "unknown", familiarity=0.0)] * 4
    known = [image(familiarity=0.4)] * 4
    line = "Looked most like room 608"
    assert line not in write(images=foreign, alike=ALIKE, model_id=RENDERS)["summary_md"]
    assert line in write(images=known, alike=ALIKE, model_id=RENDERS)["summary_md"]
    assert line in write(images=foreign, alike=ALIKE)["summary_md"]


def test_a_day_that_is_merely_the_least_unlike_is_not_told() -> None:
    assert write(alike=Likeness("608", dt.date(2026, 1, 3), 0.49, 25)) == write()


def test_likeness_in_the_eyes_of_an_untrained_model_is_not_told() -> None:
    assert write(alike=ALIKE, model_id=RANDOM) == write(model_id=RANDOM)


def test_the_day_most_alike_in_chinese() -> None:
    summary = write(alike=ALIKE, of=farm("zh"))["summary_md"]
    assert summary.splitlines()[-1] == ("看起来最像 608 库 2026-01-03（生长第 12 天，相似度 0.97）")


def test_a_move_is_told_with_what_followed_it() -> None:
    followed = [{"temperature": (18.44, 17.96), "humidity": (91.0, None), "co2": (None, None)}]
    lines = write(changes=[change(42)], effects=followed)["summary_md"].splitlines()
    first = lines.index("**Setpoint changes: 1**")
    assert lines[first + 2 : first + 7] == [
        "| time | move | temperature °C | humidity % |",
        "|---|---|---|---|",
        "| 09:42 | air cooler: setpoint 18.0 → 17.5 °C | 18.4 → 18.0 | 91.0 → – |",
        "",
        "Climate: mean of the 60 minutes before → after the move.",
    ]


def peer(room: str, batch: dt.date, **changed: dict[str, Any]) -> list[dict[str, Any]]:
    """A flawless day of an earlier batch at the same age."""
    day = batch + (DAY - BATCH)
    earlier = {"room_id": room, "batch_date": batch, "stat_date": day}
    return [row | earlier for row in stats(**changed)]


def test_a_day_is_compared_with_its_own_rooms_batches_first_and_then_the_latest_elsewhere() -> None:
    batches = [dt.date(2025, month, 1) for month in (9, 10, 11, 12)]
    known = [
        *peer("608", batches[3], temperature={"in_range": 0.5}),
        *peer("611", batches[0], co2={"mean": 2500.0, "in_range": 0.97}),
        *peer("607", batches[2]),
        *peer("612", batches[1]),
    ]
    lines = write(peers=known)["summary_md"].splitlines()
    first = lines.index("**Earlier batches at growth day 11 (mean, share in range)**")
    assert lines[first + 2 :][:6] == [
        "| batch | room | temperature °C | humidity % | CO2 ppm |",
        "|---|---|---|---|---|",
        "| 2026-01-10 | 611 | 18.1, 100% | 18.1, 100% | 18, 100% |",
        "| 2025-09-01 | 611 | 18.1, 100% | 18.1, 100% | 2500, 97% |",
        "| 2025-12-01 | 608 | 18.1, 50% | 18.1, 100% | 18, 100% |",
        "| 2025-11-01 | 607 | 18.1, 100% | 18.1, 100% | 18, 100% |",
    ]


def test_of_a_day_of_which_too_little_is_known_nothing_is_compared() -> None:
    earlier = dt.date(2025, 12, 10)
    lines = write(stats(humidity={"coverage": 0.69}), peers=peer("608", earlier))[
        "summary_md"
    ].splitlines()
    own = next(line for line in lines if line.startswith("| 2026-01-10 | 611 "))
    assert own == "| 2026-01-10 | 611 | 18.1, 100% | – | 18, 100% |"


def test_a_bar_in_a_name_breaks_no_table() -> None:
    moved = write(changes=[change(0, point_description="a|b")])["summary_md"]
    assert "air cooler: a\\|b 18.0 → 17.5 °C" in moved
