"""An S3 server of the tests' own on loopback.

Stopped and started again it still has its objects.
"""

import os
import socket
import threading
import urllib.request
from typing import Any, Self

import boto3
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

BUCKET = "cameras"


class ObjectStore:
    """The server, and the standard AWS variables by which everyone finds it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._monkeypatch = monkeypatch
        self._lock = threading.Lock()
        self._server: ThreadedMotoServer | None = None
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        self.configure(
            AWS_ENDPOINT_URL=self.url,
            AWS_ACCESS_KEY_ID="grower",
            AWS_SECRET_ACCESS_KEY="chanterelle",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
            AWS_CONFIG_FILE=os.devnull,
            AWS_SHARED_CREDENTIALS_FILE=os.devnull,
            AWS_MAX_ATTEMPTS="1",  # botocore's own five take 6 s
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configure(self, **variables: str | None) -> None:
        """Set (or with None remove) environment variables.

        A connection made before does not see them.
        """
        for name, value in variables.items():
            if value is None:
                self._monkeypatch.delenv(name, raising=False)
            else:
                self._monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()

    def start(self) -> Self:
        with self._lock:
            if self._server is None:
                self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
                self._server.start()
        return self

    def stop(self) -> None:
        with self._lock:
            if self._server is not None:
                self._server.stop()
                self._server = None

    def ask_for_credentials(self) -> None:
        """From now on the server knows users, of whom there are none: everyone is refused."""
        self._monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)

    def empty(self) -> None:
        """Without buckets."""
        urllib.request.urlopen(f"{self.url}/moto-api/reset", b"").close()

    def put(self, key: str, data: bytes = b"", **options: str) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data, **options)

    @property
    def client(self) -> Any:
        return boto3.client("s3", endpoint_url=self.url)
