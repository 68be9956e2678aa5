"""How long we wait for what passes by itself, the database or the image store.

Here are the bounds of the waits and the one loop that tries again. What an error means is the
business of `faults.database` and `faults.image_store`.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
FOREVER = 10**9  # attempts


class GivenUp(Exception):
    """Attempts or time are used up: the last fault, and what was spent on it."""

    def __init__(self, fault: Exception, attempts: int, spent_s: float) -> None:
        super().__init__(f"{attempts} attempts in {spent_s:.0f} s: {fault}")
        self.fault = fault
        self.attempts = attempts
        self.spent_s = spent_s


@dataclass(frozen=True)
class Retry:
    """Bounds of trying again: exponential back-off with full jitter.

    Waits are drawn from U(0, min(cap_s, base_s * 2**n)), n from 0
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    With `fixed_s` every wait is that long instead. `deadline_s` bounds the whole, waits included.
    """

    attempts: int = 6
    base_s: float = 1.0
    cap_s: float = 20.0
    deadline_s: float = 90.0
    fixed_s: float | None = None

    def count(self, attempt: int) -> str:
        """An attempt's number in words, with how many there will be at most."""
        return f"attempt {attempt}" + (f" of {self.attempts}" if self.attempts < FOREVER else "")

    def wait_s(self, attempt: int, jitter: Callable[[float, float], float]) -> float:
        """Seconds to wait after the `attempt`-th failure, counted from 1."""
        if self.fixed_s is not None:
            return self.fixed_s
        doublings = min(attempt - 1, 30)  # a float ends at 2**1024, and some wait for hours
        return jitter(0.0, min(self.cap_s, self.base_s * 2**doublings))

    def call(
        self,
        work: Callable[[], T],
        passes: Callable[[Exception], bool],
        tell: Callable[[Exception, int, float], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> T:
        """The result of `work`, tried again while its fault passes by itself.

        No wait begins that would end after the deadline.

        Args:
            work: what is tried.
            passes: whether the same work may succeed later; any other fault is raised as it is.
            tell: told the fault, the attempt's number (from 1) and the wait before each wait.
            sleep: waits so many seconds.
            clock: seconds from any origin; it never goes back.
            jitter: a number between its two bounds.

        Raises:
            GivenUp: attempts or time are used up.
        """
        started = clock()
        attempt = 0
        while True:
            attempt += 1
            try:
                return work()
            except Exception as fault:
                if not passes(fault):
                    raise
                wait_s = self.wait_s(attempt, jitter)
                spent_s = clock() - started
                if attempt >= self.attempts or spent_s + wait_s > self.deadline_s:
                    raise GivenUp(fault, attempt, spent_s) from fault
                tell(fault, attempt, wait_s)
                sleep(wait_s)
