"""What an error of an image store means: does it pass by itself, or refuse, what is to be done?

Here are the two exceptions that the image store raises, and the reading of its libraries' errors,
which differ by store: errno for folders and network file systems, HTTP status and code for object
stores. No retrying here (`faults.retry`), no store (`image_store`).
"""

import errno
import re
import sys
from collections.abc import Iterator
from typing import Any

# Network file systems and full tables of open files; EIO is what NFS and FUSE say when their server
# is gone. ENOTCONN is a FUSE mount whose process died. s3fs says EREMOTEIO for an internal error
# and EBUSY for "slow down". No system has them all.
PASSING_NAMES = (
    "EIO", "ESTALE", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "ENOTCONN",
    "EPIPE", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENETRESET",
    "EAGAIN", "EBUSY", "EINTR", "EMFILE", "ENFILE", "EREMOTEIO", "ENOMEM",
)  # fmt: skip
PASSING_ERRNOS = {getattr(errno, name) for name in PASSING_NAMES if hasattr(errno, name)}
# HTTP statuses below 500: timeout, too early, too many. 501 is "not implemented", which stays so.
PASSING_STATUS = {408, 425, 429}
# Codes of S3 that come with a status of 400 or 403 and pass all the same.
PASSING_CODES = {
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
}
# A broken TLS connection passes, a certificate or a port that speaks no TLS does not.
BAD_TLS = re.compile(r"certificate|hostname|record layer|wrong version number", re.IGNORECASE)

# Errors of libraries that need not be installed (where one has raised, it is loaded), and which of
# them pass.
FOREIGN = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "botocore.parsers": ("ResponseParserError",),
    "aiohttp": ("ClientError",),
    "http.client": ("HTTPException",),
    "gcsfs.retry": ("HttpError",),
}
PASSING_FOREIGN = {
    "botocore.exceptions": (
        "ConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "ResponseStreamingError",
    ),
    "botocore.parsers": ("ResponseParserError",),  # a throttled answer that is not even XML
    "aiohttp": ("ClientError",),
    "http.client": ("HTTPException",),
}

CREDENTIALS = (
    "give the store's credentials, for s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "with the right to list and read the bucket"
)
ENDPOINT = (
    "correct AWS_ENDPOINT_URL (http:// or https://, host and port) "
    "and, for an own certificate, AWS_CA_BUNDLE"
)


class ImageStoreUnavailable(ConnectionError):
    """The store did not answer within the allowed attempts and time; a later try may succeed."""


class ImageStoreRefused(RuntimeError):
    """The store is not there or says no (credentials, bucket, right): retrying is of no use."""


def store_errors() -> tuple[type[Exception], ...]:
    """What a store's libraries raise, for an `except` clause: OSErrors and their own.

    ValueError is botocore's word for an endpoint that is not a URL.
    """
    return (OSError, ValueError, *_classes(FOREIGN))


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed later.

    It may after a lost connection, a timeout, a fault of the server's own, or throttling.
    """
    if _bad_tls(error):
        return False
    status = _status(error)
    if status is not None:
        of_server = status >= 500 and status != 501
        return of_server or status in PASSING_STATUS or code(error) in PASSING_CODES
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in PASSING_ERRNOS
    return isinstance(error, (ConnectionError, TimeoutError, *_classes(PASSING_FOREIGN)))


def refusal(url: str, what: str, error: Exception) -> ImageStoreRefused:
    """What to raise where the store says no.

    It says what was tried (`what`, say "list 7/20260110"), what happened, and what to do.
    """
    return ImageStoreRefused(
        f"the image store {url} refused to {what}: {_one_line(error)}. Remedy: {_remedy(error)}"
    )


def outage(
    url: str, what: str, error: Exception, attempts: int, spent_s: float
) -> ImageStoreUnavailable:
    """What to raise where the store stayed away."""
    return ImageStoreUnavailable(
        f"could not {what} in the image store {url}, {attempts} attempts in {spent_s:.0f} s: "
        f"{_one_line(error)}. "
        "Remedy: start the store, mend its network or mount, or correct MUSHROOM_IMAGE_ROOT"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _remedy(error: Exception) -> str:
    if isinstance(error, PermissionError) and error.errno is not None:  # s3fs gives no errno
        return "give the user of this process the right to list and read it"
    unknown_user = "Credential" in type(error).__name__ or _status(error) in (401, 403)
    if unknown_user or isinstance(error, PermissionError):
        return CREDENTIALS
    if _bad_tls(error) or "endpoint" in str(error):
        return ENDPOINT
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "make room on its disk"
    return "see that the store is up and MUSHROOM_IMAGE_ROOT is its URL"


def code(error: BaseException) -> str:
    """The code of S3's answer ("NoSuchBucket"), empty where there is none."""
    return str(_answer(error).get("Error", {}).get("Code", ""))


def _answer(error: BaseException) -> dict[str, Any]:
    """What botocore keeps of the store's answer.

    s3fs raises an OSError of its own and names botocore's error as the cause.
    """
    answers = (getattr(one, "response", None) for one in (error, error.__cause__))
    return next((answer for answer in answers if isinstance(answer, dict)), {})


def _status(error: BaseException) -> int | None:
    """The HTTP status: botocore's, aiohttp's `status`, gcsfs's `code`."""
    status = _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    for name in ("status", "code"):
        status = getattr(error, name, None) if status is None else status
    return int(status) if str(status).isdecimal() else None


def _bad_tls(error: BaseException) -> bool:
    text = f"{type(error).__name__} {error}"
    return ("SSL" in text or "Certificate" in text) and BAD_TLS.search(text) is not None


def _classes(names: dict[str, tuple[str, ...]]) -> Iterator[type[Exception]]:
    for module in names.keys() & sys.modules.keys():
        yield from (getattr(sys.modules[module], name) for name in names[module])
