"""Numbers that make no sense are refused before any work, with the range that they must be in."""

import re

import pytest

from mushroom_assets.cli.main import SUBCOMMANDS
from mushroom_assets_tests.kit.command import mushroom

OUTSIDE = [
    ("up --no-demo --port 99999", "1<=x<=65535"),
    ("up --port 0", "1<=x<=65535"),
    ("up --page-port 65536", "0<=x<=65535"),
    ("web --port 0", "1<=x<=65535"),
    ("up --days 0", "1<=x<=3660"),
    ("up --seed -1", "x>=0"),
    ("up --attempts 0", "x>=1"),
    ("health --port 65536", "1<=x<=65535"),
    ("health --port -1", "1<=x<=65535"),
    ("init --attempts 0", "x>=1"),
    ("init --attempts -1", "x>=1"),
    ("init --wait -5", "0<=x<=3600"),
    ("init --wait inf", "0<=x<=3600"),
    ("simulate --rooms -1", "x>=1"),
    ("simulate --rooms 0", "x>=1"),
    ("simulate --days -3", "0<=x<=3660"),
    ("simulate --days 1000000", "0<=x<=3660"),
    ("simulate --image-days -1", "0<=x<=3660"),
    ("simulate --seed -1", "x>=0"),
    ("similar caps --k 0", "1<=x<=1000"),
]


@pytest.mark.parametrize(("command", "bounds"), OUTSIDE, ids=[line for line, _ in OUTSIDE])
def test_a_number_outside_its_bounds_is_refused_with_them(command: str, bounds: str) -> None:
    words = command.split()
    result = mushroom(*words)
    assert result.exit_code == 2  # click's own, of a wrong command line
    assert f"Invalid value for '{words[-2]}': " in result.output
    assert f"is not in the range {bounds}." in result.output


def test_the_help_of_an_option_names_its_bounds() -> None:
    assert "1<=x<=65535" in mushroom("up", "--help").output


@pytest.mark.parametrize("group", ["", "serve", "load"])
def test_the_list_of_subcommands_says_a_whole_sentence_of_each_in_a_line(group: str) -> None:
    told = mushroom(*group.split(), "--help", COLUMNS=80).output.split("Commands:\n")[1]
    lines = told.splitlines()
    assert [line for line in lines if "..." in line] == []
    assert [line for line in lines if not re.match(r"  [a-z-]+ +[A-Z`].*[.?]$", line)] == []
    assert len(lines) == {"": len(SUBCOMMANDS), "serve": 4, "load": 3}[group]
