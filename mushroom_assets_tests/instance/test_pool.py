"""The storage's connections: closed ones are replaced before use, in the webserver too."""

import dagster as dg
import pytest
import sqlalchemy as sa

from mushroom_assets_tests.instance.events import FARM, Open, event_storage
from mushroom_assets_tests.kit.databases import execute


def ask_all_parts(instance: dg.DagsterInstance) -> None:
    """A query of each of the storage's three parts."""
    assert instance.get_runs_count() == 0
    assert instance.all_instigator_state() == []
    assert instance.event_log_storage.get_maximum_record_id() is None


@pytest.mark.parametrize("webserver", [False, True])
def test_connections_that_the_server_closed_are_replaced(
    open_on: Open, server_uri: str, webserver: bool
) -> None:
    instance = open_on(FARM)
    if webserver:
        instance.optimize_for_webserver(5000, pool_recycle=3600, max_overflow=20)
    ask_all_parts(instance)
    execute(
        server_uri,
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
        " WHERE datname LIKE 't\\_%'",
    )
    ask_all_parts(instance)


def test_a_statement_in_the_webserver_takes_no_longer_than_it_may(open_on: Open) -> None:
    instance = open_on(FARM)
    instance.optimize_for_webserver(100, pool_recycle=3600, max_overflow=20)
    with (
        pytest.raises(sa.exc.OperationalError, match="statement timeout"),
        event_storage(instance).index_connection() as connection,
    ):
        connection.execute(sa.text("SELECT pg_sleep(10)"))
