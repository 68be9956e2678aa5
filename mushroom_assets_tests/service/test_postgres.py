"""The embedded PostgreSQL where it cannot start; where it can, every other test uses it."""

from pathlib import Path

import pytest

from mushroom_assets.service.home import ServerError
from mushroom_assets.service.postgres import embedded_postgres


def test_an_embedded_database_that_cannot_start_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(
        ServerError, match=r"embedded PostgreSQL in .* does not start.*or set DATABASE_URL"
    ):
        with embedded_postgres(tmp_path / "postgres"):
            pass
