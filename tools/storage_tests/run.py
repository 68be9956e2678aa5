"""Runs Dagster's own storage tests on our storage and on dagster-postgres, for `make test-storage`.

    python tools/storage_tests/run.py FOLDER [SIDE...]

The tests come from the source packages of exactly the installed versions, which pip downloads into
FOLDER; not a line of them is kept here. Each side has a database of its own in one embedded
PostgreSQL, and all sides run at once, five to ten minutes. `plugin.py` says which side is which.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa

from mushroom_assets.service.postgres import embedded_postgres

HERE = Path(__file__).parent
SIDES = ["stock", "farm", "batched"]
TESTS = (
    "dagster_postgres_tests/test_event_log.py",
    "dagster_postgres_tests/test_run_storage.py",
    "dagster_postgres_tests/test_schedule_storage.py",
    "dagster_postgres_tests/test_daemon_cursor_storage.py",
    str(HERE / "test_status_cache.py"),
)
# These want a server on port 5432, and are of how dagster-postgres reads its former settings.
NOT = "not test_load_from_config"
# Of dagster_test, which is not on PyPI, the tests use one function.
STUB = """
from dagster import DagsterRun


def dagster_run(job_name="a_job", **options):
    return DagsterRun(job_name=job_name, **options)
"""


def pip(*arguments: str) -> None:
    """Run pip of this Python."""
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)  # noqa: S603


def fetch(folder: Path) -> Path:
    """A folder with the tests of the installed versions, and what they import besides."""
    dagster = f"dagster=={version('dagster')}"
    postgres = f"dagster-postgres=={version('dagster-postgres')}"
    source = folder / f"{dagster}-{postgres}"
    if source.exists():
        return source
    packages = folder / "packages"
    only = ["--no-deps", "--no-binary", "dagster,dagster-postgres"]
    pip("download", "-q", *only, "-d", str(packages), dagster, postgres)
    partial = source.with_suffix(".partial")
    for name in (
        f"dagster-{version('dagster')}",
        f"dagster_postgres-{version('dagster-postgres')}",
    ):
        with tarfile.open(packages / f"{name}.tar.gz") as archive:
            archive.extractall(partial, filter="data")
        for tests in (partial / name).glob("*_tests"):
            tests.rename(partial / tests.name)
    (partial / "dagster_tests" / "conftest.py").unlink()  # needs more of dagster_test
    stub = partial / "dagster_test" / "utils" / "data_factory.py"
    stub.parent.mkdir(parents=True)
    stub.write_text(STUB, encoding="utf-8")
    pip("install", "-q", "--target", str(partial), "objgraph")
    partial.rename(source)
    return source


def execute(server: str, *statements: str) -> None:
    """Statements outside a transaction."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def start(side: str, source: Path, server: str) -> subprocess.Popen[bytes]:
    """Begin the tests of a side on a new database; what they print goes to a file."""
    execute(server, f"CREATE DATABASE {side}")
    paths = [str(source), str(HERE), str(HERE.parent.parent)]
    environment = os.environ | {
        "STORAGE_SIDE": side,
        "STORAGE_URL": server.replace("/postgres?", f"/{side}?"),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    options = ["-q", "-p", "plugin", "-p", "no:cacheprovider", "-c", os.devnull, "-k", NOT]
    with (source / f"{side}.log").open("wb") as log:
        command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(source), *TESTS]
        return subprocess.Popen(  # noqa: S603 - a fixed command of our own
            command, cwd=source, env=environment, stdout=log, stderr=log
        )


def main() -> None:
    """Run all sides and say how they went."""
    source = fetch(Path(sys.argv[1]).absolute())
    sides = sys.argv[2:] or SIDES
    with (
        tempfile.TemporaryDirectory(prefix="storage-") as home,
        embedded_postgres(Path(home) / "pg") as server,
    ):
        # Faster, and nobody needs these databases after a power cut
        execute(server, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        running = {side: start(side, source, server) for side in sides}
        failed = [side for side, process in running.items() if process.wait() != 0]
    for side in sides:
        log = source / f"{side}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print(f"{side}: {lines[-1]}")
        for line in lines:
            if line.startswith(("FAILED", "ERROR")):
                print(f"  {line}")
    if failed:
        sys.exit(f"Dagster's tests fail on {', '.join(failed)}; read the logs in {source}")


if __name__ == "__main__":
    main()
