"""The lines that a run writes to stdout: which run, job, asset, partition and attempt each is of.

Dagster's own logger of runs, in colours and over several lines, cannot be replaced by a setting.
What it writes into the run's record is not touched.
"""

import copy
import logging
import sys
from typing import Any, TextIO

import dagster as dg

from mushroom_assets.instance.outstanding import RANGE_END, RANGE_START
from mushroom_assets.logs import Lines

PARTITION = "dagster/partition"
RETRY = "dagster/retry_number"
CONFIG = {"log_level": dg.Field(str, is_required=False, default_value="INFO")}
# Dagster has these at DEBUG, among ten others a step
TOLD = {"RUN_START", "RUN_SUCCESS", "STEP_START", "STEP_SUCCESS", "STEP_UP_FOR_RETRY"}


class RunLines(logging.StreamHandler[TextIO]):
    """Writes what matters of a run's events, with what each is of."""

    def __init__(self, form: str, level: int) -> None:
        super().__init__(sys.stdout)
        self.setFormatter(Lines(form))
        self._least = level
        self._retried: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or none."""
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        kind = "" if event is None else event.event_type.name
        if record.levelno < self._least and kind not in TOLD:
            return
        line = copy.copy(record)  # others have the record too
        line.levelname = logging.getLevelName(max(record.levelno, logging.INFO))
        line.msg = meta.get("orig_message") or record.getMessage()
        line.args = ()
        line.told = self._told(meta, event)
        super().emit(line)
        if kind == "STEP_UP_FOR_RETRY":
            step = f"{meta['step_key']}"
            self._retried[step] = self._retried.get(step, 0) + 1

    def _told(self, meta: dict[str, Any], event: dg.DagsterEvent | None) -> dict[str, object]:
        tags = meta.get("job_tags") or {}
        step = meta.get("step_key")
        told = {
            "run_id": meta.get("run_id"),
            "job": meta.get("job_name"),
            "asset": step and step.removesuffix("_checks"),
            "partition": tags.get(PARTITION) or _range(tags),
            # Of the run, and of the step within it
            "attempt": 1 + int(tags.get(RETRY, 0)) + self._retried.get(f"{step}", 0),
            "error": None if event is None else _error(event),
        }
        return {name: value for name, value in told.items() if value is not None}


def _range(tags: dict[str, str]) -> str | None:
    if RANGE_START not in tags:
        return None
    return f"{tags[RANGE_START]}...{tags[RANGE_END]}"


def _error(event: dg.DagsterEvent) -> str | None:
    error = getattr(event.event_specific_data, "error", None)
    return None if error is None else error.to_string()


def run_logger(form: str) -> dg.LoggerDefinition:
    """A logger of runs that writes lines of a form, `text` or `json`, to stdout."""

    @dg.logger(config_schema=CONFIG, description="One line an event on stdout")
    def console(context: dg.InitLoggerContext) -> logging.Logger:
        level = logging.getLevelNamesMapping()[context.logger_config["log_level"]]
        logger = logging.Logger("dagster.run", logging.DEBUG)  # noqa: LOG001 - of this run alone
        logger.addHandler(RunLines(form, level))
        return logger

    return console


def install(logger: dg.LoggerDefinition) -> None:
    """Let it be the logger of every run that is not configured to have another one."""
    from dagster._core.execution import context_creation_job

    def default_system_loggers(_: object) -> list[tuple[dg.LoggerDefinition, dict[str, object]]]:
        return [(logger, {"log_level": "INFO"})]

    if hasattr(context_creation_job, "default_system_loggers"):  # else Dagster's lines stay
        context_creation_job.default_system_loggers = default_system_loggers
