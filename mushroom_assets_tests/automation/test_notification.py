"""Failed runs reach a webhook: what is said, once, also after the webhook was down.

Secrets are never said.
"""

from collections.abc import Iterator

import dagster as dg
import pytest

from mushroom_assets.automation.targets import NotDelivered, Target
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.resources import FarmFile
from mushroom_assets_tests.kit.dagsters import quick_instance
from mushroom_assets_tests.kit.small import Build, SmallFarm
from mushroom_assets_tests.kit.webhook import Webhook, listening

DAY = "2026-01-05"
NEXT = "2026-01-06"
ENV = "daily_env_stats"


@pytest.fixture
def webhooks() -> Iterator[list[Webhook]]:
    with listening(2) as found:
        yield found


@pytest.fixture
def webhook(webhooks: list[Webhook]) -> Webhook:
    return webhooks[0]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with quick_instance() as instance:
        yield instance


@pytest.fixture
def farm(build: Build, instance: dg.DagsterInstance) -> SmallFarm:
    """A small farm whose statistics have nowhere to go."""
    return broken(build(), instance)


def broken(small: SmallFarm, instance: dg.DagsterInstance) -> SmallFarm:
    small.execute("ALTER TABLE farm.daily_env_stats RENAME TO elsewhere")
    return SmallFarm(parse_farm(small.path.read_text()), small.path, small.database, instance)


def fail(small: SmallFarm, first: str = DAY, last: str | None = None) -> dg.ExecuteInProcessResult:
    result = small.run(ENV, first, last, raise_on_error=False)
    assert not result.success
    return result


def tick(small: SmallFarm, monkeypatch: pytest.MonkeyPatch, *urls: str) -> str:
    """One tick of the sensor: what it says."""
    monkeypatch.setenv("MUSHROOM_NOTIFY", " ".join(urls))
    doors = {"farm_file": FarmFile(path=str(small.path))}
    context = dg.build_sensor_context(small.instance, resources=doors)
    sensor = build_definitions(small.farm).resolve_sensor_def("run_failure_notification")
    return sensor.evaluate_tick(context).skip_message or ""


def test_a_failed_run_is_told_with_partitions_step_error_and_link(
    farm: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(farm, "2026-01-01")  # before there was somebody to tell
    assert "from now on" in tick(farm, monkeypatch, webhook.url)
    assert tick(farm, monkeypatch, webhook.url) == "No run has failed since."
    run = fail(farm, DAY, NEXT)
    assert "was told of 1 failed runs" in tick(farm, monkeypatch, webhook.url)
    (message,) = webhook.posted
    assert message["title"] == "Run failed: daily_env_stats_job, 2026-01-05 to 2026-01-06"
    what, step, link = message["message"].splitlines()
    assert what == "daily_env_stats_job, 2026-01-05 to 2026-01-06"
    assert step.startswith(
        "step daily_env_stats: 2 of 2 partitions failed: 2026-01-05, 2026-01-06 DatabaseRefused"
    )
    assert 'relation "farm.daily_env_stats" does not exist' in step
    assert link == f"http://127.0.0.1:3000/runs/{run.run_id}"
    assert message["type"] == "failure"
    tick(farm, monkeypatch, webhook.url)
    assert len(webhook.posted) == 1


def test_several_failed_runs_are_one_message(
    farm: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(farm, monkeypatch, webhook.url)
    runs = [fail(farm, day).run_id for day in (DAY, NEXT)]
    tick(farm, monkeypatch, webhook.url)
    (message,) = webhook.posted
    assert message["title"] == "2 runs failed"
    links = [line for line in message["message"].splitlines() if "/runs/" in line]
    assert [link.rsplit("/")[-1] for link in links] == runs


def test_what_fails_again_for_the_same_reason_is_told_once_and_once_more_when_it_is_mended(
    farm: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(farm, monkeypatch, webhook.url)
    run = fail(farm, DAY, NEXT)
    tick(farm, monkeypatch, webhook.url)
    fail(farm, DAY, NEXT)
    fail(farm, NEXT)  # of the same partitions, though the message counts and lists others
    assert tick(farm, monkeypatch, webhook.url) == "No run has failed since."
    fail(farm, NEXT, "2026-01-07")  # another day besides
    assert "was told of 1 failed runs" in tick(farm, monkeypatch, webhook.url)
    farm.execute("ALTER TABLE farm.elsewhere RENAME TO daily_env_stats")
    assert farm.run(ENV, DAY).success
    tick(farm, monkeypatch, webhook.url)
    assert len(webhook.posted) == 2  # the other day is still to come
    assert farm.run(ENV, NEXT).success
    assert "was told of 1 mended runs" in tick(farm, monkeypatch, webhook.url)
    good = webhook.posted[-1]
    assert good["title"] == "Mended: daily_env_stats_job, 2026-01-05 to 2026-01-06"
    assert good["message"].endswith(f"/runs/{run.run_id}")
    assert good["type"] == "success"
    assert tick(farm, monkeypatch, webhook.url) == "No run has failed since."
    broken_again = broken(farm, farm.instance)
    fail(broken_again, DAY)  # after it was mended it is news
    tick(farm, monkeypatch, webhook.url)
    assert webhook.posted[-1]["title"] == "Run failed: daily_env_stats_job, 2026-01-05"


def test_mended_is_told_later_where_the_webhook_was_down(
    farm: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(farm, monkeypatch, webhook.url)
    fail(farm)
    tick(farm, monkeypatch, webhook.url)
    farm.execute("ALTER TABLE farm.elsewhere RENAME TO daily_env_stats")
    farm.run(ENV, DAY)
    webhook.status = 503
    with pytest.raises(NotDelivered):
        tick(farm, monkeypatch, webhook.url)
    webhook.status = 200
    tick(farm, monkeypatch, webhook.url)
    tick(farm, monkeypatch, webhook.url)
    assert [message["type"] for message in webhook.posted] == ["failure", "success"]


def test_a_cursor_of_a_former_release_is_read(
    farm: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(farm)
    target = Target(webhook.url)
    farm.instance.daemon_cursor_storage.set_cursor_values({target.cursor: "0"})
    tick(farm, monkeypatch, webhook.url)
    assert [message["title"] for message in webhook.posted] == [
        "Run failed: daily_env_stats_job, 2026-01-05"
    ]


def test_a_run_that_dagster_starts_again_is_not_told(
    farm: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(farm, monkeypatch, webhook.url)
    run = fail(farm)
    farm.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    tick(farm, monkeypatch, webhook.url)
    assert webhook.posted == []


def test_a_successful_run_is_no_news(
    small: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(small, monkeypatch, webhook.url)
    assert small.run(ENV, DAY).success
    assert tick(small, monkeypatch, webhook.url) == "No run has failed since."
    assert webhook.posted == []


def test_a_webhook_that_is_down_fails_the_tick_and_gets_everything_later_and_nobody_gets_it_twice(
    farm: SmallFarm, webhooks: list[Webhook], monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy, down = webhooks
    urls = [down.url, healthy.url]
    tick(farm, monkeypatch, *urls)
    down.status = 503
    fail(farm)
    for failed in (1, 2):  # tick after tick
        with pytest.raises(NotDelivered) as caught:
            tick(farm, monkeypatch, *urls)
        fault = str(caught.value)
        assert "json://127.0.0.1" in fault
        assert "error=503" in fault
        assert "secret-path" not in fault
        assert f"({failed} failed runs wait)" in fault
        if failed == 1:
            fail(farm, NEXT)
    assert [message["title"][-10:] for message in healthy.posted] == [DAY, NEXT]
    down.status = 200
    tick(farm, monkeypatch, *urls)
    assert [message["title"] for message in down.posted] == ["2 runs failed"]
    assert len(healthy.posted) == 2


def test_a_port_where_nobody_listens_is_told(
    farm: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook.close()
    with pytest.raises(
        NotDelivered,
        match=r"json://127.0.0.1:\d+ did not take the message: .*Remedy: check the service",
    ):
        Target(webhook.url).deliver("title", "body")


def test_a_url_that_apprise_cannot_use_is_told_without_it() -> None:
    with pytest.raises(NotDelivered, match=r"begins with nope://\. Remedy: write it as") as caught:
        Target("nope://token").deliver("title", "body")
    assert "token" not in str(caught.value)


def test_the_name_of_a_target_has_none_of_its_secrets() -> None:
    urls = [
        "jsons://user:hidden@example.com/hidden?+X-Key=hidden",
        "mailtos://user:hidden@example.com?to=a@b.c",
    ]
    assert [Target(url).name for url in urls] == ["jsons://example.com", "mailtos://example.com"]
    assert "hidden" not in Target("slack://hidden0000/hidden0000/hiddenhiddenhiddenhidden/#c").name


def test_a_chinese_farm_is_told_in_chinese(
    build: Build, instance: dg.DagsterInstance, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = broken(build(addition="language: zh\n"), instance)
    monkeypatch.setenv("MUSHROOM_UI_URL", "https://farm.example.com/")
    assert "从现在起" in tick(small, monkeypatch, webhook.url)
    run = fail(small, DAY, NEXT)
    assert "已将 1 个失败的运行通知 json://127.0.0.1" in tick(small, monkeypatch, webhook.url)
    (message,) = webhook.posted
    assert message["title"] == "运行失败：daily_env_stats_job，2026-01-05 至 2026-01-06"
    assert "步骤 daily_env_stats：" in message["message"]
    assert message["message"].endswith(f"https://farm.example.com/runs/{run.run_id}")


def test_a_run_whose_process_died_is_told_with_what_dagster_says_of_it(
    small: SmallFarm,
    instance: dg.DagsterInstance,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = SmallFarm(small.farm, small.path, small.database, instance)
    tick(here, monkeypatch, webhook.url)
    job = build_definitions(small.farm).resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(
        job.get_subset(asset_selection={dg.AssetKey(ENV)}),
        tags=range_tags(DAY, DAY),
        asset_selection={dg.AssetKey(ENV)},
    )
    instance.report_run_failed(run, "The run worker was killed.")
    tick(here, monkeypatch, webhook.url)
    (message,) = webhook.posted
    assert message["title"] == f"Run failed: {ENV}, {DAY}"
    assert "The run worker was killed." in message["message"]


def test_without_anybody_to_tell_the_sensor_says_what_to_set(
    small: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "MUSHROOM_NOTIFY" in tick(small, monkeypatch)
