"""`mushroom load` on a farm of two rooms."""

from pathlib import Path

import pytest
from click.testing import Result

from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.loads import FARM, Load


@pytest.fixture
def load(database_url: str, tmp_path: Path) -> Load:
    def run(what: str, file: Path, *options: str, timezone: str = "Asia/Shanghai") -> Result:
        farm_file = tmp_path / "farm.yaml"
        farm_file.write_text(FARM.format(timezone), encoding="utf-8")
        where = {
            "MUSHROOM_HOME": tmp_path / "home",
            "MUSHROOM_CONFIG": farm_file,
            "DATABASE_URL": database_url,
        }
        return mushroom("load", what, file, *options, **where)

    return run
