"""What people are told of failed runs, and how it reaches them: webhook, e-mail and whatever else
apprise knows.

When it is told is the business of `automation`. Each target has a cursor of its own, in Dagster's
storage: one that is down for an hour gets what it missed once it is back, and the others get
nothing twice. Target URLs hold secrets: they are never printed.
https://github.com/caronc/apprise/wiki
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from mushroom_assets.domain.farm import Farm, Language
from mushroom_assets.instance.outstanding import RANGE_END, RANGE_START

AT_ONCE = 20  # failed runs in a message; more come with the next
ERROR_LENGTH = 300
TEXTS: dict[str, dict[Language, str]] = {
    "one": {"en": "Run failed: {what}", "zh": "运行失败：{what}"},
    "many": {"en": "{count} runs failed", "zh": "{count} 个运行失败"},
    "range": {"en": "{first} to {last}", "zh": "{first} 至 {last}"},
    "step": {"en": "step {step}: {error}", "zh": "步骤 {step}：{error}"},
    "again": {"en": "Dagster starts it again by itself.", "zh": "Dagster 会自动重新启动。"},
    "comma": {"en": ", ", "zh": "，"},
}


class NotDelivered(RuntimeError):
    """A target did not take the message; says which, why and what to do, without the secrets of its
    URL.
    """


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
        """Service and host: apprise masks tokens and passwords, and a path, which may be a secret,
        is left out.
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
        with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as log:
            if targets.notify(
                body,
                title,
                notify_type=apprise.NotifyType.FAILURE,
                body_format=apprise.NotifyFormat.TEXT,
            ):
                return
            reason = " ".join(log.getvalue().split()).rstrip(".")
        raise NotDelivered(
            f"{self.name} did not take the message: {reason or 'no reason given'}. Remedy: check the service and "
            "MUSHROOM_NOTIFY; it is sent again until it is taken"
        )

    def _service(self) -> Any:
        import apprise

        service = apprise.Apprise.instantiate(self.url)
        if service is None:
            raise NotDelivered(
                f"MUSHROOM_NOTIFY: apprise cannot use the URL that begins with {urlsplit(self.url).scheme}://. Remedy: "
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
    done, faults = [], []
    for target in targets:
        if target.cursor not in told:
            storage.set_cursor_values({target.cursor: str(_newest_failure(instance))})
            done.append("from now on a target is told")
            continue
        failures = _failures_since(instance, int(told[target.cursor]))
        if not failures:
            continue
        try:
            target.deliver(*message(instance, failures, farm, ui_url))
        except NotDelivered as fault:
            faults.append(f"{fault} ({len(failures)} failed runs wait)")
            continue
        storage.set_cursor_values({target.cursor: str(failures[-1].storage_id)})
        done.append(f"{target.name} was told of {len(failures)} failed runs")
    if faults:
        raise NotDelivered("; ".join(faults))
    return "; ".join(done)


def _newest_failure(instance: dg.DagsterInstance) -> int:
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return newest[0].storage_id if newest else 0


def _failures_since(instance: dg.DagsterInstance, event: int) -> Sequence[dg.EventLogRecord]:
    since = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=event)
    return instance.fetch_run_status_changes(since, limit=AT_ONCE, ascending=True).records


def message(
    instance: dg.DagsterInstance, failures: Sequence[dg.EventLogRecord], farm: Farm, ui_url: str
) -> tuple[str, str]:
    """Title and body about failed runs: what, which partitions, which step, its error, and the link
    to the run.
    """
    whats, paragraphs = [], []
    for failure in failures:
        run = instance.get_run_by_id(failure.run_id)
        if run is None:  # deleted since
            continue
        whats.append(_what(run, farm))
        lines = [
            whats[-1],
            *_errors(instance, failure, farm),
            f"{ui_url.rstrip('/')}/runs/{run.run_id}",
        ]
        if run.tags.get("dagster/will_retry") == "true":
            lines.append(_say("again", farm))
        paragraphs.append("\n".join(lines))
    title = (
        _say("one", farm, what=whats[0])
        if len(whats) == 1
        else _say("many", farm, count=len(whats))
    )
    return title, "\n\n".join(paragraphs) or title


def _what(run: dg.DagsterRun, farm: Farm) -> str:
    """Job or assets, and partitions."""
    assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
    name = assets if assets and run.job_name.startswith("__") else run.job_name
    if RANGE_START in run.tags:
        first, last = run.tags[RANGE_START], run.tags[RANGE_END]
        partitions = first if first == last else _say("range", farm, first=first, last=last)
    else:
        partitions = run.tags.get("dagster/partition", "")
    return _say("comma", farm).join(part for part in (name, partitions) if part)


def _errors(instance: dg.DagsterInstance, failure: dg.EventLogRecord, farm: Farm) -> list[str]:
    """A line for each failed step; where none failed, the process died say, what Dagster says of
    the run.
    """
    steps = instance.get_records_for_run(
        failure.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
    ).records
    events = [record.event_log_entry.get_dagster_event() for record in steps]
    lines = [_say("step", farm, step=event.step_key or "", error=_error(event)) for event in events]
    return lines or [failure.event_log_entry.get_dagster_event().message or ""]


def _error(event: dg.DagsterEvent) -> str:
    """The innermost error of a failed step, or what its Failure says, on one line."""
    data = event.step_failure_data
    error, said = data.error, data.user_failure_data and data.user_failure_data.description
    while error and error.cause:
        error = error.cause
    words = " ".join((said or (error and error.message) or "").split())
    return words if len(words) <= ERROR_LENGTH else f"{words[:ERROR_LENGTH]} ..."


def _say(key: str, farm: Farm, **values: Any) -> str:
    return TEXTS[key][farm.language].format(**values)
