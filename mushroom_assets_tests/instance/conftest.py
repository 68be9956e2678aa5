"""Instances of Dagster on a database of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mushroom_assets_tests.instance.events import Open


@pytest.fixture
def open_on(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Opens an instance with the given storage on the test's database."""
    opened: list[dg.DagsterInstance] = []
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    def make(storage: str, *, batch: int = 500) -> dg.DagsterInstance:
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(batch))
        (tmp_path / "dagster.yaml").write_text(
            storage + "\ntelemetry: {enabled: false}\n", encoding="utf-8"
        )
        opened.append(dg.DagsterInstance.from_config(str(tmp_path)))
        return opened[-1]

    yield make
    for instance in opened:
        instance.dispose()
