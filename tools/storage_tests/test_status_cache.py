"""Dagster's tests of what it keeps of partitions' states, which it runs on SQLite only."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.test_utils import instance_for_test
from dagster_tests.storage_tests.utils import partition_status_cache as dagsters


class TestStatusCache(dagsters.TestPartitionStatusCache):  # noqa: D101
    @pytest.fixture
    def instance(self, postgres_conn_str: str) -> Iterator[dg.DagsterInstance]:
        """On the storage of the side."""
        storage = {"postgres": {"postgres_url": postgres_conn_str}}
        with instance_for_test(overrides={"storage": storage}) as instance:
            yield instance
