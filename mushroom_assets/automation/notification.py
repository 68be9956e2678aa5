"""Who is told what, and when: each failure once, and once more when it is mended.

A run that fails again for the same reason over the same partitions is no news, nor is one that
Dagster starts again by itself. Each target has a cursor of its own in Dagster's storage: how far it
has been told, and which of the told failures are not mended. One that is down for an hour gets what
it missed once it is back, and the others get nothing twice. When it is told is the business of
`sensors`, how it is delivered that of `targets`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from mushroom_assets.automation.failures import Failure, mended
from mushroom_assets.automation.targets import NotDelivered, Target
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.instance.attempts import WILL_RETRY

RUNS_AT_ONCE = 20  # failed runs in a message; more come with the next
OPEN = 100  # told failures that are waited for, the newest: 4 kB of a cursor


@dataclass(frozen=True)
class Told:
    """A target's cursor.

    Attributes:
        event: storage id of the last failure that was looked at.
        open: ids of runs that were told as failed and are not mended.
    """

    event: int
    open: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Told":
        """As stored; a bare number is that of a former release."""
        found = json.loads(text)
        return cls(found) if isinstance(found, int) else cls(found["event"], tuple(found["open"]))

    @property
    def text(self) -> str:
        """As stored."""
        return json.dumps({"event": self.event, "open": self.open[-OPEN:]})


@dataclass(frozen=True)
class Reader:
    """Dagster's record as people of a farm read it, with links to the UI."""

    instance: dg.DagsterInstance
    farm: Farm
    ui_url: str

    def failures(self, run_ids: Sequence[str]) -> list[Failure]:
        """Those runs that are still there."""
        found = (Failure.read(self.instance, run_id, self.farm) for run_id in run_ids)
        return [each for each in found if each is not None]

    def message(self, failures: Sequence[Failure], *, good: bool = False) -> tuple[str, str]:
        """Title and body about runs that failed, or whose failure is mended.

        Of each: what, which partitions, which step, its error, and the link to the run.
        """
        paragraphs = []
        for each in failures:
            errors = [] if good else each.lines(self.farm)
            link = f"{self.ui_url.rstrip('/')}/runs/{each.run.run_id}"
            paragraphs.append("\n".join([each.what(self.farm), *errors, link]))
        one, many = ("run_mended", "runs_mended") if good else ("run_failed", "runs_failed")
        if len(failures) == 1:
            title = say(one, self.farm, what=failures[0].what(self.farm))
        else:
            title = say(many, self.farm, count=len(failures))
        return title, "\n\n".join(paragraphs)


def tell_failures(targets: Sequence[Target], reader: Reader) -> str:
    """Tell each target of the failures since it was last told; a new one from now on.

    Returns:
        what was done, in words.

    Raises:
        NotDelivered: at least one target did not take its message, which then waits for the next
            time.
    """
    storage = reader.instance.daemon_cursor_storage
    told = storage.get_cursor_values({target.cursor for target in targets})
    done: list[str] = []
    faults: list[str] = []
    for target in targets:
        if target.cursor not in told:
            begin = Told(_newest_failure(reader.instance))
            storage.set_cursor_values({target.cursor: begin.text})
            done.append(say("told_from_now", reader.farm))
            continue
        try:
            done += _tell(target, Told.read(told[target.cursor]), reader)
        except NotDelivered as fault:
            faults.append(str(fault))
    if faults:
        raise NotDelivered("; ".join(faults))
    return "; ".join(done)


def _tell(target: Target, told: Told, reader: Reader) -> Iterator[str]:
    """Tell one target; the cursor follows each message that was taken."""
    storage = reader.instance.daemon_cursor_storage
    known = reader.failures(told.open)
    events = _failures_since(reader.instance, told.event)
    news = _news(reader.failures([event.run_id for event in events]), known)
    if news:
        try:
            target.deliver(*reader.message(news))
        except NotDelivered as fault:
            raise NotDelivered(f"{fault} ({len(news)} failed runs wait)") from fault
        yield say("was_told", reader.farm, target=target.name, count=len(news))
    if events:
        ids = [each.run.run_id for each in (*known, *news)]
        told = Told(events[-1].storage_id, tuple(ids))
        storage.set_cursor_values({target.cursor: told.text})
    good = mended(reader.instance, known, reader.farm)
    if good:
        target.deliver(*reader.message(good, good=True), good=True)
        yield say("was_told_mended", reader.farm, target=target.name, count=len(good))
        gone = {each.run.run_id for each in good}
        left = tuple(run_id for run_id in told.open if run_id not in gone)
        storage.set_cursor_values({target.cursor: Told(told.event, left).text})


def _news(failures: Sequence[Failure], known: Sequence[Failure]) -> list[Failure]:
    """What was not told before, and is not started again by Dagster itself."""
    news: list[Failure] = []
    for failure in failures:
        retried = failure.run.tags.get(WILL_RETRY) == "true"
        if not retried and not any(failure.repeats(each) for each in (*known, *news)):
            news.append(failure)
    return news


def _newest_failure(instance: dg.DagsterInstance) -> int:
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return newest[0].storage_id if newest else 0


def _failures_since(instance: dg.DagsterInstance, event: int) -> Sequence[dg.EventLogRecord]:
    since = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=event)
    return instance.fetch_run_status_changes(since, limit=RUNS_AT_ONCE, ascending=True).records
