"""The door to the camera images: a folder or an object store, by its fsspec URL.

Here live listing and reading, with the retry of faults that pass by themselves. Not here: what an
error means (`faults.image_store`), what filesystems say of a file (`image_store.files`), what a
path or a picture means (domain, inference), Dagster and the settings (`resources.ImageStore`).
"""

import datetime as dt
import errno
import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import fsspec

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_key import day_prefixes
from mushroom_assets.domain.strays import Entry, Stray, room_strays, root_strays
from mushroom_assets.faults.image_store import (
    ImageStoreRefused,
    is_passing,
    outage,
    refusal,
    store_errors,
)
from mushroom_assets.faults.retry import GivenUp, Retry
from mushroom_assets.image_store.files import (
    Fingerprint,
    NoBytes,
    StoredFile,
    bytes_of,
    files_in,
    leads_out,
)

log = logging.getLogger(__name__)
T = TypeVar("T")
# A request's own wait and deadline: a store answers in a moment or not at all
RETRY = Retry(attempts=4, base_s=1.0, cap_s=8.0, deadline_s=30.0)
# Botocore opens 10 connections, which bounds reading at 10 / latency files a second; as many as
# there are readers at most (`inference.reading`). Other stores' libraries open 100.
CONNECTIONS = 128
# A path's own: whoever asked knows what they mean
OF_THE_PATH = (FileNotFoundError, NotADirectoryError, NoBytes)


class _Opened(NamedTuple):
    filesystem: fsspec.AbstractFileSystem
    root: str  # as the filesystem calls it
    url: str  # as messages call it, without a password


@dataclass(frozen=True)
class Images:
    """The camera images, under an fsspec URL (a folder, `s3://bucket/prefix`, ...).

    It is called after what it holds; `resources.ImageStore` is how Dagster sees it. Nothing is
    opened before the first request.

    A fault that passes is tried again, by default 4 times within 30 s. Beneath that s3fs and
    botocore try each request 5 times on their own, 5 to 7 s where the port is closed; a server that
    accepts and never answers holds one request for 5 x 5 x 15 s (AWS_MAX_ATTEMPTS lowers botocore's
    5). Above it stands the run's RetryPolicy.

    Args:
        root: fsspec URL.
        retry: how long a request is tried again.
        may_lack: the root may be missing: that is a farm without cameras, not a mistake.
        sleep, clock, jitter: parameters so that tests see the waits instead of waiting.
    """

    root: str
    retry: Retry = RETRY
    may_lack: bool = False
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[float, float], float] = random.uniform

    @property
    def url(self) -> str:
        """Where it is, without a password: what messages call the store."""
        return self._opened().url

    def make_root(self) -> None:
        """Make the root if it is not there; for those who write."""
        store = self._opened()

        def make() -> None:
            store.filesystem.makedirs(store.root, exist_ok=True)
            if not store.filesystem.exists(store.root):  # an object store has no empty folders
                store.filesystem.pipe_file(f"{store.root}/.root", b"")

        self._tried("make the root", make)

    def folders(self) -> set[str]:
        """Names of the folders right under the root.

        Raises:
            ImageStoreRefused: the root is not there, or the store does not let us in.
            ImageStoreUnavailable: no answer.
        """
        self._require_root()
        return {file.name for file in self._files("") if file.is_folder}

    def listing(self, folder: str) -> dict[str, Fingerprint]:
        """All that lies in a folder: path relative to the root -> fingerprint, sorted by path.

        It takes one request. Links count as what they lead to. The listing also has pipes, sockets,
        links to nothing, and inner folders, whose path ends with `/`: `read` says why each has no
        bytes. A folder that is not there holds nothing.

        Returns:
            Fingerprints of JSON scalars, which change when a file is replaced: its size and time of
            change, or the object's ETag. A folder's is empty.

        Raises:
            ImageStoreRefused: the root itself is not there (a wrong setting must not look like a
                day without images), or the store does not let us in.
            ImageStoreUnavailable: no answer.
        """
        found = {}
        for file in self._files(folder):
            end = "/" if file.is_folder else ""
            found[f"{folder}/{file.name}{end}"] = file.fingerprint
        return dict(sorted(found.items()))

    def of_day(self, day: dt.date, farm: Farm) -> dict[str, tuple[str, Fingerprint]]:
        """A farm-local day's files: path -> room and fingerprint.

        Raises:
            ImageStoreRefused, ImageStoreUnavailable: as `listing`.
        """
        found: dict[str, tuple[str, Fingerprint]] = {}
        for room, prefix in day_prefixes(farm, day).items():
            files = self.listing(prefix)
            found |= {path: (room, fingerprint) for path, fingerprint in files.items()}
        return found

    def paths(self, folder: str) -> list[str]:
        """The paths of `listing`."""
        return list(self.listing(folder))

    def strays(self, farm: Farm) -> list[Stray]:
        """What lies where no day will ever look (`domain.strays`): path and reason, sorted.

        One request for the root and one for each room's folder. The days' folders are not opened:
        everything in them, folders too, becomes rows of that day.

        Raises:
            ImageStoreRefused, ImageStoreUnavailable: as `listing`.
        """

        def entries(folder: str) -> list[Entry]:
            return [Entry(file.name, file.is_folder) for file in self._files(folder)]

        strays: list[Stray] = []
        for room in farm.rooms:
            folder = farm.folder(room)
            strays += room_strays(folder, entries(folder))
        return sorted(root_strays(entries(""), farm) + strays)

    def read(self, path: str, at_most: int | None = None) -> bytes:
        """The bytes of a file, or its first `at_most`, by its path relative to the root.

        Raises:
            FileNotFoundError: the file has vanished; the store itself is still there.
            PermissionError: the file is there and has no bytes for us: no right to read it, a
                folder, a pipe, a link to nothing, an archived object. `strerror` says which.
            ImageStoreRefused, ImageStoreUnavailable: as `listing`.
        """
        store = self._opened()
        if path.endswith("/"):
            raise NoBytes(errno.EISDIR, "a folder, not a file", path)
        target = f"{store.root}/{path}"
        try:
            return self._tried(f"read {path}", lambda: bytes_of(store.filesystem, target, at_most))
        except FileNotFoundError:
            self._require_root()
            raise

    def holds(self, path: str) -> bool:
        """Whether a path lies under the root when all links are followed; it need not be there.

        What `read` gives to a run may lie elsewhere, on a mounted share say; a page that shows
        files to whoever asks is not led out of the root.
        """
        store = self._opened()
        return not leads_out(store.filesystem, store.root, f"{store.root}/{path}")

    def write(self, path: str, data: bytes) -> None:
        """Store a file, by its path relative to the root; folders are made as needed."""
        store = self._opened()
        target = f"{store.root}/{path}"

        def put() -> None:
            store.filesystem.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            store.filesystem.pipe_file(target, data)

        self._tried(f"write {path}", put)

    def _opened(self) -> _Opened:
        shown = re.sub(r"(://[^/:@]*):[^/@]*@", r"\1:***@", self.root)
        try:
            filesystem, root = fsspec.core.url_to_fs(self.root, **_options(self.root))
        except (ImportError, ValueError) as error:
            raise ImageStoreRefused(
                f"MUSHROOM_IMAGE_ROOT={shown} cannot be opened: {error}. Remedy: correct the URL "
                "or install its fsspec package (s3://: pip install mushroom_assets[s3])"
            ) from error
        return _Opened(filesystem, root, shown)

    def _files(self, folder: str) -> list[StoredFile]:
        """What a folder of the store holds, nothing where it is not there; "" is the root."""
        store = self._opened()
        target = f"{store.root}/{folder}".rstrip("/")
        what = f"list {folder or 'the root'}"
        try:
            return self._tried(what, lambda: files_in(store.filesystem, target))
        except (FileNotFoundError, NotADirectoryError):
            if not self.may_lack:
                self._require_root()
            return []

    def _require_root(self) -> None:
        store = self._opened()
        store.filesystem.invalidate_cache(store.root)
        try:
            found = self._tried("find the root", lambda: store.filesystem.info(store.root))
            there = found["type"] == "directory"
        except (FileNotFoundError, NotADirectoryError):
            there = False
        if not there:
            raise ImageStoreRefused(
                f"the image store {store.url} is not there. "
                "Remedy: create it or correct MUSHROOM_IMAGE_ROOT"
            )

    def _tried(self, what: str, work: Callable[[], T]) -> T:
        """The result of `work`, tried again while the fault is one that passes."""
        url = self.url

        def tell(fault: Exception, attempt: int, wait_s: float) -> None:
            log.warning("could not %s in %s, next in %.1f s: %s", what, url, wait_s, fault)

        try:
            return self.retry.call(
                work, _is_worth_it, tell, sleep=self.sleep, clock=self.clock, jitter=self.jitter
            )
        except GivenUp as end:
            raise outage(url, what, end.fault, end.attempts, end.spent_s) from end.fault
        except OF_THE_PATH:
            raise
        except store_errors() as error:
            raise refusal(url, what, error) from error


def _options(root: str) -> dict[str, Any]:
    """What a filesystem is opened with, beside what fsspec's own configuration says."""
    protocol = root.partition("://")[0]
    if protocol not in ("s3", "s3a"):
        return {}
    given: dict[str, Any] = fsspec.config.conf.get(protocol, {})
    connections = {"max_pool_connections": CONNECTIONS} | given.get("config_kwargs", {})
    # With more than one request at a time for a file, s3fs asks for each one's size before it
    return {"max_concurrency": 1} | given | {"config_kwargs": connections}


def _is_worth_it(error: Exception) -> bool:
    """Whether another attempt may succeed."""
    if isinstance(error, OF_THE_PATH):
        return False
    return isinstance(error, store_errors()) and is_passing(error)
