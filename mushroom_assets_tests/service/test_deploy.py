"""What `deploy/` holds for Prometheus, Grafana and Loki fits what the farm's server tells.

Prometheus itself tries it in `make watch-test`.
"""

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from mushroom_assets.logs import JSON, Lines
from mushroom_assets.service.readiness import PARTS
from mushroom_assets.service.watching import Watching
from mushroom_assets.settings import load_settings
from mushroom_assets.web.watch import Scrape
from mushroom_assets_tests.kit.dagsters import STORAGE
from mushroom_assets_tests.kit.page import Metrics

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
NAME = re.compile(r"\bmushroom_[a-z_]+")


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    (group,) = loaded(RULES)["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((DEPLOY / "grafana" / "mushroom.json").read_text(encoding="utf-8"))
    return list(dashboard["panels"])


@pytest.fixture
def told(watched_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """All that the farm's server tells."""
    settings = load_settings({"DATABASE_URL": watched_url, "MUSHROOM_HOME": str(tmp_path)})
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text(STORAGE, encoding="utf-8")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    scrape: Any = Scrape(asyncio.run(Watching(settings).metrics()))
    return Metrics(generate_latest(scrape).decode())


@pytest.mark.long
def test_rules_panels_and_guides_name_metrics_that_there_are_and_guides_all(told: Metrics) -> None:
    alerts = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    shown = {name for query in queries for name in NAME.findall(query)}
    assert alerts - told.declared == set()
    # Of a panel each, but what the server says of its own version
    assert shown == told.declared - {"mushroom_build_info"} - {"mushroom_partitions_due"}
    for guide in ("watching.md", "watching.zh.md"):
        text = (ROOT / "docs" / guide).read_text(encoding="utf-8")
        assert set(re.findall(r"`(mushroom_[a-z_]+)", text)) == told.declared, guide


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do_in_both_languages_and_is_tried(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "action", "summary_zh", "action_zh"}
    for name, text in rule["annotations"].items():
        assert bool(re.search("[\u4e00-\u9fff]", text)) is name.endswith("_zh")
    assert rule["alert"] in (RULES.parent / "rules.test.yml").read_text(encoding="utf-8")
    for guide in ("watching.md", "watching.zh.md"):
        assert rule["alert"] in (ROOT / "docs" / guide).read_text(encoding="utf-8")


def test_every_part_of_readiness_has_its_alert() -> None:
    named = {part for rule in rules() for part in re.findall(r'part="(\w+)"\} == 0', rule["expr"])}
    assert named == set(PARTS)


def test_the_files_of_prometheus_name_each_other_and_the_ports_of_the_farm() -> None:
    config = loaded(DEPLOY / "prometheus" / "prometheus.yml")
    assert config["rule_files"] == [RULES.name]
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "mushroom"  # MushroomDown goes by it
    assert job["static_configs"] == [{"targets": ["127.0.0.1:3001"]}]
    alertmanager = loaded(DEPLOY / "prometheus" / "alertmanager.yml")
    sources = {rule["source_matchers"][0].split()[-1] for rule in alertmanager["inhibit_rules"]}
    assert sources <= {rule["alert"] for rule in rules()}


def test_every_panel_has_a_title_in_both_languages_and_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        english, chinese = panel["title"].split(" · ")
        assert not re.search("[\u4e00-\u9fff]", english)
        assert re.search("[\u4e00-\u9fff]", chinese)
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert max(columns) < 24
        taken |= cells


def test_loki_reads_level_logger_and_time_of_the_lines() -> None:
    (job,) = loaded(DEPLOY / "loki" / "promtail.yml")["scrape_configs"]
    of_json, timestamp, labels = job["pipeline_stages"]
    record = logging.LogRecord("mushroom_assets.x", logging.ERROR, "", 0, "no\nroom", (), None)
    written = Lines(JSON).format(record)
    told = json.loads(written)
    assert "\n" not in written
    assert set(of_json["json"]["expressions"].values()) <= told.keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", told["timestamp"])
    assert timestamp["timestamp"]["format"] == "RFC3339Nano"
    assert set(labels["labels"]) <= set(of_json["json"]["expressions"])
