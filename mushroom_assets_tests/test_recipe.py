"""The recipe for a new noun works as it is written, and a forgotten step fails a test by name.

`examples/energy` holds what the recipe of CONTRIBUTING.md makes. It goes into a copy of the
repository, step by step; tests run there in processes of their own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "energy"
COPIED = ("docs", "examples", "mushroom_assets", "mushroom_assets_tests", "tools")
EDITS: Mapping[str, list[dict[str, str]]] = yaml.safe_load(
    (EXAMPLE / "edits.yaml").read_text(encoding="utf-8")
)
NOUNS = "mushroom_assets_tests/test_nouns.py"
# The step that is left out, by the file that it makes or edits, and the test that says so.
FORGOTTEN = {
    "mushroom_assets/storage/schema/__init__.py": (
        f"{NOUNS}::test_every_asset_of_the_timetable_is_a_table_of_the_schema"
    ),
    "mushroom_assets/automation/timetable.py": (
        f"{NOUNS}::test_every_noun_of_the_domain_stands_in_the_timetable"
    ),
    "mushroom_assets/metadata/pages.yaml": f"{NOUNS}::test_every_asset_has_its_page",
    "mushroom_assets/definitions.py": (
        f"{NOUNS}::test_every_asset_of_the_timetable_is_in_the_definitions"
    ),
    "mushroom_assets/checks/energy.py": f"{NOUNS}::test_every_noun_has_its_module_in_every_room",
    "mushroom_assets/metadata/energy.py": f"{NOUNS}::test_every_noun_has_its_module_in_every_room",
    "mushroom_assets/metadata/rules/energy.yaml": f"{NOUNS}::test_every_rule_has_its_words",
    "mushroom_assets/storage/migrations/versions": (
        "mushroom_assets_tests/storage/test_migrations.py"
        "::test_the_migrations_make_exactly_what_the_schema_declares"
    ),
    "docs/tables.md": (
        "mushroom_assets_tests/test_docs.py::test_the_table_documents_are_what_the_schema_declares"
    ),
}

pytestmark = pytest.mark.long


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a copy of the repository, which stands in for the installed package."""
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def pytest_in(root: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return run(root, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *names)


def copy(source: Path, target: Path) -> Path:
    """A copy of the repository's code; files that nobody writes are links."""
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source / folder, target / folder, ignore=ignored, symlinks=True)
    for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml", *markdown(source)):
        shutil.copy(source / name, target / name)
    return target


def markdown(source: Path) -> list[str]:
    return [file.name for file in source.glob("*.md")]


def edit(root: Path, name: str) -> None:
    """Make the additions of `edits.yaml` to a file."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    for addition in EDITS[name]:
        assert text.count(addition["after"]) == 1, f"{name}: {addition['after']!r}"
        text = text.replace(addition["after"], addition["after"] + addition["add"])
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which every step was taken."""
    root = copy(ROOT, tmp_path_factory.mktemp("recipe"))
    for folder in ("mushroom_assets", "mushroom_assets_tests"):
        shutil.copytree(EXAMPLE / folder, root / folder, dirs_exist_ok=True)
    for name in EDITS:
        edit(root, name)
    migrated = run(root, "-m", "tools.migration", "energy")
    assert migrated.returncode == 0, migrated.stderr
    for language, name in (("en", "tables.md"), ("zh", "tables.zh.md")):
        written = run(root, "docs/tables.py", language)
        assert written.returncode == 0, written.stderr
        (root / "docs" / name).write_text(written.stdout, encoding="utf-8")
    return root


def test_at_most_four_files_that_list_what_exists_are_edited() -> None:
    assert len(EDITS) <= 4


def test_the_recipe_names_every_file_that_it_takes() -> None:
    recipe = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    own = recipe.split("### A noun")[1].split("\n### ")[0]
    named = {name.removeprefix("mushroom_assets/") for name in EDITS}
    made = [path.relative_to(EXAMPLE) for path in (EXAMPLE / "mushroom_assets").rglob("*.*")]
    for path in made:
        inside = str(path).removeprefix("mushroom_assets/")
        named.add(inside.replace("energy", "<noun>"))
    assert [name for name in sorted(named) if f"`{name}`" not in own] == []


def test_who_follows_the_recipe_has_an_asset_that_runs(finished: Path) -> None:
    done = pytest_in(
        finished,
        "mushroom_assets_tests/assets/test_energy.py",
        NOUNS,
        *[name for name in FORGOTTEN.values() if not name.startswith(NOUNS)],
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("step", FORGOTTEN)
def test_a_forgotten_step_fails_a_test_by_name(finished: Path, step: str, tmp_path: Path) -> None:
    root = copy(finished, tmp_path)
    before = ROOT / step
    if before.is_dir():
        shutil.rmtree(root / step)
        shutil.copytree(before, root / step)
    elif before.exists():
        shutil.copy(before, root / step)
    else:
        (root / step).unlink()
    done = pytest_in(root, FORGOTTEN[step])
    assert done.returncode == 1, done.stdout
    name = FORGOTTEN[step].rpartition("::")[2]
    assert f"FAILED {FORGOTTEN[step].partition('::')[0]}::{name}" in done.stdout
