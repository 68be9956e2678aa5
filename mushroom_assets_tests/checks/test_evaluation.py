"""From rules to evaluations: each partition has its own, of its latest materialization.

All rules of a table are one step.
"""

import datetime as dt
from typing import Any, Literal

import dagster as dg
import pytest
import sqlalchemy as sa

from mushroom_assets.checks import environment, report, setpoints, vision
from mushroom_assets.checks.evaluation import by_part
from mushroom_assets.checks.rule import Rule
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.texts import texts
from mushroom_assets.partitions import farm_clock, windows
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.evaluations import (
    DAY,
    ENV,
    ERROR,
    NEXT,
    SETPOINTS,
    checks_only,
    examples,
    failing,
    offending,
    verdicts,
)
from mushroom_assets_tests.kit.small import Build, SmallFarm

pytestmark = pytest.mark.usefixtures("unpictured")

RULES = [*environment.RULES, *setpoints.RULES, *vision.RULES, *report.RULES]
THIRD = "2026-01-07"  # of which there is nothing


def test_good_data_pass_every_check(covered: SmallFarm) -> None:
    env = covered.run(ENV, DAY, NEXT)
    changes = covered.run(SETPOINTS, f"{DAY}-00:00", f"{DAY}-23:00")
    found = [*env.get_asset_check_evaluations(), *changes.get_asset_check_evaluations()]
    assert len(found) == 2 * len(environment.RULES) + 24 * len(setpoints.RULES)
    for evaluation in found:
        assert evaluation.passed, evaluation
        assert offending(evaluation) == 0
        assert "examples" not in evaluation.metadata


def test_each_partition_of_a_range_has_an_evaluation_of_its_own_and_there_is_no_other(
    covered: SmallFarm,
) -> None:
    covered.run(ENV, DAY, THIRD)
    key = dg.AssetCheckKey(dg.AssetKey(ENV), "days_covered")
    history = covered.instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    found = {record.partition: record.status.value for record in history}
    assert found == {DAY: "SUCCEEDED", NEXT: "SUCCEEDED", THIRD: "FAILED"}


def test_an_evaluation_of_a_partition_is_of_its_latest_materialization(covered: SmallFarm) -> None:
    covered.run(ENV, DAY, THIRD)
    covered.run(ENV, DAY)
    keys = [dg.AssetCheckKey(dg.AssetKey(ENV), rule.name) for rule in environment.RULES]
    infos = covered.instance.event_log_storage.get_asset_check_partition_info(keys)
    assert [info.is_current for info in infos] == [True] * 3 * len(keys)


def test_all_checks_of_a_table_are_one_step(covered: SmallFarm) -> None:
    steps = {event.step_key for event in covered.run(ENV, DAY).all_events if event.step_key}
    assert steps == {ENV, f"{ENV}_checks"}


def test_one_check_can_be_executed_alone(covered: SmallFarm) -> None:
    covered.run(ENV, DAY)
    result = checks_only(covered, ENV, DAY, only="days_covered")
    assert result.success
    assert set(verdicts(result)) == {"days_covered"}


def test_the_evaluations_of_a_range_take_one_look_at_the_materializations(
    covered: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = covered.instance.event_log_storage
    summaries = storage.get_asset_event_summary_records
    asked = []

    def counted(*given: Any, **more: Any) -> Any:
        asked.append(1)
        return summaries(*given, **more)

    monkeypatch.setattr(storage, "get_asset_event_summary_records", counted)
    covered.run(ENV, DAY, NEXT)
    assert len(asked) == 1


def test_a_fault_of_one_partition_is_not_held_against_another(covered: SmallFarm) -> None:
    covered.run(ENV, DAY, NEXT)
    covered.execute(f"DELETE FROM farm.{ENV} WHERE stat_date = '{NEXT}' AND room_id = 'B'")
    result = checks_only(covered, ENV, DAY, NEXT)
    assert (failing(result, DAY), failing(result, NEXT)) == (set(), {"rows_complete"})


def test_a_run_that_wrote_rows_out_of_order_fails(covered: SmallFarm) -> None:
    covered.execute(
        "CREATE FUNCTION farm.corrupt() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN NEW.q25 := NEW.max + 1; RETURN NEW; END $$"
    )
    of_next_day = f"NEW.quantity = 'humidity' AND NEW.stat_date = '{NEXT}'"
    covered.execute(
        f"CREATE TRIGGER corrupt BEFORE INSERT ON farm.{ENV} FOR EACH ROW"
        f" WHEN ({of_next_day}) EXECUTE FUNCTION farm.corrupt()"
    )
    result = covered.run(ENV, DAY, NEXT, raise_on_error=False)
    assert not result.success
    assert (failing(result, DAY), failing(result, NEXT)) == (set(), {"quantiles_in_order"})
    assert offending(verdicts(result, NEXT)["quantiles_in_order"]) == 2


def test_of_many_faults_five_are_shown_and_all_counted(small: SmallFarm) -> None:
    found = verdicts(small.run(ENV, DAY))["days_covered"]
    assert offending(found) == 2 * 4
    assert len(examples(found)) == 5


def test_a_chinese_farm_is_told_in_chinese(build: Build) -> None:
    found = verdicts(build(addition="language: zh\n").run(ENV, DAY))["days_covered"]
    assert found.description == (
        "8 项库房日指标数据太少。处理办法：检查传感器和采集器；补录迟到的数据后重新物化当天"
    )
    assert f"{DAY}, A, 水汽压差, 0%" in examples(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.table.name}-{rule.name}")
def test_every_rule_is_said_in_both_languages(rule: Rule, farm: Farm) -> None:
    parts: tuple[Literal["holds", "fault", "remedy"], ...] = ("holds", "fault", "remedy")
    chinese = farm.model_copy(update={"language": "zh"})
    for part in parts:
        assert rule.say(part, farm)
        assert rule.say(part, chinese)
    told = rule.say("fault", chinese) + rule.say("remedy", chinese)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in told)


def test_the_limits_in_a_rules_words_are_those_of_its_query(farm: Farm) -> None:
    said = {f"{rule.table.name}.{rule.name}": rule.say("holds", farm) for rule in RULES}
    assert said["daily_env_stats.sensors_move"].endswith("a day with 60 samples or more")
    assert (
        "at least 0.25 times as sharp as in the 7 days" in said["daily_clip_inference.lenses_clear"]
    )
    confidence = said["daily_clip_inference.confidence_steady"]
    assert confidence.endswith("at least 0.75 times that of the 7 days before")


def test_there_is_no_word_about_a_rule_that_there_is_not() -> None:
    rules = {(rule.table.name, rule.name) for rule in RULES}
    named = {tuple(key.split(".")[:2]) for key in texts() if key.split(".")[0] in RESULTS}
    assert named == rules


def test_every_table_has_an_error_about_its_structure() -> None:
    assert {rule.table.name for rule in RULES if rule.severity is ERROR} == set(RESULTS)


def test_offending_rows_are_told_apart_in_the_hour_that_comes_twice() -> None:
    clock = farm_clock(
        parse_farm("{timezone: Europe/Brussels, first_day: 2025-01-01, rooms: {A: {}}}")
    )
    parts = windows(
        clock.hourly,
        ["2025-10-26-01:00", "2025-10-26-02:00", "2025-10-26-02:00+0100", "2025-10-26-03:00"],
    )
    middles = [
        (part.start.astimezone(dt.UTC) + dt.timedelta(minutes=30)).astimezone(part.start.tzinfo)
        for part in parts
    ]
    rows: list[sa.Row[Any]] = [(middle,) for middle in middles]  # type: ignore[misc]  # a row is a tuple
    assert by_part(rows, parts) == {
        part.key: [(middle,)] for part, middle in zip(parts, middles, strict=True)
    }
