"""What people should label next: the images that teach a probe most.

Here lives the choice among candidates; `storage.vision.label_queue` finds them.
"""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

# Of the texts, `queue_<reason>`
UNFAMILIAR = "unfamiliar"
UNCERTAIN = "uncertain"


class Candidate(NamedTuple):
    """An image without a label.

    `familiarity` is None where the weights do not say what they learned; `margin` is the stage's.
    """

    image_path: str
    room_id: str
    camera: str | None
    image_date: dt.date
    content_sha256: str
    familiarity: float | None
    margin: float


class Queued(NamedTuple):
    """An image to be labelled, and why."""

    candidate: Candidate
    reason: str


def queue(
    unfamiliar: Iterable[Candidate], uncertain: Iterable[Candidate], count: int
) -> list[Queued]:
    """The first candidates of both kinds by turns, at most one of a camera and day.

    A camera's images of a day are nearly the same: a second one teaches little. Equal bytes are
    labelled once.

    Args:
        unfamiliar: the least familiar first.
        uncertain: the least certain first.
        count: how many are wanted; fewer if there are no more.
    """
    sources = {UNFAMILIAR: iter(unfamiliar), UNCERTAIN: iter(uncertain)}
    taken: set[object] = set()
    chosen: list[Queued] = []
    while sources:
        for reason, candidates in list(sources.items()):
            if len(chosen) == count:
                return chosen
            found = next((one for one in candidates if not taken & _kin(one)), None)
            if found is None:
                del sources[reason]
                continue
            taken |= _kin(found)
            chosen.append(Queued(found, reason))
    return chosen


def _kin(one: Candidate) -> set[object]:
    """What two images must not share to be labelled both."""
    return {(one.room_id, one.camera, one.image_date), one.content_sha256}
