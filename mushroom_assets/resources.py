"""The doors to the outside, as Dagster sees them: PostgreSQL, image store, CLIP model, farm file.

What they do lives in `storage.connection`, `image_store.store`, `inference` and `settings`. Nothing
connects, loads or reads at import or when a resource is initialised: a failing initialisation would
end the run without its RetryPolicy. An unset field comes from the settings at the moment of use, so
that no password shows up among the resources in the UI.
"""

import datetime as dt
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa
from pydantic import Field, PrivateAttr

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.strays import Stray
from mushroom_assets.faults.retry import Retry
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.image_store.files import Fingerprint
from mushroom_assets.image_store.store import RETRY, Images
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.leases import require_running

if TYPE_CHECKING:
    from mushroom_assets.inference.encoder import ClipEncoder


def _fence(run_id: str) -> Callable[[sa.Connection], None] | None:
    """What keeps a run from committing after its end: a process may go on that no one sees."""
    if not run_id:
        return None
    return lambda connection: require_running(connection, run_id)


class PostgresResource(dg.ConfigurableResource[Any]):
    """Transactions on the farm's PostgreSQL, with a retry of its own on connect."""

    url: str | None = Field(
        default=None, description="libpq URI; unset: DATABASE_URL or the POSTGRES_* parts"
    )
    pool_size: int = Field(default=5, ge=1, description="connections kept open by a process")
    max_overflow: int = Field(default=10, ge=0, description="connections beyond the pool in a rush")
    pool_recycle_s: int = Field(
        default=1800, description="age at which a pooled connection is replaced, s"
    )
    pool_timeout_s: float = Field(default=30, description="wait for a pooled connection, s")
    connect_timeout_s: int = Field(
        default=10, description="one connection attempt, s; libpq counts it per address"
    )
    statement_timeout_s: int = Field(default=300, description="one statement, s")
    answer_s: float = Field(
        default=360, description="wait for an answer of the server, more than one statement, s"
    )
    connect_attempts: int = Field(
        default=100, ge=1, description="attempts to connect before a run's step fails"
    )
    connect_base_s: float = Field(
        default=1.0, description="first upper bound of the wait between attempts, s; doubles"
    )
    connect_cap_s: float = Field(default=20.0, description="largest upper bound of the wait, s")
    connect_deadline_s: float = Field(
        default=150.0, description="all attempts and waits together, s"
    )

    _database: Database | None = PrivateAttr(default=None)
    _sleep: Callable[[float], None] = PrivateAttr(default=time.sleep)
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)

    def database(self, run_id: str = "") -> Database:
        """The database as configured; connections name the run in `application_name`."""
        if self._database is None:
            self._database = Database(
                self.url or load_settings().require_database_url(),
                limits=Limits(
                    pool_size=self.pool_size,
                    max_overflow=self.max_overflow,
                    pool_recycle_s=self.pool_recycle_s,
                    pool_timeout_s=self.pool_timeout_s,
                    connect_timeout_s=self.connect_timeout_s,
                    statement_timeout_s=self.statement_timeout_s,
                    answer_s=self.answer_s,
                ),
                retry=Retry(
                    attempts=self.connect_attempts,
                    base_s=self.connect_base_s,
                    cap_s=self.connect_cap_s,
                    deadline_s=self.connect_deadline_s,
                ),
                application_name=f"mushroom_assets {run_id}".strip(),
                before_commit=_fence(run_id),
                sleep=self._sleep,
                clock=self._clock,
            )
        return self._database

    @contextmanager
    def transaction(self, run_id: str = "") -> Iterator[sa.Connection]:
        """One unit of work: committed at the end, rolled back on any error.

        Raises:
            DatabaseUnavailable: no connection in the allowed attempts and time (transient).
            DatabaseRefused: the server said no (permanent).
            RunEnded: the run was ended meanwhile (permanent).
        """
        with self.database(run_id).transaction() as connection:
            yield connection

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the run's connections."""
        if self._database is not None:
            self._database.dispose()


class ImageStore(dg.ConfigurableResource[Any]):
    """The camera images, with a retry of each request (`image_store.store.Images`)."""

    root: str | None = Field(default=None, description="fsspec URL; unset: MUSHROOM_IMAGE_ROOT")
    attempts: int = Field(
        default=RETRY.attempts,
        ge=1,
        description="attempts of one request before a run's step fails",
    )
    base_s: float = Field(
        default=RETRY.base_s,
        description="first upper bound of the wait between attempts, s; doubles",
    )
    cap_s: float = Field(default=RETRY.cap_s, description="largest upper bound of the wait, s")
    deadline_s: float = Field(
        default=RETRY.deadline_s, description="all attempts and waits of a request together, s"
    )

    _sleep: Callable[[float], None] = PrivateAttr(default=time.sleep)
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)
    _jitter: Callable[[float, float], float] = PrivateAttr(default_factory=lambda: random.uniform)

    def images(self) -> Images:
        """The store as configured; of an unset root that is our own, nothing need be there."""
        root = self.root
        may_lack = False
        if not root:
            settings = load_settings()
            root = settings.image_root
            may_lack = settings.owns_image_root
        return Images(
            root,
            retry=Retry(self.attempts, self.base_s, self.cap_s, self.deadline_s),
            may_lack=may_lack,
            sleep=self._sleep,
            clock=self._clock,
            jitter=self._jitter,
        )

    def listing(self, folder: str) -> dict[str, Fingerprint]:
        """All that lies in a folder, as `Images.listing` has it."""
        return self.images().listing(folder)

    def of_day(self, day: dt.date, farm: Farm) -> dict[str, tuple[str, Fingerprint]]:
        """A farm-local day's files: path -> room and fingerprint."""
        return self.images().of_day(day, farm)

    def strays(self, farm: Farm) -> list[Stray]:
        """What lies where no day will ever look, as `Images.strays` has it."""
        return self.images().strays(farm)

    def read(self, path: str) -> bytes:
        """The bytes of a file, as `Images.read` has them."""
        return self.images().read(path)

    def read_start(self, path: str, at_most: int) -> bytes:
        """The first bytes of a file, as `Images.read` has them."""
        return self.images().read(path, at_most)


class ClipResource(dg.ConfigurableResource[Any]):
    """The CLIP model. Unset fields come from the settings MUSHROOM_CLIP_*."""

    model: str | None = Field(default=None, description="open_clip model name")
    pretrained: str | None = Field(
        default=None, description="open_clip tag, or path of a local checkpoint"
    )
    device: str | None = Field(default=None, description="auto, cpu or cuda")
    precision: str | None = Field(default=None, description="auto, fp32 or bf16")
    threads: int | None = Field(
        default=None, ge=1, description="images are encoded in so many threads"
    )

    def encoder(self) -> "ClipEncoder":
        """The loaded model, once a process."""
        # Brings torch: seconds, only for inference
        from mushroom_assets.inference.load import load_encoder

        settings = load_settings()
        return load_encoder(
            self.model or settings.clip_model,
            self.pretrained or settings.clip_pretrained,
            self.device or settings.clip_device,
            self.precision or settings.clip_precision,
            self.threads or settings.clip_threads,
        )


class FarmFile(dg.ConfigurableResource[Any]):
    """The farm file, read anew for each run."""

    path: str | None = Field(
        default=None,
        description="farm file; unset: MUSHROOM_CONFIG, the demo's, or the packaged one",
    )

    def read(self) -> Farm:
        """The validated farm file.

        Raises:
            dg.Failure: it is not there or has a mistake; not retried.
        """
        settings = load_settings({"MUSHROOM_CONFIG": self.path} if self.path else None)
        with permanent_faults_fail_at_once():
            return settings.read_farm()
