"""What tests of image stores share: a day's folder, and waits that are not waited."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mushroom_assets.image_store.store import Images

DAY = "7/20260110"


def why_not(read: Callable[[], bytes]) -> str:
    """The reason of a file that may not be read."""
    with pytest.raises(PermissionError) as raised:
        read()
    return str(raised.value.strerror)


def recording(store: Images, *, seconds_each: float = 0.0) -> tuple[Images, list[float]]:
    """The store with a wait at the upper bound that is not waited for, and its waits.

    Each look at the clock finds it `seconds_each` later.
    """
    waits: list[float] = []
    ticks = iter(range(1000))
    recorded = replace(
        store,
        sleep=waits.append,
        jitter=lambda _, upper: upper,
        clock=lambda: next(ticks) * seconds_each,
    )
    return recorded, waits
