"""A look is one thread's, however many ask; what it saw is told while it is fresh."""

import asyncio
import threading
from dataclasses import dataclass, field

import pytest

from mushroom_assets.service.looks import Look

SOON_S = 60.0


@dataclass
class Work:
    """Counts its calls; the gate holds them up."""

    gate: threading.Event = field(default_factory=threading.Event)
    calls: int = 0
    now: float = 0.0

    def __post_init__(self) -> None:
        self.gate.set()

    def look(self) -> int:
        self.calls += 1
        assert self.gate.wait(SOON_S)
        return self.calls

    def clock(self) -> float:
        return self.now


def value(look: Look[int], within_s: float = SOON_S) -> int | None:
    """What is told to one who asks."""
    seen = asyncio.run(look.seen(within_s))
    return None if seen is None else seen.value


def test_all_who_ask_while_a_look_goes_on_share_it_and_its_thread() -> None:
    work = Work()
    work.gate.clear()
    look = Look(work.look, fresh_s=10)

    async def hundred() -> tuple[list[object], int]:
        asked = [asyncio.create_task(look.seen(SOON_S)) for _ in range(100)]
        await asyncio.sleep(0.1)
        threads = threading.active_count()
        work.gate.set()
        return [seen and seen.value for seen in await asyncio.gather(*asked)], threads

    before = threading.active_count()
    told, threads = asyncio.run(hundred())
    assert told == [1] * 100
    assert threads == before + 1
    assert work.calls == 1


def test_a_look_is_fresh_for_its_time_and_then_made_anew() -> None:
    work = Work()
    look = Look(work.look, fresh_s=10, clock=work.clock)
    assert value(look) == 1
    work.now = 9.9
    assert value(look) == 1
    work.now = 10
    assert value(look) == 2


@pytest.mark.parametrize(("age_s", "told"), [(29.9, 1), (30, None)])
def test_who_does_not_wait_for_a_slow_look_is_told_the_one_before_while_that_is_kept(
    age_s: float, told: int | None
) -> None:
    work = Work()
    look = Look(work.look, fresh_s=10, kept_s=30, clock=work.clock)
    assert value(look) == 1
    work.gate.clear()
    work.now = age_s
    assert value(look, 0.05) == told
    assert value(look, 0.05) == told
    assert work.calls == 2  # it goes on, and nobody has begun another
    work.gate.set()
    assert value(look) == 2


def test_nothing_is_told_before_the_first_look_is_done() -> None:
    work = Work()
    work.gate.clear()
    look = Look(work.look, fresh_s=10, kept_s=30)
    assert value(look, 0.05) is None
    work.gate.set()
    assert value(look) == 1


def test_a_fault_of_ours_is_raised_and_the_next_who_asks_has_a_new_look() -> None:
    calls = []

    def stumble() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        return len(calls)

    look = Look(stumble, fresh_s=10)
    with pytest.raises(ZeroDivisionError):
        value(look)
    assert value(look) == 2


def test_how_long_a_look_took_and_how_old_it_is() -> None:
    work = Work()

    def slow() -> int:
        work.now += 3
        return 1

    look = Look(slow, fresh_s=10, clock=work.clock)
    seen = asyncio.run(look.seen(SOON_S))
    assert seen is not None
    assert (seen.took_s, seen.at) == (3, 3)
