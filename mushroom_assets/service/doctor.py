"""Is everything there that a run needs? One finding a door, each with the remedy.

Nothing is mended here, and nothing printed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import dagster as dg
import sqlalchemy as sa
from dagster_postgres.utils import DagsterPostgresException

from mushroom_assets.automation.targets import NotDelivered, Target
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.domain.origin import origin
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.image_store import ImageStoreRefused, ImageStoreUnavailable
from mushroom_assets.faults.retry import Retry
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.service import asking, deliveries
from mushroom_assets.service.home import ServerError
from mushroom_assets.service.launcher import examine_run_launcher, instance_of
from mushroom_assets.settings import Settings, SettingsError
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import SCHEMA, metadata
from mushroom_assets.storage.setting import read_settings

MODEL_REMEDY = (
    "correct the MUSHROOM_CLIP_ settings; "
    "without any the packaged model is used, which needs neither download nor GPU"
)


@dataclass(frozen=True)
class Finding:
    """What one examination found.

    `warn`: nothing is broken, and yet to be seen; `skip`: it could not be made, for a fault that
    another tells.
    """

    subject: str
    verdict: Literal["ok", "warn", "FAIL", "skip"]
    text: str

    def line(self) -> str:
        """As a line for people."""
        return f"{self.verdict:4} {self.subject}: {self.text}"


class Unwell(RuntimeError):
    """An examination found a fault; the message says which and what to do."""


class NotExamined(RuntimeError):
    """An examination needs what another one found a fault in; the message says which."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine one door after another; after a fault of one the others are examined all the same."""
    database = Database(
        settings.require_database_url(), retry=Retry(attempts=1), application_name="mushroom doctor"
    )
    store = ImageStore(attempts=1)
    examinations: dict[str, Callable[[], str]] = {
        "farm file": lambda: _farm(settings),
        "database": lambda: _database(database),
        "tables": lambda: _tables(database),
        "vector extension": lambda: _extension(database),
        "settings": lambda: _rooms(settings, "database", partial(_settings, database)),
        "image store": lambda: deliveries.folders(store, _read_farm(settings)),
        "batches": lambda: _rooms(settings, "database", partial(deliveries.batches, database)),
        "samples": lambda: _rooms(settings, "database", partial(deliveries.samples, database)),
        "images": lambda: _rooms(settings, "image store", partial(deliveries.images, store)),
        "model": _model,
        "dagster storage": lambda: _dagster(settings),
        "run launcher": lambda: _launcher(settings),
        "notifications": lambda: _notifications(settings),
    }
    for subject, examination in examinations.items():
        yield _finding(subject, examination)
    database.dispose()


def _finding(subject: str, examination: Callable[[], str]) -> Finding:
    """What one examination found; a fault that is not known is a fault of ours and is raised."""
    known = (
        Unwell,
        FarmFileError,
        SettingsError,
        ServerError,
        DatabaseRefused,
        DatabaseUnavailable,
        ImageStoreRefused,
        NotDelivered,
        OSError,
        sa.exc.SQLAlchemyError,
        dg.DagsterError,
    )
    try:
        return Finding(subject, "ok", examination())
    except deliveries.Doubt as error:
        return Finding(subject, "warn", str(error))
    except NotExamined as error:
        return Finding(subject, "skip", str(error))
    except known as error:
        return Finding(subject, "FAIL", " ".join(str(error).split()))


def _farm(settings: Settings) -> str:
    farm = settings.read_farm()
    watched = sum(len(points) for points in farm.points.values())
    counts = f"{len(farm.rooms)} rooms, {watched} watched setpoints"
    return f"{settings.farm_source()}: {counts}, {farm.timezone}"


def _database(database: Database) -> str:
    with database.transaction() as connection:
        version = connection.scalar(sa.text("SHOW server_version"))
        driver: Any = connection.connection.driver_connection
        refused = asking.refusal(driver)
    if refused is not None:
        raise Unwell(str(refused))
    return f"{database.endpoint}, PostgreSQL {version}"


def _tables(database: Database) -> str:
    with database.transaction() as connection:
        revision = migrations.current(connection)
        wanted = migrations.head()
        if revision != wanted and not migrations.is_newer(revision):
            fault = f"schema farm is at revision {revision}, {wanted} is needed"
            raise Unwell(f"{fault}. Remedy: run `mushroom init`")
        present = set(sa.inspect(connection).get_table_names(schema=SCHEMA))
    missing = sorted({table.name for table in metadata.tables.values()} - present)
    if missing:
        raise Unwell(f"tables missing: {', '.join(missing)}. Remedy: restore them from a backup")
    return f"revision {revision}, {len(metadata.tables)} tables"


def _extension(database: Database) -> str:
    with database.transaction() as connection:
        version = connection.scalar(
            sa.text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        )
    if version is None:
        raise Unwell(
            "pgvector is not installed in the database. "
            "Remedy: run `mushroom init` as a role that may create it"
        )
    return f"pgvector {version}"


def _read_farm(settings: Settings) -> Farm:
    try:
        return settings.read_farm()
    except FarmFileError as error:
        raise NotExamined("not examined, since the farm file cannot be used: see there") from error


def _settings(database: Database, farm: Farm) -> str:
    with database.transaction() as connection:
        found = read_settings(connection, farm)
    if not found.all:
        return "none; the farm file holds"
    if found.misfits:
        told = "; ".join(f"version {each}: {fault}" for each, fault in found.misfits.items())
        raise Unwell(
            f"{len(found.misfits)} do not count, since they do not fit the farm file: {told}. "
            "Remedy: `mushroom settings undo VERSION`, or mend the farm file"
        )
    newest = found.all[-1]
    when = f"{newest.set_at.astimezone(farm.zone):%Y-%m-%d %H:%M}" if newest.set_at else ""
    return f"{len(found.counting)} hold, newest version {newest.version}, {newest.author}, {when}"


def _rooms(settings: Settings, door: str, look: Callable[[Farm], str]) -> str:
    """A look at what the rooms deliver, through a door that has an examination of its own."""
    farm = _read_farm(settings)
    try:
        return look(farm)
    except (
        DatabaseRefused,
        DatabaseUnavailable,
        ImageStoreRefused,
        ImageStoreUnavailable,
        OSError,
        sa.exc.SQLAlchemyError,
    ) as error:
        raise NotExamined(f"not examined, since the {door} cannot be used: see there") from error


def _model() -> str:
    from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable

    try:
        encoder = ClipResource().encoder()
    except (UnknownModel, WeightsUnavailable) as error:
        raise Unwell(model_fault(error)) from error
    note = ""
    if not encoder.trained:
        note = " (random weights: its labels mean nothing; set MUSHROOM_CLIP_PRETRAINED)"
    elif origin(encoder.name) == "renders":
        note = " (learned from renders: for a real room set MUSHROOM_CLIP_PRETRAINED)"
    return f"{encoder.name}, {encoder.dimensions} dimensions, on {encoder.device}{note}"


def model_fault(error: Exception) -> str:
    """Why there is no model and what to do, in one line."""
    told = " ".join(str(error).split()).rstrip(".")
    return f"{told}. Remedy: {MODEL_REMEDY}"


def _dagster(settings: Settings) -> str:
    try:
        with instance_of(settings) as instance:
            return f"{type(instance.run_storage).__name__}, {instance.get_runs_count():,} runs"
    except DagsterPostgresException as error:
        remedy = "mend the database first, and `storage` in DAGSTER_HOME/dagster.yaml"
        raise Unwell(f"{error}. Remedy: {remedy}") from error


def _launcher(settings: Settings) -> str:
    try:
        return examine_run_launcher(settings)
    except (DagsterPostgresException, DatabaseRefused, DatabaseUnavailable) as error:
        told = "not examined, since Dagster's storage cannot be used: see there"
        raise NotExamined(told) from error


def _notifications(settings: Settings) -> str:
    if not settings.notify:
        return "off; set MUSHROOM_NOTIFY to be told of rooms and failed runs"
    targets = ", ".join(Target(url).name for url in settings.notify)
    return f"rooms and failed runs are told to {targets} (try it: mushroom notify --test)"
