"""The one loop that tries again: its waits, its bounds, what it tells and what it lets through.

Waits are recorded, never slept.
"""

from collections.abc import Callable, Iterator

import pytest

from mushroom_assets.faults.retry import GivenUp, Retry


class Trial:
    """Work that fails with the given faults, one an attempt, and then answers."""

    def __init__(self, *faults: Exception, seconds_each: float = 0.0) -> None:
        self.faults: Iterator[Exception] = iter(faults)
        self.seconds_each = seconds_each
        self.now = 1000.0
        self.waits: list[float] = []
        self.told: list[tuple[str, int, float]] = []

    def work(self) -> str:
        self.now += self.seconds_each
        for fault in self.faults:
            raise fault
        return "answer"

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def tell(self, fault: Exception, attempt: int, wait_s: float) -> None:
        self.told.append((str(fault), attempt, wait_s))

    def call(self, retry: Retry, passes: Callable[[Exception], bool] = lambda fault: True) -> str:
        return retry.call(
            self.work,
            passes,
            self.tell,
            sleep=self.sleep,
            clock=lambda: self.now,
            jitter=lambda low, high: high,
        )


def test_waits_have_full_jitter_under_a_bound_that_doubles_up_to_the_cap() -> None:
    bounds: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        bounds.append((low, high))
        return high / 4

    waits = [Retry(base_s=1.5, cap_s=20).wait_s(attempt, jitter) for attempt in range(1, 7)]
    assert bounds == [(0, 1.5), (0, 3), (0, 6), (0, 12), (0, 20), (0, 20)]
    assert waits == [0.375, 0.75, 1.5, 3, 5, 5]


def test_work_that_succeeds_is_done_once_and_nothing_is_told() -> None:
    trial = Trial()
    assert trial.call(Retry()) == "answer"
    assert (trial.waits, trial.told) == ([], [])


def test_faults_that_pass_are_told_and_waited_for() -> None:
    trial = Trial(ValueError("a"), ValueError("b"), ValueError("c"))
    assert trial.call(Retry(attempts=4, base_s=1, cap_s=3)) == "answer"
    assert trial.waits == [1, 2, 3]
    assert trial.told == [("a", 1, 1), ("b", 2, 2), ("c", 3, 3)]


def test_a_fault_that_does_not_pass_is_raised_as_it_is() -> None:
    trial = Trial(ValueError("a"), KeyError("b"))
    with pytest.raises(KeyError):
        trial.call(Retry(), lambda fault: isinstance(fault, ValueError))
    assert trial.waits == [1]


def test_after_the_last_attempt_the_last_fault_is_named_with_what_was_spent() -> None:
    last = ValueError("c")
    trial = Trial(ValueError("a"), ValueError("b"), last, seconds_each=0.5)
    with pytest.raises(GivenUp) as raised:
        trial.call(Retry(attempts=3, fixed_s=10))
    assert (raised.value.fault, raised.value.attempts, raised.value.spent_s) == (last, 3, 21.5)
    assert raised.value.__cause__ is last
    assert trial.waits == [10, 10]


def test_no_wait_begins_that_would_end_after_the_deadline() -> None:
    trial = Trial(*[ValueError("away")] * 9, seconds_each=1)
    # After 1, 9 and 17 s; the wait after 25 s would end at 32
    with pytest.raises(GivenUp, match="4 attempts in 25 s: away"):
        trial.call(Retry(attempts=9, fixed_s=7, deadline_s=31))
    assert trial.waits == [7, 7, 7]


def test_an_interrupt_is_no_fault() -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    trial = Trial()
    with pytest.raises(KeyboardInterrupt):
        Retry().call(interrupted, lambda fault: True, trial.tell, sleep=trial.sleep)
    assert trial.waits == []
