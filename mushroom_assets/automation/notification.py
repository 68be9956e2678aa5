"""What people are told of failed runs, and how it reaches them: by whatever apprise knows.

That is webhooks, e-mail and much else: https://github.com/caronc/apprise/wiki. When it is told is
the business of `sensors`. Each target has a cursor of its own in Dagster's storage: one that is
down for an hour gets what it missed once it is back, and the others get nothing twice. Target URLs
hold secrets: they are never printed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.instance.outstanding import RANGE_END, RANGE_START

RUNS_AT_ONCE = 20  # failed runs in a message; more come with the next
ERROR_LENGTH = 300


class NotDelivered(RuntimeError):
    """A target did not take the message: which, why and what to do, without secrets of its URL."""


@dataclass(frozen=True)
class Target:
    """Somebody to tell, by an apprise URL."""

    url: str

    @property
    def cursor(self) -> str:
        """Under which key Dagster's storage keeps how far this target has been told."""
        return f"run_failure_notification/{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"

    @property
    def name(self) -> str:
        """Service and host.

        Apprise masks tokens and passwords; a path, which may be a secret, is left out.
        """
        masked = urlsplit(self._service().url(privacy=True))
        return f"{masked.scheme}://{masked.netloc.rpartition('@')[2]}"

    def deliver(self, title: str, body: str) -> None:
        """Send a message, once.

        Raises:
            NotDelivered: the URL is of no use, or the service did not take it.
        """
        import apprise  # 0.2 s: only where there is something to tell

        targets = apprise.Apprise()
        targets.add(self._service())
        kind = apprise.NotifyType.FAILURE
        plain = apprise.NotifyFormat.TEXT
        # Apprise has no types for its log
        caught = apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]
        with caught as log:
            if targets.notify(body, title, notify_type=kind, body_format=plain):
                return
            reason = " ".join(log.getvalue().split()).rstrip(".") or "no reason given"
        raise NotDelivered(
            f"{self.name} did not take the message: {reason}. Remedy: check the service and "
            "MUSHROOM_NOTIFY; it is sent again until it is taken"
        )

    def _service(self) -> Any:
        import apprise

        service = apprise.Apprise.instantiate(self.url)
        if service is None:
            begin = f"{urlsplit(self.url).scheme}://"
            raise NotDelivered(
                f"MUSHROOM_NOTIFY: apprise cannot use the URL that begins with {begin}. Remedy: "
                "write it as https://github.com/caronc/apprise/wiki shows for the service"
            )
        return service


def tell_failures(
    instance: dg.DagsterInstance, targets: Sequence[Target], farm: Farm, ui_url: str
) -> str:
    """Tell each target of the runs that failed since it was last told; a new one from now on.

    Returns:
        what was done, in words.

    Raises:
        NotDelivered: at least one target did not take its message, which then waits for the next
            time.
    """
    storage = instance.daemon_cursor_storage
    told = storage.get_cursor_values({target.cursor for target in targets})
    done = []
    faults = []
    for target in targets:
        if target.cursor not in told:
            storage.set_cursor_values({target.cursor: str(_newest_failure(instance))})
            done.append(say("told_from_now", farm))
            continue
        failures = _failures_since(instance, int(told[target.cursor]))
        if not failures:
            continue
        title, body = message(instance, failures, farm, ui_url)
        try:
            target.deliver(title, body)
        except NotDelivered as fault:
            faults.append(f"{fault} ({len(failures)} failed runs wait)")
            continue
        storage.set_cursor_values({target.cursor: str(failures[-1].storage_id)})
        done.append(say("was_told", farm, target=target.name, count=len(failures)))
    if faults:
        raise NotDelivered("; ".join(faults))
    return "; ".join(done)


def _newest_failure(instance: dg.DagsterInstance) -> int:
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return newest[0].storage_id if newest else 0


def _failures_since(instance: dg.DagsterInstance, event: int) -> Sequence[dg.EventLogRecord]:
    since = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=event)
    return instance.fetch_run_status_changes(since, limit=RUNS_AT_ONCE, ascending=True).records


def message(
    instance: dg.DagsterInstance, failures: Sequence[dg.EventLogRecord], farm: Farm, ui_url: str
) -> tuple[str, str]:
    """Title and body about failed runs.

    Of each run: what, which partitions, which step, its error, and the link to the run.
    """
    whats = []
    paragraphs = []
    for failure in failures:
        run = instance.get_run_by_id(failure.run_id)
        if run is None:  # deleted since
            continue
        what = _what(run, farm)
        link = f"{ui_url.rstrip('/')}/runs/{run.run_id}"
        lines = [what, *_errors(instance, failure, farm), link]
        if run.tags.get("dagster/will_retry") == "true":
            lines.append(say("starts_again", farm))
        whats.append(what)
        paragraphs.append("\n".join(lines))
    if len(whats) == 1:
        title = say("run_failed", farm, what=whats[0])
    else:
        title = say("runs_failed", farm, count=len(whats))
    return title, "\n\n".join(paragraphs) or title


def _what(run: dg.DagsterRun, farm: Farm) -> str:
    """Job or assets, and partitions."""
    assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
    name = assets if assets and run.job_name.startswith("__") else run.job_name
    partitions = _partitions(run, farm)
    return say("comma", farm).join(part for part in (name, partitions) if part)


def _partitions(run: dg.DagsterRun, farm: Farm) -> str:
    """The partition or the range of partitions of a run; nothing where it has none."""
    if RANGE_START not in run.tags:
        return run.tags.get("dagster/partition", "")
    first = run.tags[RANGE_START]
    last = run.tags[RANGE_END]
    return first if first == last else say("partition_range", farm, first=first, last=last)


def _errors(instance: dg.DagsterInstance, failure: dg.EventLogRecord, farm: Farm) -> list[str]:
    """A line for each failed step.

    Where none failed, because the process died for instance, what Dagster says of the run.
    """
    failed = dg.DagsterEventType.STEP_FAILURE
    lines = []
    for record in instance.get_records_for_run(failure.run_id, of_type=failed).records:
        event = record.event_log_entry.get_dagster_event()
        lines.append(say("step_failed", farm, step=event.step_key or "", error=_error(event)))
    return lines or [failure.event_log_entry.get_dagster_event().message or ""]


def _error(event: dg.DagsterEvent) -> str:
    """The innermost error of a failed step, or what its Failure says, on one line."""
    data = event.step_failure_data
    told = data.user_failure_data.description if data.user_failure_data else None
    error = data.error
    while error and error.cause:
        error = error.cause
    words = " ".join((told or (error and error.message) or "").split())
    return words if len(words) <= ERROR_LENGTH else f"{words[:ERROR_LENGTH]} ..."
