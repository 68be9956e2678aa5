"""The door to the images on an S3 server that is stopped, emptied, or asks for credentials."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

import fsspec
import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.image_store import ImageStoreRefused
from mushroom_assets.faults.retry import Retry
from mushroom_assets.image_store.store import CONNECTIONS, Images, _options
from mushroom_assets.inference.reading import MOST_READERS
from mushroom_assets_tests.kit.image_stores import DAY, recording, why_not
from mushroom_assets_tests.kit.object_store import BUCKET, ObjectStore

pytestmark = pytest.mark.long

ROOT = f"s3://{BUCKET}/farm"


def test_an_object_store_lists_reads_and_knows_its_strays(
    object_store: ObjectStore, farm: Farm
) -> None:
    for key in (
        f"{DAY}/a b'%+é.jpg", f"{DAY}/", f"{DAY}/deeper/x.jpg", f"{DAY}//x.jpg",
        "608/20260110/x.jpg", "x.jpg", "7/y.jpg", "7/2026/x.jpg",
    ):  # fmt: skip
        object_store.put(f"farm/{key}", key.encode())
    store = Images(ROOT)
    listing = store.listing(DAY)
    # No row of the marker "7/20260110/"
    assert list(listing) == [f"{DAY}//", f"{DAY}/a b'%+é.jpg", f"{DAY}/deeper/"]
    size, modified, tag = listing[f"{DAY}/a b'%+é.jpg"]
    head = object_store.client.head_object(Bucket=BUCKET, Key=f"farm/{DAY}/a b'%+é.jpg")
    assert (size, modified, tag) == (
        head["ContentLength"],
        head["LastModified"].isoformat(),
        head["ETag"],
    )
    assert store.read(f"{DAY}/a b'%+é.jpg") == f"{DAY}/a b'%+é.jpg".encode()
    assert store.read(f"{DAY}/a b'%+é.jpg", 8) == DAY[:8].encode()
    assert [path for path, _ in store.strays(farm)] == ["608/", "7/2026/", "7/y.jpg", "x.jpg"]
    object_store.put(f"farm/{DAY}/a b'%+é.jpg", b"other bytes")
    assert store.listing(DAY)[f"{DAY}/a b'%+é.jpg"] != listing[f"{DAY}/a b'%+é.jpg"]


def test_a_root_that_was_made_is_there_though_nothing_lies_in_it(
    object_store: ObjectStore, farm: Farm
) -> None:
    store = Images(ROOT)
    with pytest.raises(ImageStoreRefused, match=f"{ROOT} is not there"):
        store.listing(DAY)
    store.make_root()
    assert (store.listing(DAY), store.folders(), store.strays(farm)) == ({}, set(), [])
    store.write(f"{DAY}/a.jpg", b"x")
    assert (store.read(f"{DAY}/a.jpg"), store.folders()) == (b"x", {"7"})
    store.write(f"{DAY}/empty.jpg", b"")  # of which no range of bytes may be asked
    assert [store.read(f"{DAY}/empty.jpg", at_most) for at_most in (None, 9)] == [b"", b""]


def test_an_object_that_vanished_is_told_from_a_bucket_that_did(object_store: ObjectStore) -> None:
    object_store.put(f"farm/{DAY}/a.jpg", b"x")
    store = Images(ROOT)
    assert list(store.listing(DAY)) == [f"{DAY}/a.jpg"]
    object_store.put("farm/7/b.jpg")
    object_store.client.delete_object(Bucket=BUCKET, Key=f"farm/{DAY}/a.jpg")
    with pytest.raises(FileNotFoundError):
        store.read(f"{DAY}/a.jpg")
    object_store.client.delete_object(Bucket=BUCKET, Key="farm/7/b.jpg")
    object_store.client.delete_bucket(Bucket=BUCKET)
    for ask in (store.read, store.listing):
        with pytest.raises(ImageStoreRefused, match=r"is not there"):
            ask(f"{DAY}/a.jpg")


class Answering(BaseHTTPRequestHandler):
    """Answers a read when forty wait for it, and nothing else."""

    together = threading.Barrier(40)

    def do_GET(self) -> None:
        self.together.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 64


def test_forty_reads_wait_together_with_one_request_each(object_store: ObjectStore) -> None:
    """Of botocore's own ten connections the first ten would wait for the others for ever."""
    with Server(("127.0.0.1", 0), Answering) as server, ThreadPoolExecutor(41) as threads:
        threads.submit(server.serve_forever)
        try:
            object_store.configure(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}")
            store = Images(ROOT, retry=Retry(attempts=1))
            paths = [f"{DAY}/{number}.jpg" for number in range(40)]
            assert list(threads.map(store.read, paths)) == [b"x"] * 40
        finally:
            server.shutdown()


def test_as_many_connections_as_readers_and_what_the_user_set_beside() -> None:
    assert CONNECTIONS >= MOST_READERS
    assert _options("/srv/images") == _options("gs://cameras") == {}
    connections = {"max_pool_connections": 128}
    assert _options("s3://cameras/farm") == {"max_concurrency": 1, "config_kwargs": connections}
    own = {"anon": True, "max_concurrency": 4, "config_kwargs": {"proxies": {"https": "p"}}}
    with mock.patch.dict(fsspec.config.conf, s3=own):
        kept = own | {"config_kwargs": connections | {"proxies": {"https": "p"}}}
        assert _options("s3://cameras") == kept


def test_an_archived_object_is_that_images_fault(object_store: ObjectStore) -> None:
    object_store.put(f"farm/{DAY}/a.jpg", b"x", StorageClass="GLACIER")
    store = Images(ROOT)
    assert (
        why_not(lambda: store.read(f"{DAY}/a.jpg"))
        == "an archived object; restore it to have it read"
    )


def test_a_server_that_comes_back_is_asked_again(object_store: ObjectStore) -> None:
    object_store.put(f"farm/{DAY}/a.jpg", b"x")
    recorded, waits = recording(Images(ROOT))

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            object_store.start()

    store = replace(recorded, sleep=sleep)
    store.listing(DAY)
    object_store.stop()
    assert store.read(f"{DAY}/a.jpg") == b"x"
    assert waits == [1, 2]
    assert list(store.listing(DAY)) == [f"{DAY}/a.jpg"]


NOBODY: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
REFUSED: dict[str, tuple[dict[str, str | None], str]] = {
    "no credentials": (NOBODY, "credentials. Remedy: give the"),
    "half of them": (
        {"AWS_SECRET_ACCESS_KEY": None},
        "Partial credentials.*Remedy: give the store's cred",
    ),
    "unknown profile": ({"AWS_PROFILE": "nobody"}, "nobody.* Remedy: "),
    "endpoint without http": (
        {"AWS_ENDPOINT_URL": "127.0.0.1:9000"},
        "Invalid endpoint.* Remedy: correct AWS_EN",
    ),
}


@pytest.mark.parametrize(("variables", "told"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_setting_fails_at_once_with_the_remedy(
    object_store: ObjectStore, variables: dict[str, str | None], told: str
) -> None:
    object_store.configure(**variables)
    store, waits = recording(Images(ROOT))
    with pytest.raises(
        ImageStoreRefused, match=f"the image store {ROOT} refused to list {DAY}: .*{told}"
    ):
        store.listing(DAY)
    assert waits == []


def test_a_server_without_tls_is_told_from_one_that_is_away(object_store: ObjectStore) -> None:
    object_store.configure(AWS_ENDPOINT_URL=object_store.url.replace("http:", "https:"))
    store, waits = recording(Images(ROOT))
    with pytest.raises(
        ImageStoreRefused, match=r"SSL.* Remedy: correct AWS_ENDPOINT_URL \(http:// or https://"
    ):
        store.listing(DAY)
    assert waits == []


def test_a_user_who_is_not_let_in_fails_at_once_with_the_remedy(object_store: ObjectStore) -> None:
    object_store.put(f"farm/{DAY}/a.jpg", b"x")
    object_store.ask_for_credentials()
    store, waits = recording(Images(ROOT))
    for ask in (store.listing, store.read):
        with pytest.raises(
            ImageStoreRefused, match=r"refused to .* Remedy: give the store's credentials"
        ) as raised:
            ask(f"{DAY}/a.jpg")
        assert "chanterelle" not in str(raised.value)
    assert waits == []


def test_a_bucket_name_that_cannot_be_is_refused(object_store: ObjectStore) -> None:
    with pytest.raises(ImageStoreRefused, match="Invalid bucket name"):
        Images("s3://no such bucket/x").listing(DAY)
