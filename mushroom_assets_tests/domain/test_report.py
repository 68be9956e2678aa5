"""The daily verdict at its exact thresholds, what it may be built on, and its words in both languages."""

import datetime as dt
import unicodedata
from typing import Any

import pytest

from mushroom_assets.domain.farm import Farm, parse_farm
from mushroom_assets.domain.report import EVENTS_SHOWN, Likeness, RoomDay, report

DAY = dt.date(2026, 1, 20)
BATCH = dt.date(2026, 1, 10)  # growth day 11: fruiting


def farm(language: str = "en", addition: str = "") -> Farm:
    return parse_farm(
        f"timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nlanguage: {language}\nrooms: {{'611': {{}}}}\n{addition}"
    )


def stat(quantity: str, **changed: Any) -> dict[str, Any]:
    units = {"temperature": "°C", "humidity": "%", "co2": "ppm", "vpd": "kPa", "dew_point": "°C"}
    row: dict[str, Any] = {
        "quantity": quantity, "unit": units[quantity], "sample_count": 1440, "suspect_count": 0, "coverage": 1.0,
        "in_range": None if quantity in ("vpd", "dew_point") else 1.0, "mean": 18.123456, "min": 17.0, "max": 19.0,
        "growth_day": 11, "batch_date": BATCH,
    }  # fmt: skip
    return row | changed


def stats(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    """A flawless day, but for the changed quantities."""
    names = ("temperature", "humidity", "co2", "vpd", "dew_point")
    return [stat(name, **changed.get(name, {})) for name in names]


def image(condition: str | None = "healthy", stage: str | None = "fruiting", status: str = "ok") -> dict[str, Any]:
    return {"status": status, "stage": stage, "condition": condition}


def change(minute: int, **changed: Any) -> dict[str, Any]:
    at = dt.datetime(2026, 1, 20, 1, 0, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    row = {
        "changed_at": at, "room_id": "611", "device_type": "air_cooler", "device_alias": "air_cooler_611",
        "point_alias": "temp_set", "point_description": "setpoint",
        "previous_value": 18.0, "current_value": 17.5, "previous_label": None, "current_label": None,
    }  # fmt: skip
    return row | changed


def write(
    statistics: list[dict[str, Any]] | None = None,
    *,
    changes: list[dict[str, Any]] | None = None,
    images: list[dict[str, Any]] | None = None,
    trained: bool = True,
    alike: Likeness | None = None,
    of: Farm | None = None,
) -> dict[str, Any]:
    statistics = stats() if statistics is None else statistics
    return report(RoomDay("611", DAY, statistics, changes or [], images or [], trained, alike), of or farm())


def codes(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(reason["severity"], reason["code"]) for reason in row["reasons"]]


def test_a_flawless_day_is_good_without_any_reason() -> None:
    row = write()
    assert (row["stat_date"], row["room_id"], row["verdict"], row["reasons"]) == (DAY, "611", "good", [])
    assert "every quantity within its band for at least 90% of the known time" in row["summary_md"]


@pytest.mark.parametrize(
    ("in_range", "verdict"), [(0.9, "good"), (0.8999, "watch"), (0.6, "watch"), (0.5999, "act"), (0.0, "act")]
)
def test_the_share_in_range_decides_at_its_thresholds(in_range: float, verdict: str) -> None:
    row = write(stats(co2={"in_range": in_range}))
    assert row["verdict"] == verdict
    assert codes(row) == ([] if verdict == "good" else [(verdict, "in_range")])
    if verdict != "good":
        (reason,) = row["reasons"]
        assert (reason["quantity"], reason["share"], reason["low"], reason["high"]) == ("co2", in_range, 1500, 3800)


@pytest.mark.parametrize(("coverage", "verdict"), [(0.7, "good"), (0.6999, "insufficient_data")])
def test_below_70_percent_coverage_there_is_no_verdict(coverage: float, verdict: str) -> None:
    row = write(stats(humidity={"coverage": coverage}))
    assert row["verdict"] == verdict


def test_what_is_hardly_known_is_not_called_out_of_range() -> None:
    row = write(stats(humidity={"coverage": 0.5, "in_range": 0.1}))
    assert codes(row) == [("insufficient_data", "coverage")]


def test_a_quantity_without_samples_is_insufficient_data() -> None:
    none = {"sample_count": 0, "coverage": 0.0, "in_range": None, "mean": None, "min": None, "max": None}
    row = write(stats(temperature=none))
    assert codes(row) == [("insufficient_data", "no_samples")]
    assert "| temperature | – | – | – | – | 0% |" in row["summary_md"]


def test_a_quantity_without_a_target_weakens_the_day_but_does_not_void_it() -> None:
    untargeted = farm(addition="stages: [{name: all, days: [1, 27], bands: {temperature: [17, 19]}}]")
    free = {"in_range": None}
    assert write(stats(humidity=free, co2=free), of=untargeted)["verdict"] == "good"
    lost = write(stats(humidity=free | {"coverage": 0.2}, co2=free | {"sample_count": 0}), of=untargeted)
    assert codes(lost) == [("watch", "coverage"), ("watch", "no_samples")]


def test_a_derived_quantity_counts_only_where_it_has_a_band() -> None:
    poor = {"coverage": 0.1, "suspect_count": 1440}
    assert write(stats(vpd=poor))["verdict"] == "good"
    banded = farm(addition="stages: [{name: all, days: [1, 27], bands: {vpd: [0.1, 0.3], temperature: [17, 19]}}]")
    row = write(stats(vpd={"in_range": 0.5}), of=banded)
    assert codes(row) == [("act", "in_range")]


def test_a_band_set_after_the_statistics_were_made_judges_nothing() -> None:
    row = write(stats(temperature={"in_range": None}))
    assert row["verdict"] == "good"  # by humidity and CO2
    none_left = {name: {"in_range": None} for name in ("temperature", "humidity", "co2")}
    assert codes(write(stats(**none_left))) == [("insufficient_data", "no_target")]


@pytest.mark.parametrize(("growth_day", "text"), [(28, "growth day 28, batch of 2026-01-10"), (None, "no batch known")])
def test_a_day_without_any_target_is_insufficient_data_and_says_why(growth_day: int | None, text: str) -> None:
    rows = [row | {"growth_day": growth_day, "in_range": None} for row in stats()]
    row = write(rows)
    assert codes(row) == [("insufficient_data", "no_target")]
    assert text in row["reasons"][0]["text"]


def test_a_room_day_without_statistics_at_all_is_insufficient_data() -> None:
    row = write([])
    assert (row["verdict"], codes(row)) == ("insufficient_data", [("insufficient_data", "no_target")])


@pytest.mark.parametrize(("suspect", "verdict"), [(144, "good"), (145, "watch")])
def test_more_than_a_tenth_of_suspect_samples_is_to_be_watched(suspect: int, verdict: str) -> None:
    row = write(stats(co2={"suspect_count": suspect}))
    assert row["verdict"] == verdict
    if verdict == "watch":
        assert row["reasons"][0]["text"] == "10% of the CO2 samples look like spikes or a stuck sensor"


def test_the_worst_reason_comes_first_and_decides() -> None:
    row = write(stats(temperature={"in_range": 0.8}, humidity={"in_range": 0.1}, co2={"coverage": 0.1}))
    assert [severity for severity, _ in codes(row)] == ["insufficient_data", "act", "watch"]
    assert row["verdict"] == "insufficient_data"
    assert write(stats(temperature={"in_range": 0.8}, humidity={"in_range": 0.1}))["verdict"] == "act"


@pytest.mark.parametrize(("sick", "verdict"), [(12, "good"), (13, "watch")])
def test_more_than_a_quarter_of_images_with_one_condition_is_to_be_watched(sick: int, verdict: str) -> None:
    row = write(images=[image("blotch")] * sick + [image()] * (48 - sick))
    assert row["verdict"] == verdict
    if verdict == "watch":
        assert row["reasons"][0]["text"] == "27% of the images show bacterial blotch"


def test_images_that_nobody_can_name_are_no_condition() -> None:
    assert write(images=[image("unknown")] * 48)["verdict"] == "good"


def test_the_share_of_a_condition_is_among_the_images_that_could_be_judged() -> None:
    broken = image(None, None, "unreadable")
    row = write(images=[broken] * 20 + [image("blotch")] * 2 + [image()] * 2)
    assert codes(row) == [("watch", "unreadable"), ("watch", "condition")]
    assert [reason["text"] for reason in row["reasons"]] == [
        "20 of 24 images could not be read",
        "50% of the images show bacterial blotch",
    ]


def test_labels_of_an_untrained_model_are_never_judged_or_shown() -> None:
    row = write(images=[image("green_mould", "harvest")] * 48, trained=False)
    assert (row["verdict"], row["reasons"]) == ("good", [])
    assert "Images: 48, not judged (the CLIP model has random weights)" in row["summary_md"]
    assert "mould" not in row["summary_md"]
    assert "harvest" not in row["summary_md"]


def test_unreadable_files_are_told_also_with_an_untrained_model() -> None:
    assert codes(write(images=[image(), image(None, None, "rejected")], trained=False)) == [("watch", "unreadable")]


def test_the_summary_names_the_commonest_stage_and_a_day_without_images() -> None:
    seen = write(images=[image(stage="harvest")] * 3 + [image(stage="fruiting")] * 2)
    assert seen["summary_md"].endswith("Images: 5, mostly harvest")
    assert write()["summary_md"].endswith("No images")


def test_changes_are_listed_in_order_of_time_in_farm_time() -> None:
    moved = [change(70), change(5, previous_value=0.0, current_value=1.0, previous_label="off", current_label="on")]
    lines = write(changes=moved)["summary_md"].splitlines()
    first = lines.index("Setpoint changes: 2")
    assert lines[first + 1 : first + 3] == [
        "- 09:05 air cooler: setpoint off → on",
        "- 10:10 air cooler: setpoint 18.0 → 17.5 °C",
    ]


def test_of_many_changes_the_first_are_shown_and_the_rest_counted() -> None:
    summary = write(changes=[change(minute) for minute in range(EVENTS_SHOWN + 3)])["summary_md"]
    assert summary.count("air cooler: ") == EVENTS_SHOWN
    assert "and 3 more" in summary
    assert "more" not in write(changes=[change(minute) for minute in range(EVENTS_SHOWN)])["summary_md"]


def test_the_whole_summary_in_english() -> None:
    row = write(stats(co2={"in_range": 0.75, "mean": 3456.789, "min": 1000.0, "max": 5000.0}))
    assert row["summary_md"].splitlines() == [
        "### Room 611, 2026-01-20: watch",
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
        "Setpoint changes: 0",
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
    lines = unicodedata.normalize("NFKC", row["summary_md"]).splitlines()  # full-width punctuation aside
    assert lines[:6] == [
        "### 611 库 2026-01-20:数据不足",
        "",
        "生长第 11 天,2026-01-10 入库",
        "",
        "- 湿度全天仅 50% 的时间有数据(至少需要 70%)",
        "- 温度处于目标区间 17~19.5 °C 的时间占 50%",
    ]
    assert lines[7] == "| 指标 | 均值 | 最小 | 最大 | 达标 | 有数据 |"
    assert "设定变更:1 次" in lines
    assert lines[-1] == "图像:2 张,多为子实体生长期"
    assert [reason["code"] for reason in row["reasons"]] == ["coverage", "in_range"]  # codes are no texts


def test_every_text_exists_in_both_languages() -> None:
    sick = [image("blotch")] * 3 + [image(None, None, "unreadable")]
    worst = stats(temperature={"suspect_count": 999}, humidity={"sample_count": 0}, co2={"coverage": 0.1})
    for language, foreign in (("en", "库"), ("zh", "Room")):
        summary = write(worst, images=sick, of=farm(language), changes=[change(n) for n in range(20)])["summary_md"]
        assert foreign not in summary
        assert "{" not in summary


def test_a_few_unreadable_files_are_no_reason_to_worry() -> None:
    broken = image(None, None, "unreadable")
    assert write(images=[broken] * 1 + [image()] * 9)["verdict"] == "good"  # 10 % exactly
    assert codes(write(images=[broken] * 2 + [image()] * 17)) == [("watch", "unreadable")]


ALIKE = Likeness("608", dt.date(2026, 1, 3), 0.9712, 12, "good")


def test_the_past_day_most_alike_is_told_in_one_line() -> None:
    without, told = write()["summary_md"], write(alike=ALIKE)["summary_md"]
    line = "Looked most like room 608 on 2026-01-03 (growth day 12, similarity 0.97, verdict good)"
    assert told == f"{without}\n\n{line}"
    assert write(alike=ALIKE)["verdict"] == write()["verdict"]


def test_what_is_not_known_of_the_day_most_alike_is_left_out() -> None:
    bare = write(alike=Likeness("608", dt.date(2026, 1, 3), 0.5))["summary_md"]
    assert bare.endswith("Looked most like room 608 on 2026-01-03 (similarity 0.50)")


def test_a_day_that_is_merely_the_least_unlike_is_not_told() -> None:
    assert write(alike=Likeness("608", dt.date(2026, 1, 3), 0.49, 25, "good")) == write()


def test_likeness_in_the_eyes_of_an_untrained_model_is_not_told() -> None:
    assert write(alike=ALIKE, trained=False) == write(trained=False)


def test_the_day_most_alike_in_chinese() -> None:
    doubtful = Likeness("608", dt.date(2026, 1, 3), 0.9712, 12, "insufficient_data")
    summary = write(alike=doubtful, of=farm("zh"))["summary_md"]
    assert summary.splitlines()[-1] == ("看起来最像 608 库 2026-01-03（生长第 12 天，相似度 0.97，结论：数据不足）")
