"""Transactions in steps, in every order: what may happen side by side happens for certain.

Each work has a thread of its own, of which one at a time goes on, from pause to pause. An order in
which a step would wait for a lock cannot be: it ends there, and all that begin like it are left
out.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mushroom_assets.faults.database import DatabaseUnavailable

Order = tuple[str, ...]


class Work(NamedTuple):
    """What is done, and in how many steps: one more than it pauses."""

    do: Callable[[], object]
    steps: int


class GivenUp(BaseException):
    """The order cannot be: what is under way is rolled back."""


class _InSteps(threading.Thread):
    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._do = do
        self._turn = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._fault: BaseException | None = None
        self._given_up = False
        self.is_done = False
        self.start()

    def run(self) -> None:
        try:
            self._wait()
            self._do()
        except GivenUp:
            pass
        except BaseException as fault:  # noqa: BLE001 - `step` raises it where the test sees it
            self._fault = fault
        finally:
            self.is_done = True
            self._back.release()

    def step(self) -> None:
        assert not self.is_done, "has fewer steps than it says"
        self._turn.release()
        self._back.acquire()
        if self._fault is not None:
            raise self._fault

    def pause(self) -> None:
        self._back.release()
        self._wait()

    def end(self) -> None:
        self._given_up = True
        self._turn.release()
        self.join()

    def _wait(self) -> None:
        self._turn.acquire()
        if self._given_up:
            raise GivenUp


def pause(*_: object) -> None:
    """The end of a step, in a work; nothing elsewhere."""
    thread = threading.current_thread()
    if isinstance(thread, _InSteps):
        thread.pause()


def orders(steps: Mapping[str, int]) -> Iterator[Order]:
    """Every order of so many steps of each, those of one in their own."""
    if not any(steps.values()):
        yield ()
    for name, left in steps.items():
        if left:
            for rest in orders({**steps, name: left - 1}):
                yield (name, *rest)


def possible(
    works: Mapping[str, Work], begin: Callable[[], object], every: Sequence[Order] | None = None
) -> Iterator[Order]:
    """Go through the orders; yields each that can be, when all is committed."""
    blocked: set[Order] = set()
    for order in every or orders({name: work.steps for name, work in works.items()}):
        if any(order[:length] in blocked for length in range(len(order))):
            continue
        begin()
        reached = _go(works, order)
        if reached == len(order):
            yield order
        else:
            blocked.add(order[: reached + 1])


def _go(works: Mapping[str, Work], order: Order) -> int:
    """How many steps can be."""
    under_way = {name: _InSteps(work.do) for name, work in works.items()}
    try:
        for number, name in enumerate(order):
            try:
                under_way[name].step()
            except DatabaseUnavailable as fault:
                assert "lock timeout" in str(fault)
                return number
        left = [name for name, each in under_way.items() if not each.is_done]
        assert left == [], "has more steps than it says"
    finally:
        for each in under_way.values():
            each.end()
    return len(order)
