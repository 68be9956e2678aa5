"""A look at something slow: one at a time, shared by all who ask, in a thread of its own.

However many ask a database that hangs, one thread waits for it. What is looked at lives in
`watching`.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Seen(NamedTuple, Generic[T]):
    """What a look saw, when it was done (by the look's clock), and how long it took, seconds."""

    value: T
    at: float
    took_s: float


class Look(Generic[T]):
    """What `work` returns, looked at anew when it is older than `fresh_s` and somebody asks.

    Args:
        work: the look; it raises only what is a fault of ours.
        fresh_s: so old its result may be.
        kept_s: so old it may be while a new look is under way and takes its time.
        clock: seconds.
    """

    def __init__(
        self,
        work: Callable[[], T],
        *,
        fresh_s: float,
        kept_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._fresh_s = fresh_s
        self._kept_s = kept_s
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: Future[Seen[T]] | None = None
        self._last: Seen[T] | None = None

    async def seen(self, within_s: float) -> Seen[T] | None:
        """What is to be seen, waited for `within_s` at most; None where nothing is."""
        flight = asyncio.wrap_future(self._ask())
        done, _ = await asyncio.wait([flight], timeout=within_s)
        if done:
            return flight.result()
        return self._kept()

    def _age_s(self, seen: Seen[T]) -> float:
        return self._clock() - seen.at

    def _ask(self) -> "Future[Seen[T]]":
        """The look that is under way, the last one if it is fresh, else a new one."""
        with self._lock:
            if self._flight is not None and not self._is_over(self._flight):
                return self._flight
            self._flight = flight = Future[Seen[T]]()
            flight.set_running_or_notify_cancel()  # who stops waiting does not end it
        threading.Thread(target=self._run, args=(flight,), daemon=True).start()
        return flight

    def _is_over(self, flight: "Future[Seen[T]]") -> bool:
        if not flight.done():
            return False
        return flight.exception() is not None or self._age_s(flight.result()) >= self._fresh_s

    def _kept(self) -> Seen[T] | None:
        last = self._last
        return last if last is not None and self._age_s(last) < self._kept_s else None

    def _run(self, flight: "Future[Seen[T]]") -> None:
        begun = self._clock()
        try:
            value = self._work()
        except BaseException as error:  # noqa: BLE001 - whoever asks raises it
            flight.set_exception(error)
            return
        now = self._clock()
        self._last = Seen(value, now, now - begun)
        flight.set_result(self._last)
