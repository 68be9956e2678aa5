"""The wheel installs into an empty environment, and loads its definitions and farm file there."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from mushroom_assets.storage.predecessor import VIEWS

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ROOT = Path(__file__).parent.parent
LOAD = """
import mushroom_assets, pathlib
from mushroom_assets.definitions import defs
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.storage.migrations import head
assert "site-packages" in mushroom_assets.__file__, mushroom_assets.__file__
print(sorted(key.to_user_string() for key in defs.resolve_all_asset_keys()))
print(list(parse_farm(reference_farm_text()).rooms), head())
"""


def test_the_wheel_loads_definitions_and_farm_file_in_an_empty_environment(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", f"{tmp_path}", f"{ROOT}"], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    weights = [f"mushroom-tiny.{kind}" for kind in ("safetensors", "known.safetensors")]
    models = ("mushroom-tiny.json", *weights, "MODEL_CARD.md")
    model = [f"inference/models/{name}" for name in models]
    views = [f"storage/predecessor/{name}" for name in VIEWS.values()]
    for name in ("farm.yaml", "dagster.yaml", "workspace.yaml", *model, *views):
        assert f"mushroom_assets/{name}" in packed
    assert not [name for name in packed if "tests" in name or name.startswith("training")]

    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = f"{home}/bin/python"
    install = [python, "-m", "pip", "install", "-q", "-c", f"{ROOT}/constraints.txt", f"{wheel}"]
    subprocess.run(install, check=True, cwd=tmp_path)
    loaded = subprocess.run(
        [python, "-W", "ignore", "-c", LOAD],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    keys, farm = loaded.stdout.splitlines()
    assert keys == str(
        ["batch", "clip_probe", "daily_clip_inference", "daily_env_stats", "daily_room_report",
         "hourly_setpoint_changes", "image_label", "point", "room_images", "sample"]
    )  # fmt: skip
    assert farm == "['607', '608', '611', '612'] 0011"
    shown = subprocess.run(
        [home / "bin" / "mushroom", "--help"], capture_output=True, text=True, check=True
    )
    assert "doctor" in shown.stdout
