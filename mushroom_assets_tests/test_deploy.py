"""The scripts of `deploy/` with a stand-in for docker: what they ask, and when they go back."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("code_server", "webserver", "daemon", "page")
OLDEST = "0.1.0-20251201000000-ccccccc"
OLD = "0.1.0-20260101000000-aaaaaaa"
NEW = "0.2.0-20260201000000-bbbbbbb"
# Says what it is asked, and has the images and the health that the test gives it. Who asks for
# health gets the signal of the next line of `signals`; with 0 the whole group does, as by Ctrl-C
DOCKER = """#!/bin/bash
echo "$MUSHROOM_TAG docker $*" >> "$STATE/asked"
case "$*" in
    "image inspect "*) grep -qx "${3##*:}" "$STATE/images" ;;
    load) cat > /dev/null; basename "$LOADED" >> "$STATE/images" ;;
    pull*) exit 1 ;;
    build*) exit 0 ;;
    "compose up -d") exit "$(cat "$STATE/up")" ;;
    *"mushroom init"*) exit "$(cat "$STATE/init")" ;;
    *"mushroom health")
        read -r signal target < "$STATE/signals"
        sed -i 1d "$STATE/signals"
        [ -z "$signal" ] || kill -s "$signal" "${target:-$PPID}"
        grep -qx "$(sed -n 's/^MUSHROOM_TAG=//p' .env)" "$STATE/healthy"
        ;;
esac
"""


@dataclass
class Host:
    """A folder with the files of `deploy/`, and the state of its docker."""

    folder: Path

    def put(self, name: str, *lines: str) -> None:
        (self.folder / "state" / name).write_text("".join(f"{line}\n" for line in lines))

    def run(
        self, script: str, *arguments: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "STATE": str(self.folder / "state"),
            "HEALTH_S": "0",
        }
        # Whatever ignores a signal hands that on, and a shell cannot undo it: `nohup pytest`
        command = ["env", "--default-signal", "bash", str(self.folder / "deploy" / script)]
        return subprocess.run(
            [*command, *arguments],
            env=given | settings,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def asked(self) -> list[str]:
        """Of docker, without the questions that change nothing."""
        lines = (self.folder / "state" / "asked").read_text().splitlines()
        return [line for line in lines if not re.search("docker (info|image inspect)", line)]

    @property
    def tag(self) -> str:
        return (self.folder / "deploy" / ".env").read_text().split("MUSHROOM_TAG=")[1].strip()

    @property
    def previous(self) -> str:
        return (self.folder / "deploy" / ".previous_tag").read_text().strip()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for folder in ("bin", "state", "deploy/secrets"):
        (tmp_path / folder).mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    (tmp_path / "deploy" / "farm.yaml").write_text("rooms: {}\n")
    secret = tmp_path / "deploy" / "secrets" / "postgres_password"
    secret.write_text("secret\n")
    secret.chmod(0o444)
    host = Host(tmp_path)
    host.put("images", OLDEST, OLD, NEW)
    host.put("healthy", OLDEST, OLD, NEW)
    host.put("signals")
    host.put("init", "0")
    host.put("up", "0")
    return host


def test_a_deploy_migrates_starts_waits_and_shows_the_timetable(host: Host) -> None:
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 0, done.stdout
    assert host.asked() == [
        f"{NEW} docker compose up -d postgres_db",
        f"{NEW} docker compose run --rm -T --no-deps code_server "
        "mushroom init --attempts 12 --wait 5",
        " docker compose up -d",
        " docker compose exec -T webserver mushroom health",
        *(f" docker compose exec -T {part} true" for part in PARTS),
        " docker compose exec -T code_server mushroom status",
    ]
    assert host.tag == NEW


def test_without_health_it_goes_back_to_the_release_before(host: Host) -> None:
    assert host.run("deploy_server.sh", OLD).returncode == 0
    host.put("healthy", OLD)
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 1
    assert f"{OLD} serves the farm again; {NEW} does not" in done.stdout
    assert host.tag == OLD


def test_a_migration_that_fails_leaves_the_old_release_running(host: Host) -> None:
    assert host.run("deploy_server.sh", OLD).returncode == 0
    host.put("init", "1")
    host.put("asked")
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 1
    assert f"nothing was changed, {OLD} goes on" in done.stdout
    assert not any(line.endswith("compose up -d") for line in host.asked())
    assert host.tag == OLD


def test_a_first_migration_that_fails_says_that_nothing_runs(host: Host) -> None:
    host.put("init", "1")
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 1
    assert f"the tables could not be made, so {NEW} was not started" in done.stdout
    assert "nothing goes on" not in done.stdout


def test_a_rollback_goes_to_the_release_before_and_forth_again(host: Host) -> None:
    for tag in (OLD, NEW):
        assert host.run("deploy_server.sh", tag).returncode == 0
    for expected in (OLD, NEW):
        done = host.run("rollback.sh")
        assert done.returncode == 0, done.stdout
        assert host.tag == expected


@pytest.mark.parametrize("signal", ["INT 0", "INT", "TERM", "HUP 0"])
def test_a_deploy_that_is_stopped_while_it_waits_is_taken_back(host: Host, signal: str) -> None:
    for tag in (OLDEST, OLD):
        assert host.run("deploy_server.sh", tag).returncode == 0
    host.put("healthy", OLDEST, OLD)
    host.put("signals", signal)
    done = host.run("deploy_server.sh", NEW, HEALTH_S="600")
    assert done.returncode == 1
    assert f"stopped before {NEW} was healthy" in done.stdout
    assert f"{OLD} serves the farm again; {NEW} does not" in done.stdout
    assert (host.tag, host.previous) == (OLD, OLDEST)


def test_who_stops_the_way_back_too_is_told_what_to_run(host: Host) -> None:
    for tag in (OLDEST, OLD):
        assert host.run("deploy_server.sh", tag).returncode == 0
    host.put("healthy")
    host.put("signals", "INT 0", "INT 0")
    done = host.run("deploy_server.sh", NEW, HEALTH_S="600")
    assert done.returncode == 1
    told = f"stopped on the way back to {OLD}. Remedy: deploy/rollback.sh {OLD}"
    assert told in done.stdout.splitlines()[-1]
    assert (host.tag, host.previous) == (OLD, OLDEST)


def test_a_deploy_that_is_killed_while_it_waits_can_be_rolled_back(host: Host) -> None:
    assert host.run("deploy_server.sh", OLD).returncode == 0
    host.put("signals", "KILL")
    assert host.run("deploy_server.sh", NEW).returncode == -9
    assert host.tag == NEW
    assert host.run("rollback.sh").returncode == 0
    assert host.tag == OLD


def test_a_rollback_that_is_stopped_comes_back(host: Host) -> None:
    for tag in (OLD, NEW):
        assert host.run("deploy_server.sh", tag).returncode == 0
    host.put("signals", "TERM")
    done = host.run("rollback.sh")
    assert done.returncode == 1
    assert f"{NEW} serves the farm again; {OLD} does not" in done.stdout
    assert (host.tag, host.previous) == (NEW, OLD)


def test_a_first_deploy_that_is_stopped_leaves_no_release(host: Host) -> None:
    host.put("signals", "TERM")
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 1
    assert f"stopped before {NEW} was healthy; there is no release to go back to" in done.stdout
    assert "MUSHROOM_TAG" not in (host.folder / "deploy" / ".env").read_text()
    assert host.previous == ""


def test_it_goes_back_though_nobody_hears_of_it(host: Host) -> None:
    assert host.run("deploy_server.sh", OLD).returncode == 0
    host.put("healthy", OLD)
    deaf = host.folder / "deploy" / "deaf.sh"
    deaf.write_text('exec "$(dirname "$0")/deploy_server.sh" "$@" >/dev/full\n')
    assert host.run("deaf.sh", NEW).returncode == 1
    assert host.asked().count(" docker compose up -d") == 3  # the old one, the new one, and back
    assert (host.tag, host.previous) == (OLD, "")


def test_what_does_not_start_is_no_success_though_the_old_one_answers(host: Host) -> None:
    host.put("up", "1")
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 1
    assert "there is no release to go back to" in done.stdout
    assert "MUSHROOM_TAG" not in (host.folder / "deploy" / ".env").read_text()


def test_a_tag_of_the_shell_does_not_win_over_the_one_that_is_deployed(host: Host) -> None:
    assert host.run("deploy_server.sh", NEW, MUSHROOM_TAG=OLD).returncode == 0
    assert f"{OLD} docker compose up -d" not in host.asked()


def test_a_rollback_to_what_is_not_healthy_comes_back(host: Host) -> None:
    for tag in (OLD, NEW):
        assert host.run("deploy_server.sh", tag).returncode == 0
    host.put("healthy", NEW)
    done = host.run("rollback.sh")
    assert done.returncode == 1
    assert f"{NEW} serves the farm again; {OLD} does not" in done.stdout
    assert (host.tag, host.previous) == (NEW, OLD)


@pytest.mark.parametrize("script", ["rollback.sh", "deploy_server.sh"])
def test_the_release_that_runs_already_is_not_gone_back_to(host: Host, script: str) -> None:
    for tag in (OLD, NEW):
        assert host.run("deploy_server.sh", tag).returncode == 0
    host.put("healthy", OLD)
    done = host.run(script, NEW)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert f"{NEW} is not healthy after 0 s; it ran before too: nothing to take back" in last
    assert f"deploy/rollback.sh {OLD}" in last
    assert (host.tag, host.previous) == (NEW, OLD)


@pytest.mark.parametrize(
    "line",
    [
        'MUSHROOM_FARM_FILE="./mine.yaml"',
        "MUSHROOM_FARM_FILE=./mine.yaml   # ours",
        "MUSHROOM_FARM_FILE=./mine.yaml\r",
        "MUSHROOM_FARM_FILE='mine.yaml'",
        "export MUSHROOM_FARM_FILE=./mine.yaml",
        '  export  MUSHROOM_FARM_FILE = "mine.yaml"  ',
    ],
)
def test_a_setting_of_env_is_read_as_compose_reads_it(host: Host, line: str) -> None:
    deploy = host.folder / "deploy"
    (deploy / "farm.yaml").rename(deploy / "mine.yaml")
    (deploy / ".env").write_bytes(f"{line}\n".encode())
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 0, done.stdout


def test_without_an_engine_it_says_so(host: Host) -> None:
    (host.folder / "bin" / "docker").unlink()
    for name in ("env", "date", "id", "sed", "tail", "dirname", "bash"):
        (host.folder / "bin" / name).symlink_to(f"{shutil.which(name)}")
    done = host.run("deploy_server.sh", NEW, PATH=f"{host.folder / 'bin'}")
    assert done.returncode == 1
    assert "neither docker nor podman runs here" in done.stderr


def test_the_seconds_for_health_are_a_number(host: Host) -> None:
    done = host.run("deploy_server.sh", NEW, HEALTH_S="3m")
    assert done.returncode == 1
    assert "HEALTH_S=3m is no number" in done.stdout


def test_seconds_with_a_zero_before_them_are_not_octal(host: Host) -> None:
    host.put("healthy")
    sleep = host.folder / "bin" / "sleep"
    sleep.write_text(f'#!/bin/bash\necho {NEW} >> "$STATE/healthy"\n')
    sleep.chmod(0o755)
    done = host.run("deploy_server.sh", NEW, HEALTH_S="090")
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.tag == NEW


def test_what_belongs_to_a_server_is_not_committed() -> None:
    ignored = (ROOT / "deploy" / ".gitignore").read_text().split("\n")
    assert {".env", "farm.yaml", "secrets/", "images/", ".previous_tag"} <= set(ignored)


def test_what_else_stands_in_env_stays(host: Host) -> None:
    env = host.folder / "deploy" / ".env"
    env.write_text(
        "MUSHROOM_PORT=8000\nMUSHROOM_TAG=x\nexport MUSHROOM_TAG=y\nMUSHROOM_BIND=0.0.0.0\n"
    )
    env.chmod(0o600)
    assert host.run("deploy_server.sh", NEW).returncode == 0
    lines = ["MUSHROOM_PORT=8000", "MUSHROOM_BIND=0.0.0.0", f"MUSHROOM_TAG={NEW}"]
    assert env.read_text().splitlines() == lines
    assert env.stat().st_mode & 0o777 == 0o600
    assert host.previous == "y"


def test_an_image_in_a_file_is_loaded(host: Host) -> None:
    host.put("images")
    (host.folder / "deploy" / "images").mkdir()
    file = host.folder / "deploy" / "images" / f"{NEW}.tar.gz"
    subprocess.run(["gzip", "-c"], input=b"an image", stdout=file.open("wb"), check=True)
    assert host.run("deploy_server.sh", NEW, LOADED=NEW).returncode == 0
    assert host.asked()[0] == " docker load"


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("farm.yaml", "no farm file farm.yaml. Remedy: cp"),
        ("secrets/postgres_password", "no password in secrets/postgres_password. Remedy: openssl"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_touched(
    host: Host, missing: str, told: str
) -> None:
    (host.folder / "deploy" / missing).unlink()
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 1
    assert told in done.stdout
    assert host.asked() == []


def test_a_password_for_the_page_is_made_where_there_is_none(host: Host) -> None:
    secret = host.folder / "deploy" / "secrets" / "page_password"
    assert "made a password" in host.run("deploy_server.sh", NEW).stdout
    first = secret.read_text()
    assert len(first.strip()) == 12  # 9 bytes in base64
    assert secret.stat().st_mode & 0o777 == 0o444
    assert "made a password" not in host.run("deploy_server.sh", OLD).stdout
    assert secret.read_text() == first


@pytest.mark.parametrize("tag", ["", "latest", "1.0-20260101000000-aaaaaaa", f"{NEW};ls"])
def test_only_a_tag_of_a_build_is_deployed(host: Host, tag: str) -> None:
    done = host.run("deploy_server.sh", tag)
    assert done.returncode == 1
    assert "is no tag of build.sh" in done.stdout


def test_an_image_that_is_nowhere_is_told(host: Host) -> None:
    host.put("images")
    done = host.run("deploy_server.sh", NEW)
    assert done.returncode == 1
    assert "neither here, nor in images/, nor can it be pulled" in done.stdout


def test_a_build_is_tagged_by_version_time_and_commit(host: Host) -> None:
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com"]
    shutil.copy(ROOT / "setup.py", host.folder)
    (host.folder / ".gitignore").write_text("bin\nstate\n")
    for step in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *step], cwd=host.folder, check=True)
    done = host.run("build.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    tag = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"0\.1\.0-20\d{12}-[0-9a-f]{12}", tag)
    (asked,) = host.asked()
    assert f"--tag mushroom_assets:{tag} ." in asked
    (host.folder / "more").touch()
    done = host.run("build.sh")
    assert done.returncode == 1
    assert "not committed" in done.stdout


def test_a_build_says_what_it_can_and_builds_nothing(host: Host) -> None:
    done = host.run("build.sh", "--help")
    assert done.returncode == 0
    assert "deploy/build.sh [--save]" in done.stdout
    assert "shellcheck" not in done.stdout
    for wrong in (("--sav",), ("--save", "more"), ("tag",)):
        done = host.run("build.sh", *wrong)
        assert done.returncode == 2
        assert f"'{' '.join(wrong)}' is nothing that can be built. Remedy: " in done.stderr
    assert not (host.folder / "state" / "asked").exists()


def test_without_a_checkout_nothing_is_built(host: Host) -> None:
    done = host.run("build.sh", GIT_CEILING_DIRECTORIES=str(host.folder.parent))
    assert done.returncode == 1
    assert f"{host.folder} is no git checkout" in done.stdout
    assert "Remedy: build where it was cloned" in done.stdout
    assert done.stderr == ""
    assert host.asked() == []


def test_every_setting_of_the_example_gets_into_every_part() -> None:
    stack = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    for part in PARTS:
        assert stack["services"][part]["env_file"] == [{"path": ".env", "required": False}]
        assert "MUSHROOM_PATH_PREFIX" not in stack["services"][part]["environment"]
    assert "\n#MUSHROOM_PATH_PREFIX=/" in (ROOT / "deploy" / "env.example").read_text()


def test_every_part_waits_by_itself_and_none_has_the_password_in_its_settings() -> None:
    stack = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    for name, service in stack["services"].items():
        assert "depends_on" not in service
        assert service["restart"] == "unless-stopped", name
        assert service["networks"] == ["plant_backend"]
        settings = service["environment"]
        assert "POSTGRES_PASSWORD" not in settings and "MUSHROOM_PAGE_PASSWORD" not in settings
        # Only the page has its own: another part could not read the file, and would not start
        of_page = {"MUSHROOM_PAGE_PASSWORD_FILE": "/run/secrets/page_password"}
        assert (of_page.items() <= settings.items()) == (name == "page")
        assert ("page_password" in service["secrets"]) == (name == "page")
        assert settings["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
