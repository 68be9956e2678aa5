"""`mushroom notify`: each target has its line, the secrets of its URL have none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.webhook import Webhook, listening


@pytest.fixture
def webhooks() -> Iterator[list[Webhook]]:
    with listening(2) as found:
        yield found


def told(webhooks: list[Webhook], *arguments: str, **settings: str) -> tuple[int, list[str]]:
    urls = " ".join(hook.url for hook in webhooks)
    result = mushroom("notify", *arguments, MUSHROOM_NOTIFY=f"{urls} nope://hidden", **settings)
    assert "secret-path" not in result.output
    assert "hidden" not in result.output
    return result.exit_code, result.output.splitlines()


def test_each_target_says_whether_it_took_the_test_message(webhooks: list[Webhook]) -> None:
    well, down = webhooks
    down.status = 500
    code, (first, second, third) = told(webhooks, "--test")
    assert code == 1
    assert first == f"taken   json://127.0.0.1:{well.server.server_port}"
    name = f"json://127.0.0.1:{down.server.server_port}"
    assert second.startswith(f"failed  {name} did not take the message: ")
    assert "error=500" in second
    assert third.startswith("failed  MUSHROOM_NOTIFY: apprise cannot use the URL that begins with")
    assert well.titles == ["mushroom_assets can reach you"]


def test_without_the_test_nothing_is_sent(webhooks: list[Webhook]) -> None:
    code, lines = told(webhooks)
    assert code == 1
    assert [line.split()[0] for line in lines] == ["told", "told", "failed"]
    assert webhooks[0].posted == webhooks[1].posted == []


def test_all_that_take_it_are_success_and_a_chinese_farm_says_it_in_chinese(
    webhooks: list[Webhook], tmp_path: Path
) -> None:
    file = tmp_path / "farm.yaml"
    write_farm(file, "{timezone: UTC, first_day: 2026-01-01, rooms: {A: {}}, language: zh}")
    url = webhooks[0].url
    result = mushroom("notify", "--test", MUSHROOM_NOTIFY=url, MUSHROOM_CONFIG=file)
    assert result.exit_code == 0
    assert webhooks[0].titles == ["mushroom_assets 通知测试"]


def test_nobody_to_tell_is_said_with_what_to_set() -> None:
    result = mushroom("notify", "--test")
    assert result.exit_code == 1
    assert "Remedy: set MUSHROOM_NOTIFY" in result.output
