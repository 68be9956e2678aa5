"""The door to the images on an S3 server that is stopped, emptied, or asks for credentials."""

from dataclasses import replace

import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.image_store import ImageStoreRefused
from mushroom_assets.image_store.store import Images
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
