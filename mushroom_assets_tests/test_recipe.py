"""The recipe for a new noun works as it is written, and a forgotten step fails a test by name.

`examples/energy` holds what the recipe of CONTRIBUTING.md makes. It goes into a copy of the
repository, step by step; tests run there in processes of their own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "energy"
MADE = shutil.ignore_patterns(
    ".git",
    ".venv*",
    ".mushroom",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "*.egg-info",
    "build",
    "dist",
)
Edits = dict[str, list[dict[str, str]]]
EDITS: Edits = yaml.safe_load((EXAMPLE / "edits.yaml").read_text(encoding="utf-8"))
PROMISES: Edits = yaml.safe_load((EXAMPLE / "promises.yaml").read_text(encoding="utf-8"))
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
    "mushroom_assets/assets/beside.py": (
        f"{NOUNS}::test_every_asset_with_partitions_can_be_compared_by_mushroom_diff"
    ),
    "mushroom_assets_tests/kit/contract.py": (
        "mushroom_assets_tests/test_definitions.py"
        "::test_the_assets_are_those_of_the_contract_with_their_upstreams"
    ),
    "docs/tables.md": (
        "mushroom_assets_tests/test_docs.py::test_the_table_documents_are_what_the_schema_declares"
    ),
}

# Tests that a new noun could fail.
HOLDING = (
    "assets/test_energy.py",
    "automation/test_timetable.py",
    "domain/test_rows.py",
    "domain/test_versions.py",
    "metadata/test_catalogue.py",
    "storage/test_migrations.py",
    "storage/test_schema.py",
    "test_definitions.py",
    "test_docs.py",
    "test_imports.py",
    "test_nouns.py",
    "test_style.py",
)

pytestmark = pytest.mark.long


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a copy of the repository, which stands in for the installed package."""
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def pytest_in(root: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return run(root, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *names)


def copy(source: Path, target: Path) -> Path:
    """A copy of the repository, without what is made in it."""
    return Path(shutil.copytree(source, target / "copy", ignore=MADE, symlinks=True))


def edit(root: Path, name: str) -> None:
    """Make a file's edits."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    for change in (EDITS | PROMISES)[name]:
        assert text.count(change["find"]) == 1, f"{name}: {change['find']!r}"
        text = text.replace(change["find"], change["put"])
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which every step was taken."""
    root = copy(ROOT, tmp_path_factory.mktemp("recipe"))
    for folder in ("mushroom_assets", "mushroom_assets_tests"):
        shutil.copytree(EXAMPLE / folder, root / folder, dirs_exist_ok=True)
    for name in (*EDITS, *PROMISES):
        edit(root, name)
    migrated = run(root, "-m", "tools.migration", "energy")
    assert migrated.returncode == 0, migrated.stderr
    versions = "mushroom_assets/storage/migrations/versions"
    run(root, "-m", "ruff", "check", "--quiet", "--select", "I", "--fix", versions)
    run(root, "-m", "ruff", "format", "--quiet", versions)
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
    done = pytest_in(finished, *(f"mushroom_assets_tests/{name}" for name in HOLDING))
    assert done.returncode == 0, done.stdout


def test_the_example_is_written_as_the_rest(finished: Path) -> None:
    checked = run(finished, "-m", "ruff", "check", "mushroom_assets", "mushroom_assets_tests")
    assert checked.returncode == 0, checked.stdout


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
    done = pytest_in(root, "-p", "no:hypothesispytest", FORGOTTEN[step])  # a second to load
    assert done.returncode == 1, done.stdout
    name = FORGOTTEN[step].rpartition("::")[2]
    assert f"FAILED {FORGOTTEN[step].partition('::')[0]}::{name}" in done.stdout
