"""What tests of image stores share: a day's folder, and waits that are not waited."""

from collections.abc import Callable

import pytest

from mushroom_assets.image_store.store import ImageStore

DAY = "7/20260110"


def why_not(read: Callable[[], bytes]) -> str:
    """The reason of a file that may not be read."""
    with pytest.raises(PermissionError) as raised:
        read()
    return str(raised.value.strerror)


def recording(store: ImageStore, *, seconds_each: float = 0.0) -> list[float]:
    """The waits of a store, each at its upper bound and none of them waited.

    Each look at the clock finds it `seconds_each` later.
    """
    waits: list[float] = []
    ticks = iter(range(1000))
    store._sleep = waits.append
    store._jitter = lambda _, upper: upper
    store._clock = lambda: next(ticks) * seconds_each
    return waits
