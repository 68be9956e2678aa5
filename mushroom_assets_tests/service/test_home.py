"""What stops one machine before any work, and the Dagster home that is made on it."""

import errno
import os
import socket
from pathlib import Path

import pytest
import yaml

from mushroom_assets.service import home
from mushroom_assets.service.home import (
    ServerError,
    prepare_dagster_home,
    require_free_port,
    require_space,
    telling_what_cannot_be_written,
)
from mushroom_assets.settings import load_settings


def test_a_port_in_use_is_told_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = (
            f"port {port} on 127.0.0.1 is in use by another program."
            f" Remedy: choose another, e.g. --port {port + 1}"
        )
        with pytest.raises(ServerError, match=told):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)


def test_after_the_last_port_the_one_before_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.LAST_PORT == 2**16 - 1
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(home, "LAST_PORT", port)
        with pytest.raises(ServerError, match=f"Remedy: choose another, e.g. --port {port - 1}"):
            require_free_port("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("é..farm", "encoding of hostname failed"),
    ],
)
def test_an_address_that_is_not_this_machine_s_is_told_too(host: str, reason: str) -> None:
    told = f"on {host} is {reason}. Remedy: give an address of this machine, e.g. --host 127.0.0.1"
    with pytest.raises(ServerError, match=told):
        require_free_port(host, 3000)


def test_a_disk_that_is_too_small_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ServerError) as caught:
        require_space(tmp_path / "new", 10**18)
    assert str(caught.value).startswith(f"{tmp_path / 'new'} has ")
    assert "GB free, 1000000000.0 GB are needed. Remedy: make room, or set MUSHROOM_HOME" in str(
        caught.value
    )
    require_space(tmp_path / "new", 1)


def test_the_dagster_home_of_the_farm_is_renewed_and_one_s_own_is_left_alone(
    tmp_path: Path,
) -> None:
    settings = load_settings({"MUSHROOM_HOME": str(tmp_path)})
    file = tmp_path / "dagster" / "dagster.yaml"
    prepare_dagster_home(settings)
    packaged = file.read_text(encoding="utf-8")
    assert "DATABASE_URL" in packaged
    file.write_text("old: true\n", encoding="utf-8")
    prepare_dagster_home(settings)
    assert file.read_text(encoding="utf-8") == packaged
    own = tmp_path / "own" / "dagster.yaml"
    own.parent.mkdir()
    own.write_text("mine: true\n", encoding="utf-8")
    prepare_dagster_home(load_settings({"DAGSTER_HOME": str(own.parent)}))
    assert own.read_text(encoding="utf-8") == "mine: true\n"


@pytest.mark.parametrize(("cores", "runs"), [(1, 2), (2, 2), (4, 4), (64, 8)])
def test_as_many_runs_at_once_as_the_machine_has_cores_and_one_place_is_the_timetables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, runs: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    prepare_dagster_home(load_settings({"MUSHROOM_HOME": str(tmp_path)}))
    written = yaml.safe_load((tmp_path / "dagster" / "dagster.yaml").read_text(encoding="utf-8"))
    assert written["concurrency"]["runs"] == {
        "max_concurrent_runs": runs,
        "tag_concurrency_limits": [{"key": "dagster/backfill", "limit": runs - 1}],
    }


def test_a_dagster_home_that_cannot_be_made_names_its_own_setting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for setting in ("DAGSTER_HOME", "MUSHROOM_HOME"):
        with pytest.raises(ServerError) as caught:
            prepare_dagster_home(load_settings({setting: str(file / "x")}))
        assert str(caught.value).startswith(
            f"{setting}={file}/x cannot be made or written: Not a directory ({file}/x"
        )
        assert str(caught.value).endswith(
            f". Remedy: set {setting} to a folder that this user may make and write"
        )


def test_a_full_disk_is_no_wrong_setting(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path))
    with (
        pytest.raises(OSError, match="No space left") as caught,
        telling_what_cannot_be_written("MUSHROOM_HOME", tmp_path),
    ):
        raise full
    assert caught.value is full
