r"""What fsspec's filesystems say of files: names, fingerprints, bytes, and which have none for us.

Every name that leaves is UTF-8: other bytes of a file's name become `\udcff` and the like, and that
name finds the file again. No retrying, no root (`image_store.store`); what an error means is the
business of `faults.image_store`.
"""

import contextlib
import datetime as dt
import errno
import re
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from mushroom_assets.faults.image_store import code, is_passing

Fingerprint = tuple[str | float, ...]
# What stores say of a file in a listing, without another request: folders mtime, S3 LastModified
# and ETag.
MARKS = ("size", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag")


class NoBytes(PermissionError):
    """A file is there and has no bytes for us; `strerror` says why."""


class StoredFile(NamedTuple):
    """What a folder holds: a file, or a folder, whose fingerprint is empty."""

    name: str
    is_folder: bool
    fingerprint: Fingerprint


def files_in(filesystem: fsspec.AbstractFileSystem, folder: str) -> list[StoredFile]:
    """All that a folder holds, by one request; links count as what they lead to.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
    """
    filesystem.invalidate_cache(folder)
    files = []
    for entry in filesystem.ls(folder, detail=True):
        name = entry["name"].removeprefix(folder).strip("/")
        entry |= _link_target(filesystem, entry)
        is_folder = entry["type"] == "directory"
        # A file without a name is `folder` itself: a marker of object stores, or no folder
        if name or is_folder:
            shown = name.encode("utf-8", "backslashreplace").decode()
            files.append(StoredFile(shown, is_folder, () if is_folder else _fingerprint(entry)))
    return files


def _link_target(filesystem: fsspec.AbstractFileSystem, entry: dict[str, Any]) -> dict[str, Any]:
    if entry.get("islink"):  # only of local folders, whose listing tells of the link itself
        with contextlib.suppress(OSError):  # it leads nowhere: reading says so
            return dict(filesystem.info(entry["name"]))
    return {}


def _fingerprint(entry: dict[str, Any]) -> Fingerprint:
    marks = (entry[name] for name in MARKS if entry.get(name) is not None)
    return tuple(mark.isoformat() if isinstance(mark, dt.datetime) else mark for mark in marks)


def listed_size(fingerprint: Fingerprint) -> int | None:
    """The bytes of a file as its listing tells them; None where it does not."""
    return next((mark for mark in fingerprint if isinstance(mark, int)), None)


def leads_out(filesystem: fsspec.AbstractFileSystem, root: str, path: str) -> bool:
    """Whether a path in a folder leads out of it, by links; an object store has none."""
    if not isinstance(filesystem, LocalFileSystem):
        return False
    return not Path(path).resolve().is_relative_to(Path(root).resolve())


def bytes_of(filesystem: fsspec.AbstractFileSystem, path: str, at_most: int | None = None) -> bytes:
    """A file's bytes, or its first `at_most`.

    Raises:
        FileNotFoundError: it is not there.
        NoBytes: no right to read it; a folder, pipe, socket or device; a link that leads nowhere;
            an archived object.
    """
    try:
        if isinstance(filesystem, LocalFileSystem):
            return _local_bytes(filesystem, path, at_most)
        return _bytes(filesystem, path, at_most)
    except PermissionError as error:
        if code(error) == "InvalidObjectState":
            why = "an archived object; restore it to have it read"
            raise NoBytes(errno.EACCES, why, path) from error
        raise


def _bytes(filesystem: fsspec.AbstractFileSystem, path: str, at_most: int | None) -> bytes:
    data: bytes
    if at_most is None:
        data = filesystem.cat_file(path)
        return data
    with filesystem.open(path, "rb") as file:  # on S3 two requests more
        data = file.read(at_most)
        return data


def _local_bytes(filesystem: fsspec.AbstractFileSystem, path: str, at_most: int | None) -> bytes:
    if not filesystem.lexists(path):
        path = _with_surrogates(path)
    try:
        if filesystem.info(path)["type"] != "file":  # a pipe would wait for its writer for ever
            raise NoBytes(errno.EPERM, "a folder, pipe, socket or device, not a file", path)
        return _bytes(filesystem, path, at_most)
    except FileNotFoundError as error:
        if filesystem.lexists(path):
            raise NoBytes(errno.ENOENT, "a link that leads nowhere", path) from error
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, "one of its folders is a file", path) from error
    except OSError as error:
        if is_passing(error) or isinstance(error, NoBytes):
            raise
        raise NoBytes(error.errno, error.strerror, path) from error


def _with_surrogates(path: str) -> str:
    """The path as Python has it, where the byte 0xff of a name is the lone surrogate U+DCFF."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", lambda byte: chr(0xDC00 + int(byte[1], 16)), path)
