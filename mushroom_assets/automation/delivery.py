"""How messages about the rooms reach those who are told: from the outbox, each by itself.

A target that is away holds up no other, and gets what waits for it once it is back, in order. What
is to be told is the business of `looking`, who is told that of `targets`.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mushroom_assets.automation.targets import NotDelivered, Target
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.message import noted
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.outbox import Claimed, claim, mark_failed, mark_taken

LATE = dt.timedelta(minutes=15)  # a message that is older says when it was written
ENOUGH_S = 60  # of a tick, which Dagster ends after 200 s: the rest comes with the next
Clock = Callable[[], dt.datetime]


@dataclass
class Memory:
    """What this process knows and could not write down.

    Attributes:
        outcomes: of messages that were sent while the database went away: why one was not taken,
            None where it was.
        cameras_seen: when the cameras were last looked at.
    """

    outcomes: dict[int, str | None] = field(default_factory=dict)
    cameras_seen: dt.datetime | None = None


@dataclass
class Post:
    """Delivers what waits.

    Attributes:
        database: with the outbox.
        farm: its language and zone.
        memory: of this process.
        clock: now, UTC.
        seconds: runs on, for how long it takes.
    """

    database: Database
    farm: Farm
    memory: Memory
    clock: Clock
    seconds: Callable[[], float] = time.monotonic

    def deliver(self, targets: Sequence[Target]) -> tuple[int, list[NotDelivered]]:
        """Send each target what waits for it; returns how many were taken, and the faults.

        A process that is killed between sending and marking leaves a message of which nobody knows
        whether it was taken: it is sent once more, and says so. Rather twice than never.
        """
        self.remember()
        begun = self.seconds()
        taken = 0
        faults: list[NotDelivered] = []
        for target in targets:
            try:
                while self.seconds() - begun < ENOUGH_S and self._send_next(target):
                    taken += 1
            except NotDelivered as fault:
                faults.append(fault)
        return taken, faults

    def remember(self) -> None:
        """Write down the outcomes that could not be."""
        if not self.memory.outcomes:
            return
        with self.database.transaction() as connection:
            outcomes = self.memory.outcomes.items()
            mark_taken(
                connection, [number for number, why in outcomes if why is None], self.clock()
            )
            for number, why in outcomes:
                if why is not None:
                    mark_failed(connection, number, why)
        self.memory.outcomes.clear()

    def _send_next(self, target: Target) -> bool:
        """Send a target its next message; False where none waits that is due."""
        with self.database.transaction() as connection:
            found = claim(connection, target.key, self.clock())
        if found is None:
            return False
        fault = None
        try:
            body = self._body(found)
            target.deliver(found.message.title, body, good=found.message.good)
        except NotDelivered as raised:
            fault = raised
        self.memory.outcomes[found.message_id] = None if fault is None else str(fault)
        self.remember()
        if fault is not None:
            raise fault
        return True

    def _body(self, found: Claimed) -> str:
        now = self.clock()
        is_late = now - found.written_at > LATE
        if not found.is_unsure and not is_late:
            return found.message.body
        note = "alarm.unsure" if found.is_unsure else "alarm.late"
        return noted(found.message, note, found.written_at, self.farm, now)
