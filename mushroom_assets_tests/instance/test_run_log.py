"""The lines of a run on stdout: one an event, with run, job, asset, partition and attempt."""

import json

import dagster as dg
import pytest

from mushroom_assets.instance.run_log import install, run_logger
from mushroom_assets.logs import JSON

DAYS = dg.StaticPartitionsDefinition(["2026-01-01", "2026-01-02"])


@pytest.fixture(autouse=True)
def json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.execution import context_creation_job

    former = vars(context_creation_job)["default_system_loggers"]
    monkeypatch.setattr(context_creation_job, "default_system_loggers", former)
    install(run_logger(JSON))


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(each) for each in capfd.readouterr().out.splitlines()]


def test_each_event_is_a_line_that_says_what_it_is_of(capfd: pytest.CaptureFixture[str]) -> None:
    @dg.asset(partitions_def=DAYS, retry_policy=dg.RetryPolicy(max_retries=1))
    def made(context: dg.AssetExecutionContext) -> None:
        context.log.info("at work\nfor %d s", 2)
        context.log.debug("a detail")
        if context.retry_number == 0:
            raise ValueError("not yet")

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([made], partition_key="2026-01-02", instance=instance)
    told = lines(capfd)
    assert {line["run_id"] for line in told} == {done.run_id}
    assert {line["partition"] for line in told} == {"2026-01-02"}
    of_step = [line for line in told if line.get("asset") == "made"]
    assert [(line["event"], line["level"], line["attempt"]) for line in of_step] == [
        ('Started execution of step "made".', "info", 1),
        ("at work\nfor 2 s", "info", 1),
        ('Execution of step "made" failed and has requested a retry.', "info", 1),
        ("at work\nfor 2 s", "info", 2),
        (of_step[-1]["event"], "info", 2),
    ]
    assert "ValueError: not yet" in f"{of_step[2]['error']}"
    assert f"{of_step[-1]['event']}".startswith('Finished execution of step "made" in')


def test_a_range_and_the_attempt_of_a_run_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def made() -> None:
        raise dg.Failure("no")

    tags = {
        "dagster/asset_partition_range_start": "2026-01-01",
        "dagster/asset_partition_range_end": "2026-01-02",
        "dagster/retry_number": "2",
    }
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([made], tags=tags, instance=instance, raise_on_error=False)
    (failed,) = [line for line in lines(capfd) if line["level"] == "error" and "asset" in line]
    assert (failed["partition"], failed["attempt"]) == ("2026-01-01...2026-01-02", 3)
    assert "dagster._core.definitions.events.Failure: no" in f"{failed['error']}"
