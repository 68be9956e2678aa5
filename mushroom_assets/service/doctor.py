"""Is everything there that a run needs? One finding a door, each with the remedy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa
from dagster_postgres.utils import DagsterPostgresException

from mushroom_assets.automation.notification import NotDelivered, Target
from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.image_store import ImageStoreRefused
from mushroom_assets.faults.retry import Retry
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.settings import Settings, SettingsError
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import metadata


@dataclass(frozen=True)
class Finding:
    """What one examination found."""

    subject: str
    ok: bool
    text: str

    def line(self) -> str:
        """As a line for people."""
        return f"{'ok  ' if self.ok else 'FAIL'} {self.subject}: {self.text}"


class Unwell(RuntimeError):
    """An examination found a fault; the message says which and what to do."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine one door after another; a fault of one does not keep the others from being examined."""
    database = Database(
        settings.require_database_url(), retry=Retry(attempts=1), application_name="mushroom doctor"
    )
    examinations: dict[str, Callable[[], str]] = {
        "farm file": lambda: _farm(settings),
        "database": lambda: _database(database),
        "tables": lambda: _tables(database),
        "vector extension": lambda: _extension(database),
        "image store": lambda: _images(settings),
        "model": _model,
        "dagster storage": _dagster,
        "notifications": lambda: _notifications(settings),
    }
    for subject, examination in examinations.items():
        yield _finding(subject, examination)
    database.dispose()


def _finding(subject: str, examination: Callable[[], str]) -> Finding:
    from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable

    known = (
        Unwell, FarmFileError, SettingsError, DatabaseRefused, DatabaseUnavailable, UnknownModel, WeightsUnavailable,
        ImageStoreRefused, OSError, sa.exc.SQLAlchemyError, dg.DagsterError, NotDelivered,
    )  # fmt: skip
    try:
        return Finding(subject, True, examination())
    except known as error:
        return Finding(subject, False, " ".join(str(error).split()))


def _farm(settings: Settings) -> str:
    farm = settings.read_farm()
    watched = sum(len(points) for points in farm.points.values())
    return f"{settings.farm_source()}: {len(farm.rooms)} rooms, {watched} watched setpoints, {farm.timezone}"


def _database(database: Database) -> str:
    with database.transaction() as connection:
        return (
            f"{database.endpoint}, PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}"
        )


def _tables(database: Database) -> str:
    with database.transaction() as connection:
        revision, wanted = migrations.current(connection), migrations.head()
        if revision != wanted:
            raise Unwell(
                f"schema farm is at revision {revision}, {wanted} is needed. Remedy: run `mushroom init`"
            )
        present = set(sa.inspect(connection).get_table_names(schema="farm"))
        if missing := {table.name for table in metadata.tables.values()} - present:
            raise Unwell(
                f"tables missing: {', '.join(sorted(missing))}. Remedy: restore them from a backup"
            )
    return f"revision {revision}, {len(metadata.tables)} tables"


def _extension(database: Database) -> str:
    with database.transaction() as connection:
        version = connection.scalar(
            sa.text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        )
    if version is None:
        raise Unwell(
            "pgvector is not installed in the database. Remedy: run `mushroom init` as a role that may create it"
        )
    return f"pgvector {version}"


def _images(settings: Settings) -> str:
    farm, store = settings.read_farm(), ImageStore(attempts=1).images()
    folders, there = {farm.folder(room) for room in farm.rooms}, store.folders()
    text = f"{store.url}: {len(folders & there)} of {len(folders)} room folders"
    if strays := store.strays(farm):
        path, reason = strays[0]
        text += f"; {len(strays)} where no day looks, the first {path}: {reason}"
    return text


def _model() -> str:
    encoder = ClipResource().encoder()
    note = (
        ""
        if encoder.trained
        else " (random weights: its labels mean nothing; set MUSHROOM_CLIP_PRETRAINED)"
    )
    if "/renders-" in encoder.name:
        note = " (learned from renders: for a real room set MUSHROOM_CLIP_PRETRAINED)"
    return f"{encoder.name}, {encoder.dimensions} dimensions, on {encoder.device}{note}"


def _dagster() -> str:
    try:
        with dg.DagsterInstance.get() as instance:
            return f"{type(instance.run_storage).__name__}, {instance.get_runs_count():,} runs"
    except DagsterPostgresException as error:
        raise Unwell(
            f"{error}. Remedy: mend the database first, and `storage` in DAGSTER_HOME/dagster.yaml"
        ) from error


def _notifications(settings: Settings) -> str:
    if not settings.notify:
        return "off; set MUSHROOM_NOTIFY to be told of failed runs"
    return f"failed runs are told to {', '.join(Target(url).name for url in settings.notify)} (nothing was sent)"
