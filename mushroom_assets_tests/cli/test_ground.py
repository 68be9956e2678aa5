"""A MUSHROOM_HOME that cannot be made is told in one line, whichever subcommand needs it first."""

from pathlib import Path

import pytest

from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.servers import free_port

NO_SERVER = "postgresql://grower@127.0.0.1:1/farm"  # nobody gets as far as asking it


def told(home: Path, reason: str) -> str:
    return (
        f"mushroom: MUSHROOM_HOME={home} cannot be made or written: {reason}. "
        "Remedy: set MUSHROOM_HOME to a folder that this user may make and write\n"
    )


@pytest.mark.parametrize("database", ["", NO_SERVER], ids=["embedded", "own"])
@pytest.mark.parametrize("command", ["simulate", "doctor", "init", "up"])
def test_a_home_below_a_file_is_told(tmp_path: Path, command: str, database: str) -> None:
    file = tmp_path / "file"
    file.touch()
    home = file / "x"
    options = ["--port", free_port(), "--page-port", 0] if command == "up" else []
    result = mushroom(command, *options, MUSHROOM_HOME=home, DATABASE_URL=database)
    # What is made first lies in the home where the database does not
    inside = home / "images" if database and command != "up" else home
    assert (result.exit_code, result.output) == (1, told(home, f"Not a directory ({inside})"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_home_where_no_folder_can_be_made_is_told() -> None:
    result = mushroom("init", MUSHROOM_HOME="/proc/x", DATABASE_URL="")
    reason = "No such file or directory (/proc/x)"
    assert (result.exit_code, result.output) == (1, told(Path("/proc/x"), reason))
