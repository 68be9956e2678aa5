"""`mushroom settings`: shown, set, undone and told, as people type it."""

import datetime as dt
import json
from collections.abc import Callable

import pytest
from click.testing import Result

from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.small import SmallFarm

pytestmark = pytest.mark.usefixtures("unpictured")
BAND = "stages.all.bands.temperature"
TODAY = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=8)).date()  # in Shanghai
TOMORROW = TODAY + dt.timedelta(days=1)
Settings = Callable[..., Result]


@pytest.fixture
def settings(small: SmallFarm) -> Settings:
    home = small.path.parent
    own = {
        "DATABASE_URL": small.database.url, "MUSHROOM_HOME": home, "MUSHROOM_CONFIG": small.path
    }  # fmt: skip
    return lambda *arguments: mushroom("settings", *arguments, **own)


def put(settings: Settings, *more: object, value: str = "[17, 18.5]") -> Result:
    given = ("--room", "A", "--reason", "caps too pale", "--author", "Li")
    return settings("set", BAND, value, *given, *more)


def test_from_setting_to_undoing(settings: Settings) -> None:
    assert "nothing is set" in settings("show").output
    made = put(settings)
    assert made.exit_code == 0, made.output
    assert f"version 1: {BAND} = [17.0, 18.5] °C, room A, from {TOMORROW} on (Li," in made.output
    assert "touches 1 of daily_env_stats" not in made.output  # tomorrow has not begun
    shown = settings("show").output
    assert f"{BAND}: [17.0, 19.0] °C\n  later, room A: [17.0, 18.5] °C" in shown
    on_the_day = settings("show", "--day", TOMORROW).output
    assert f"  A: [17.0, 18.5] °C (since {TOMORROW}, version 1, Li: caps too pale)" in on_the_day
    assert "  B:" not in on_the_day
    undone = settings("undo", "1", "--reason", "they are right so", "--author", "Wang")
    assert f"undoes version 1: {BAND} = null again" in undone.output
    assert "nothing is set" in settings("show").output
    lines = settings("history").output.splitlines()
    assert lines[0] == "version 0: the farm file"
    assert lines[1].endswith("undone by version 2)")
    second = json.loads(settings("history", "--json").output.splitlines()[1])
    assert (second["version"], second["undoes"], second["author"]) == (2, 1, "Wang")


def test_a_back_dated_one_says_what_it_touches(settings: Settings) -> None:
    first = TODAY - dt.timedelta(days=2)
    made = put(settings, "--from", first)
    assert f"touches 3 of daily_env_stats: {first} to {TODAY}" in made.output
    assert f"touches 3 of daily_room_report: {first} to {TODAY}" in made.output
    assert "hourly_setpoint_changes" not in made.output


def test_what_is_refused_says_what_to_do(settings: Settings) -> None:
    typed = settings("set", "stages.all.bands.temperatur", "[1, 2]", "--reason", "x")
    assert typed.exit_code == 1
    assert f"did you mean {BAND}?" in typed.output
    assert put(settings, value="[19, 17]").exit_code == 1
    assert put(settings, "--batch", TODAY).exit_code == 1
    assert put(settings).exit_code == 0
    assert "room" in settings("set", BAND, "[1, 2]", "--batch", TODAY, "--reason", "x").output
    hidden = settings("set", BAND, "[16, 20]", "--from", TODAY, "--reason", "x", "--room", "B")
    assert "changes nothing" not in hidden.output
    wider = settings("set", BAND, "[16, 20]", "--from", TODAY, "--reason", "x", "--room", "A")
    assert "changes nothing" not in wider.output
    late = put(settings, "--seen", 0, value="[16, 18]")
    assert late.exit_code == 1
    assert "Li has set" in late.output
    assert settings("undo", "5", "--reason", "x").exit_code == 1
    assert "no part of a key" in settings("show", "nonsense").output
    assert "report.act_below: 0.6" in settings("show", "--all").output
