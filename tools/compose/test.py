"""Starts deploy/compose.yaml for real, by podman-compose, and takes PostgreSQL away from it.

Also deploys, deploys a release that does not come up, and rolls back. `tools/compose/test.sh` makes
the image and says where it is. What is asserted here is what docs/operate.md promises.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("code_server", "webserver", "daemon", "page")
UI = "http://127.0.0.1:3000"
LATE_S = 40
TAGS = (
    "0.0.1-20260101000000-aaaaaaa",
    "0.0.2-20260102000000-bbbbbbb",
    "0.0.3-20260103000000-ccccccc",
)
IMAGE = "localhost/mushroom_assets"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def run(*command: str, check: bool = True, **options: object) -> str:
    """Run a command; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if check and done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return str(done.stdout + done.stderr)


def until(what: str, holds: Callable[[], bool], within_s: float = 180) -> float:
    """Wait; the seconds that it took."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > within_s:
            print(compose("logs", "--no-color", "--tail", "40", check=False))
            sys.exit(f"{what}: not within {within_s:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - begun


def compose(*arguments: str, check: bool = True) -> str:
    return run("podman-compose", *arguments, check=check)


def running() -> dict[str, tuple[str, int]]:
    """When each part was started, and how often it was started again."""
    form = "{{.Name}} {{.State.Running}} {{.State.StartedAt}} {{.RestartCount}}"
    found = {}
    for part in PARTS:
        _, up, *started, restarts = run(
            "podman", "inspect", "-f", form, f"mushroom_{part}_1"
        ).split()
        assert up == "true", f"{part} does not run"
        found[part] = (" ".join(started), int(restarts))
    return found


def execute(part: str, *command: str, check: bool = True) -> str:
    return run("podman", "exec", f"mushroom_{part}_1", *command, check=check)


def healthy() -> bool:
    return (
        "healthy"
        in run("podman", "exec", "mushroom_webserver_1", "mushroom", "health", check=False).split(
            "\n"
        )[0:1]
    )


def ask(query: str) -> dict[str, object]:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{UI}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer)["data"])


def materialize(day: str) -> None:
    """A day of the environment, launched as in the UI, with its rows in the table."""
    selector = 'repositoryLocationName: "mushroom_assets", repositoryName: "__repository__"'
    query = f"""mutation {{launchRun(executionParams: {{
        selector: {{{selector}, jobName: "daily_env_stats_job"}},
        executionMetadata: {{tags: [{{key: "dagster/partition", value: "{day}"}}]}}}})
        {{__typename ... on LaunchRunSuccess {{run {{runId}}}}}}}}"""
    launched = ask(query)["launchRun"]
    assert isinstance(launched, dict) and launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended() -> bool:
        told = ask(f'{{runOrError(runId: "{run_id}") {{... on Run {{status}}}}}}')["runOrError"]
        assert isinstance(told, dict) and told["status"] != "FAILURE", told
        return bool(told["status"] == "SUCCESS")

    took_s = until("the run", ended)
    count = sql(f"SELECT count(*) FROM farm.daily_env_stats WHERE stat_date = '{day}'")
    say(f"{day}: {count} rows, {took_s:.0f} s after it was asked for")
    assert count == "10", count  # two rooms, five quantities


def sql(query: str) -> str:
    code = (
        "import psycopg, sys; from mushroom_assets.settings import load_settings;"
        "connection = psycopg.connect(load_settings().database_url);"
        "print(connection.execute(sys.argv[1]).fetchone()[0])"
    )
    return execute("webserver", "python", "-c", code, query).strip()


def stopped_postgres(seconds: float) -> None:
    run("podman", "stop", "--time", "20", "mushroom_postgres_db_1")
    time.sleep(seconds)
    run("podman", "start", "mushroom_postgres_db_1")


def comes_up(days: list[str]) -> None:
    compose("up", "-d", *PARTS)
    say(f"everything but PostgreSQL is up; {LATE_S} s pass")
    time.sleep(LATE_S)
    before = running()
    compose("up", "-d", "postgres_db")
    say(f"healthy {until('health', healthy):.0f} s after PostgreSQL was started")
    assert running() == before, "something was started again"
    run(
        "podman",
        "exec",
        "mushroom_code_server_1",
        "mushroom",
        "simulate",
        "--days",
        "2",
        "--rooms",
        "2",
        "--no-images",
    )
    materialize(days[0])


def outlives_an_outage(days: list[str]) -> None:
    before = running()
    stopped_postgres(LATE_S)
    say(f"PostgreSQL was away for {LATE_S} s; healthy after {until('health', healthy):.0f} s")
    assert running() == before, "something was started again"
    materialize(days[1])


def restarts_alone() -> None:
    before = running()
    run("podman", "restart", "--time", "30", "mushroom_code_server_1")
    say(f"the code server was restarted: healthy after {until('health', healthy):.0f} s")
    after = running()
    changed = {part for part in PARTS if after[part] != before[part]}
    assert changed == {"code_server"}, changed


def deploys(folder: Path) -> None:
    good, other, broken = TAGS
    for tag in (good, other):
        run("podman", "tag", f"{IMAGE}:test", f"{IMAGE}:{tag}")
    dockerfile = (
        f"FROM {IMAGE}:test\nUSER root\n"
        "RUN rm /opt/mushroom/mushroom_assets/service/programs.py\nUSER 10001:10001\n"
    )
    run(
        "buildah",
        "bud",
        "--format",
        "docker",
        "--isolation",
        "chroot",
        "-t",
        f"{IMAGE}:{broken}",
        "-f",
        "-",
        str(folder),
        input=dockerfile,
    )
    for tag in (good, other):
        print(run(str(folder / "deploy_server.sh"), tag))
    said = run(str(folder / "deploy_server.sh"), broken, check=False)
    print(said)
    assert f"{other} serves the farm again" in said
    assert healthy()
    print(run(str(folder / "rollback.sh")))
    name = run("podman", "inspect", "-f", "{{.ImageName}}", "mushroom_daemon_1").strip()
    assert name == f"{IMAGE}:{good}", name


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mushroom-deploy-"))
    for file in (ROOT / "deploy").glob("*.*"):
        shutil.copy(file, folder)
    (folder / "secrets").mkdir()
    for name in ("postgres_password", "page_password"):
        (folder / "secrets" / name).write_text(secrets.token_hex(24))
    shanghai = time.time() + 8 * 3600
    days = [time.strftime("%Y-%m-%d", time.gmtime(shanghai - 86400 * n)) for n in (2, 1)]
    (folder / "farm.yaml").write_text(
        f'timezone: Asia/Shanghai\nfirst_day: {days[0]}\nrooms: {{"607": {{}}, "608": {{}}}}\n'
    )
    os.environ |= {
        "COMPOSE_FILE": f"{folder}/compose.yaml:{ROOT}/tools/compose/override.yaml",
        "POSTGRES_SH": f"{ROOT}/tools/compose/postgres.sh",
        "MUSHROOM_IMAGE": IMAGE,
        "ENGINE": "podman",
        "COMPOSE": "podman-compose",
        "HEALTH_S": "60",
    }
    (folder / ".env").write_text("MUSHROOM_TAG=test\n")
    os.chdir(folder)
    try:
        comes_up(days)
        outlives_an_outage(days)
        restarts_alone()
        deploys(folder)
        say("the stack is well")
    finally:
        compose("down", "--volumes", "--timeout", "30", check=False)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
