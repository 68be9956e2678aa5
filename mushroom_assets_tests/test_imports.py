"""Who may import whom: the syntax trees of all modules show it, lazy imports too."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mushroom_assets
from mushroom_assets_tests.kit.rooms import MAY

ROOT = Path(mushroom_assets.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))

DAGSTER, MODELS = {"dagster", "dagster_postgres"}, {"torch", "torchvision", "open_clip", "sklearn"}
TERMINAL = {"click", "tqdm"}  # ruff keeps `print` out
DATABASE = {"sqlalchemy", "psycopg", "alembic", "pgvector"}
MUST_NOT = {  # elsewhere: what models need
    "storage": DAGSTER | MODELS,
    "image_store": DAGSTER | DATABASE | MODELS,
    "inference": DAGSTER | DATABASE,
    "simulation": DAGSTER | DATABASE | MODELS,
}
# All that `domain` takes from outside the standard library
PURE = {"numpy", "pandas", "pydantic", "yaml"}


def room(file: Path) -> str:
    """`domain` of domain/farm.py, `settings` of settings.py, nothing of the package's __init__."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imported(source: str) -> set[str]:
    """Dotted names of all that a module imports, wherever in it.

    `from a import b` counts as a.b.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(source: str) -> set[str]:
    return {
        name.split(".")[1] for name in imported(source) if name.split(".")[0] == "mushroom_assets"
    }


def strangers_imported(source: str) -> set[str]:
    """Distributions from outside: neither the package nor the standard library."""
    return (
        {name.split(".")[0] for name in imported(source)}
        - {"mushroom_assets"}
        - sys.stdlib_module_names
    )


def reads_environment(source: str) -> bool:
    """Whether `environ` or `getenv` of `os` is used."""
    tree = ast.walk(ast.parse(source))
    touched = {
        f"{node.value.id}.{node.attr}"
        for node in tree
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return bool((touched | imported(source)) & {"os.environ", "os.environb", "os.getenv"})


def sources() -> Iterator[tuple[str, str, str]]:
    """(path, room, source) of every module of the package."""
    for file in FILES:
        yield str(file.relative_to(ROOT)), room(file), file.read_text(encoding="utf-8")


def test_a_module_imports_only_what_its_room_may() -> None:
    wrong = {path: rooms_imported(source) - MAY[name] - {name} for path, name, source in sources()}
    assert {path: rooms for path, rooms in wrong.items() if rooms} == {}


def test_a_module_takes_from_outside_only_what_its_room_may() -> None:
    wrong = {
        path: strangers_imported(source) & MUST_NOT.get(name, MODELS)
        for path, name, source in sources()
    }
    assert {path: strangers for path, strangers in wrong.items() if strangers} == {}


def test_only_one_module_about_faults_knows_dagster() -> None:
    faults = {path: source for path, name, source in sources() if name == "faults"}
    knowing = {path for path, source in faults.items() if strangers_imported(source) & DAGSTER}
    assert knowing == {"faults/run.py"}


def test_only_the_command_line_draws_on_a_terminal() -> None:
    drawing = {name for _, name, source in sources() if strangers_imported(source) & TERMINAL}
    assert drawing == {"cli"}


def test_the_domain_takes_nothing_from_outside_but_the_means_to_compute() -> None:
    taken = set[str]().union(
        *(strangers_imported(source) for _, name, source in sources() if name == "domain")
    )
    assert taken - PURE == set()


def test_private_names_of_dagster_are_imported_in_one_room_only() -> None:
    private = {
        path: {name for name in imported(source) if name.startswith("dagster._")}
        for path, name, source in sources()
        if name != "instance"
    }
    assert {path: names for path, names in private.items() if names} == {}


def test_every_module_says_what_lives_in_it() -> None:
    assert [
        str(file)
        for file in [*FILES, *TESTS]
        if not ast.get_docstring(ast.parse(file.read_bytes()))
    ] == []


def test_the_environment_is_read_in_few_places() -> None:
    assert {path for path, _, source in sources() if reads_environment(source)} <= {
        "settings.py",
        "service/programs.py",
        "cli/ground.py",
    }


def test_annotations_of_assets_are_not_postponed() -> None:  # Dagster reads them
    postponed = [
        path for path, _, source in sources() if "__future__.annotations" in imported(source)
    ]
    assert [path for path in postponed if path.startswith("assets/")] == []


def test_only_the_command_line_imports_the_definitions() -> None:
    importers = {
        room(file)
        for file in FILES
        if "definitions" in rooms_imported(file.read_text(encoding="utf-8"))
    }
    assert importers == {"cli"}


def test_the_walk_sees_lazy_imports_and_all_their_forms() -> None:
    source = """
import os as o, mushroom_assets.cli
from mushroom_assets import demo as d
from mushroom_assets.storage import schema
def late():
    if True:
        from mushroom_assets.definitions import defs
        import sqlalchemy.orm
"""
    assert rooms_imported(source) == {"cli", "demo", "storage", "definitions"}
    assert strangers_imported(source) == {"sqlalchemy"}
    assert not reads_environment(source)
    assert reads_environment("import os\nx = os.environ.get('A')")
    assert reads_environment("from os import getenv")


def test_loading_the_definitions_imports_nothing_that_takes_seconds() -> None:
    slow = {"torch", "open_clip", "PIL", "sklearn", "scipy", "apprise"}
    code = f"import sys, mushroom_assets.definitions; print(*{slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_tests_share_through_the_kit_and_not_through_one_another() -> None:
    private = re.compile(r"mushroom_assets_tests\.(.*\.)?(test_\w+|conftest)(\.|$)")
    wrong = {}
    for file in TESTS:
        taken = [name for name in imported(file.read_text(encoding="utf-8")) if private.match(name)]
        if taken:
            wrong[file.name] = taken
    assert wrong == {}
