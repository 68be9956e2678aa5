"""Which faults of an image store pass: the errors of its libraries, as these make them."""

import errno
import http.client
import importlib
import os
import ssl
import sys
import types

import aiohttp
import botocore.exceptions as boto
import pytest
from botocore.parsers import ResponseParserError
from fsspec.exceptions import FSTimeoutError
from s3fs.errors import (
    ERROR_CODE_TO_EXCEPTION,
    translate_boto_error,
)

from mushroom_assets.faults import image_store as faults
from mushroom_assets.faults.image_store import code, is_passing, refusal, store_errors

# (code, HTTP status, whether it passes):
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
ANSWERS = [
    ("SlowDown", 503, True), ("InternalError", 500, True), ("ServiceUnavailable", 503, True),
    ("500", 500, True), ("RequestTimeout", 400, True), ("503", 503, True),
    ("TooManyRequests", 429, True), ("BadGateway", 502, True),
    ("XMinioServerNotInitialized", 503, True), ("RequestLimitExceeded", 400, True),
    ("NotImplemented", 501, False), ("AccessDenied", 403, False),
    ("InvalidAccessKeyId", 403, False), ("SignatureDoesNotMatch", 403, False),
    ("ExpiredToken", 400, False), ("RequestTimeTooSkewed", 403, False),
    ("NoSuchBucket", 404, False), ("404", 404, False), ("PermanentRedirect", 301, False),
    ("InvalidBucketName", 400, False), ("KMS.DisabledException", 400, False),
]  # fmt: skip


def answer(name: str, status: int) -> Exception:
    told = {
        "Error": {"Code": name, "Message": "as told"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error: Exception = boto.ClientError(told, "GetObject")
    return error


@pytest.mark.parametrize(
    ("name", "status", "passes"), ANSWERS, ids=[f"{name}" for name, *_ in ANSWERS]
)
def test_an_answer_of_s3_passes_by_its_status(name: str, status: int, passes: bool) -> None:
    untranslated = answer(name, status)
    # An OSError of s3fs's choice: EIO where it knows none
    translated = translate_boto_error(untranslated)
    for error in (untranslated, translated):
        assert isinstance(error, store_errors())
        assert (is_passing(error), code(error)) == (passes, name)
    assert isinstance(translated, OSError)


def test_every_answer_that_s3fs_takes_for_a_missing_right_is_refused() -> None:
    for name, made in ERROR_CODE_TO_EXCEPTION.items():
        if made is PermissionError:
            assert not is_passing(translate_boto_error(answer(name, 403)))


BROKEN_TLS = "EOF occurred in violation of protocol"
SELF_SIGNED = "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"
CONNECTIONS = [
    (boto.EndpointConnectionError(endpoint_url="http://nas"), True),
    (boto.ConnectTimeoutError(endpoint_url="http://nas"), True),
    (boto.ReadTimeoutError(endpoint_url="http://nas"), True),
    (boto.ConnectionClosedError(endpoint_url="http://nas"), True),
    (boto.HTTPClientError(error="reset"), True),
    (boto.IncompleteReadError(actual_bytes=3, expected_bytes=5), True),
    (boto.ResponseStreamingError(error="reset"), True),
    (ResponseParserError("<html>"), True),
    (http.client.IncompleteRead(b""), True),
    (aiohttp.ServerDisconnectedError(), True),
    (aiohttp.ClientPayloadError("not all of it"), True),
    (aiohttp.ServerTimeoutError(), True),
    (FSTimeoutError(), True),
    (TimeoutError(), True),
    (ConnectionResetError(), True),
    (boto.SSLError(endpoint_url="https://nas", error=BROKEN_TLS), True),
    (boto.SSLError(endpoint_url="https://nas", error=SELF_SIGNED), False),
    (boto.SSLError(endpoint_url="https://nas", error="[SSL] record layer failure"), False),
    (ssl.SSLCertVerificationError(1, "certificate verify failed"), False),
    (boto.NoCredentialsError(), False),
    (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), False),
    (boto.ProfileNotFound(profile="nobody"), False),
    (boto.ParamValidationError(report="Invalid bucket name"), False),
    (ValueError("Invalid endpoint: nas:9000"), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "passes"),
    CONNECTIONS,
    ids=[str(error)[:50] or repr(error) for error, _ in CONNECTIONS],
)
def test_a_connection_passes_a_setting_does_not(error: Exception, passes: bool) -> None:
    assert isinstance(error, store_errors())
    assert is_passing(error) is passes


@pytest.mark.parametrize(
    ("status", "passes"), [(429, True), (503, True), (404, False), (401, False), (501, False)]
)
def test_an_http_error_passes_by_its_status(
    status: int, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class HttpError(Exception):
        """As gcsfs has it: the status is its `code`, sometimes as text."""

        def __init__(self, code: object) -> None:
            self.code = code

    gcsfs_retry = types.ModuleType("gcsfs.retry")
    gcsfs_retry.HttpError = HttpError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gcsfs.retry", gcsfs_retry)
    request = types.SimpleNamespace(real_url="http://nas/x")
    response = aiohttp.ClientResponseError(request, (), status=status)  # type: ignore[arg-type]
    for error in (HttpError(status), HttpError(str(status)), response):
        assert isinstance(error, store_errors())
        assert is_passing(error) is passes


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("EIO", True), ("ESTALE", True), ("ETIMEDOUT", True), ("ECONNREFUSED", True),
        ("EHOSTUNREACH", True), ("ENOTCONN", True), ("EMFILE", True),
        ("ENOENT", False), ("EACCES", False), ("EPERM", False), ("ENOTDIR", False),
        ("EISDIR", False), ("ELOOP", False), ("ENOSPC", False), ("EROFS", False),
        ("ENAMETOOLONG", False),
    ],
)  # fmt: skip
def test_faults_of_the_system_pass_where_a_network_file_system_has_them(
    name: str, passes: bool
) -> None:
    number = getattr(errno, name)
    assert is_passing(OSError(number, os.strerror(number))) is passes


def test_the_names_of_the_libraries_errors_are_still_theirs() -> None:
    """They are looked up by name, because the libraries need not be installed."""
    missing = []
    for listed in (faults.FOREIGN, faults.PASSING_FOREIGN):
        for module, names in listed.items():
            if module == "gcsfs.retry":  # not installed here
                continue
            there = vars(importlib.import_module(module))
            missing += [name for name in names if name not in there]
    assert missing == []


def test_a_refusal_says_what_was_tried_where_what_happened_and_what_to_do() -> None:
    error = translate_boto_error(answer("InvalidAccessKeyId", 403))
    assert str(refusal("s3://cameras", "list 7/20260110", error)) == (
        "the image store s3://cameras refused to list 7/20260110: as told. Remedy: "
        + faults.CREDENTIALS
    )
