"""The documents say what the code does: a change that they miss fails here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mushroom_assets.cli.data import load
from mushroom_assets.cli.main import main
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.schema import RESULTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "name"), [("en", "tables.md"), ("zh", "tables.zh.md")])
def test_the_table_documents_are_what_the_schema_declares(language: str, name: str) -> None:
    command = [sys.executable, f"{ROOT}/docs/tables.py", language]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made.stdout, (
        f"run: python docs/tables.py {language} > docs/{name}"
    )


@pytest.mark.parametrize(
    "name", [name for name in load_settings({}).environment() if name != "MUSHROOM_STARTUP_ERROR"]
)
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_every_command_that_the_readmes_show_exists() -> None:
    shown = set(re.findall(r"^mushroom (\w+)(?: (\w+))?", README + CHINESE, flags=re.MULTILINE))
    assert {command for command, _ in shown} <= set(main.commands)
    assert {what for command, what in shown if command == "load"} == set(load.commands)


def test_both_readmes_name_every_result_table() -> None:
    for table in RESULTS:
        assert f"`{table}`" in README
        assert f"`{table}`" in CHINESE


def test_links_and_pictures_of_the_readmes_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README + CHINESE):
        assert (ROOT / target).exists(), target
