"""The wheel holds what it needs, and works beside what it asks for and nothing else.

Its environment is empty but for links to the installed files of the packages that the wheel asks
for, directly or in turn. None of the extras is among them.
"""

import os
import subprocess
import sys
import venv
import zipfile
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mushroom_assets.storage.predecessor import VIEWS

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip"]
LOAD = """
import mushroom_assets, pathlib
from mushroom_assets.definitions import defs
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.storage.migrations import head
assert "site-packages" in mushroom_assets.__file__, mushroom_assets.__file__
print(sorted(key.to_user_string() for key in defs.resolve_all_asset_keys()))
print(list(parse_farm(reference_farm_text()).rooms), head())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*PIP, "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment, with the wheel installed."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, symlinks=True)
    (site,) = home.glob("lib/python3*/site-packages")
    said(*in_environment(home), "install", "-q", "--no-deps", wheel)
    (own,) = site.glob("mushroom_assets-*.dist-info")
    found: dict[str, Distribution] = {}
    for asked in Distribution.at(own).requires or []:
        collect(Requirement(asked), "", found)
    link(found.values(), site)
    return home


def in_environment(home: Path) -> list[str]:
    """This environment's pip, at work on another one."""
    return [*PIP, "--python", f"{home}/bin/python"]


def collect(asked: Requirement, extra: str, found: dict[str, Distribution]) -> None:
    """Add what a requirement of a package, or of an extra of it, brings."""
    if asked.marker is not None and not asked.marker.evaluate({"extra": extra}):
        return
    for wanted in ("", *asked.extras):
        name = f"{asked.name.lower()}[{wanted}]"
        if name not in found:
            found[name] = distribution(asked.name)
            for further in found[name].requires or []:
                collect(Requirement(further), wanted, found)


def link(packages: Iterable[Distribution], site: Path) -> None:
    """Show the files of packages, but for their commands, in another place.

    A folder that is one package's is one link, which takes a tenth of the time.
    """
    owners = Counter(name for package in distributions() for name in top(package))
    for package in packages:
        for file in package.files or []:
            shown = site / (file if owners[file.parts[0]] > 1 else file.parts[0])
            if file.parts[0] != ".." and not shown.exists():
                shown.parent.mkdir(parents=True, exist_ok=True)
                shown.symlink_to(Path(str(package.locate_file(shown.relative_to(site)))))


def top(package: Distribution) -> set[str]:
    """The names that a package has in the folder of all."""
    return {file.parts[0] for file in package.files or []}


def said(*command: object) -> str:
    """What a command prints, which finds no code by the developer's settings."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd="/", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_its_data_and_no_tests(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    weights = [f"mushroom-tiny.{kind}" for kind in ("safetensors", "known.safetensors")]
    models = ("mushroom-tiny.json", *weights, "MODEL_CARD.md")
    model = [f"inference/models/{name}" for name in models]
    views = [f"storage/predecessor/{name}" for name in VIEWS.values()]
    views.append("storage/batch_day.sql")
    static = ("page.css", "page.js", "charts.js", "uplot.min.js", "uplot.LICENSE.txt", "icon.svg")
    page = ["metadata/page.yaml", "web/templates/base.html"]
    page += [f"web/static/{name}" for name in static]
    for name in ("farm.yaml", "dagster.yaml", "workspace.yaml", *model, *views, *page):
        assert f"mushroom_assets/{name}" in packed
    assert not [name for name in packed if "tests" in name or name.startswith("training")]


def test_the_wheel_loads_definitions_and_farm_file_where_only_what_it_asks_for_is(
    home: Path,
) -> None:
    said(*in_environment(home), "check")  # versions, too
    for extra in ("pytest", "s3fs", "celery"):
        asked = f"import importlib.util as util; print(util.find_spec('{extra}'))"
        assert said(home / "bin" / "python", "-c", asked) == "None\n"
    keys, farm = said(home / "bin" / "python", "-W", "ignore", "-c", LOAD).splitlines()
    assert keys == str(
        ["batch", "clip_probe", "daily_clip_inference", "daily_env_stats", "daily_room_report",
         "harvest", "hourly_setpoint_changes", "image_label", "note", "point", "room_images",
         "sample"]
    )  # fmt: skip
    assert farm == "['607', '608', '611', '612'] 0012"
    assert "doctor" in said(home / "bin" / "mushroom", "--help")
