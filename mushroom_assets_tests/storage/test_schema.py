"""What the schema says of its tables as a whole: roles, order, and that the documents have all."""

from pathlib import Path

import pytest

from mushroom_assets.storage.schema import ASSETS, RESULTS, SOURCES, TABLES, metadata
from mushroom_assets.storage.schema.batch_day import VIEW
from mushroom_assets.storage.schema.dictionary import Role, upstream
from mushroom_assets_tests.kit import contract

DOCS = Path(__file__).parents[2] / "docs"


def test_every_table_of_the_database_is_listed_once() -> None:
    assert sorted(table.name for table in metadata.tables.values()) == sorted(TABLES)


@pytest.mark.parametrize("document", ["tables.md", "tables.zh.md"])
def test_every_table_of_the_database_is_in_the_documents(document: str) -> None:
    lines = (DOCS / document).read_text(encoding="utf-8").splitlines()
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert sorted(headings) == sorted([VIEW, *(table.name for table in metadata.tables.values())])


def test_results_come_first_then_sources_then_what_inference_works_with() -> None:
    roles = [table.info["role"] for table in TABLES.values()]
    assert roles == sorted(roles, key=list(Role).index)


def test_a_result_comes_after_the_results_that_it_is_computed_from() -> None:
    order = list(RESULTS)
    for name, table in RESULTS.items():
        for other in upstream(table):
            if other in RESULTS:
                assert order.index(other) < order.index(name)


def test_assets_are_all_tables_but_those_that_inference_works_with() -> None:
    assert set(RESULTS) == set(contract.ASSETS)
    assert set(SOURCES) == contract.EXTERNAL | {contract.LABELS}
    assert set(ASSETS) == {*RESULTS, *SOURCES, *contract.BESIDE}
    assert "room_images" not in TABLES
