"""How long we wait for what passes by itself, the database or the image store.

No judging of faults here.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """Retry of the connect: exponential back-off with full jitter.

    Waits are drawn from U(0, min(cap_s, base_s * 2**n)), n from 0
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    With `fixed_s` every wait is that long instead. `deadline_s` bounds the whole, waits included.
    """

    attempts: int = 6
    base_s: float = 1.0
    cap_s: float = 20.0
    deadline_s: float = 90.0
    fixed_s: float | None = None

    def wait_s(self, attempt: int, jitter: Callable[[float, float], float]) -> float:
        """Seconds to wait after the `attempt`-th failure, counted from 1."""
        if self.fixed_s is not None:
            return self.fixed_s
        return jitter(0.0, min(self.cap_s, self.base_s * 2 ** (attempt - 1)))
