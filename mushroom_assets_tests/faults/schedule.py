"""Which faults happen when: drawn from a seed, counted in the messages of all clients.

What a fault does to a connection is the business of `kit.tcp_proxy`, to the server of `site`.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mushroom_assets_tests.faults.site import Site
from mushroom_assets_tests.kit.tcp_proxy import Fault

# Faults of the server, which last until so many messages later
TROUBLES: dict[str, Callable[[Site], None]] = {
    "terminate": Site.terminate,
    "crowd": Site.crowd,
    "read_only": Site.forbid_writing,
    "full_disk": Site.fill_disk,
}
# "refuse": a fault of the next connections, one after the other
KINDS = ("refuse", *Fault, *TROUBLES)
COMMITS = 20
LONGEST = 40  # messages: 4 attempts of a step connect 6 times each


class Planned(NamedTuple):
    """A fault: what, at which message, and for how many messages (a state of the server)."""

    kind: str
    at: int
    lasts: int = 1


def drawn(seed: int, messages: int, kinds: Sequence[str] = KINDS) -> list[Planned]:
    """One to four faults of a seed, within so many messages."""
    dice = random.Random(seed)
    plan = []
    for _ in range(dice.randint(1, 4)):
        kind = dice.choice(kinds)
        latest = COMMITS if kind == Fault.LOSE_COMMIT else messages
        plan.append(Planned(kind, dice.randint(1, latest), dice.randint(1, LONGEST)))
    return sorted(plan, key=lambda planned: planned.at)


@dataclass
class Schedule:
    """Says at each message what happens. `happened` are the faults that came to pass."""

    site: Site
    plan: list[Planned]
    messages: int = 0
    commits: int = 0
    happened: list[str] = field(default_factory=list)
    over: bool = False
    _refusing: int = 0
    _mend_at: int = 0

    def decide(self, opening: bool, commit: bool) -> Fault | None:
        """What is to be done at the next message."""
        if self.over:
            return None
        self.messages += 1
        self.commits += commit
        if self._mend_at and self.messages >= self._mend_at:
            self._mend_at = 0
            self.site.mend()
        if opening and self._refusing:
            self._refusing -= 1
            return Fault.RESET
        return self._due(commit)

    def _due(self, commit: bool) -> Fault | None:
        for planned in self.plan:
            count = self.commits if planned.kind == Fault.LOSE_COMMIT else self.messages
            if planned.at <= count and (commit or planned.kind != Fault.LOSE_COMMIT):
                self.plan.remove(planned)
                self.happened.append(planned.kind)
                return self._begin(planned)
        return None

    def _begin(self, planned: Planned) -> Fault | None:
        if planned.kind == "refuse":
            self._refusing = planned.lasts
            return Fault.RESET
        trouble = TROUBLES.get(planned.kind)
        if trouble is None:
            return Fault(planned.kind)
        trouble(self.site)
        self._mend_at = self.messages + planned.lasts
        return None

    def end(self) -> None:
        """No fault from now on."""
        self.over = True
        self.site.mend()
