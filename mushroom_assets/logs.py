"""How a line of the log looks: one an event, as text or as JSON, whoever wrote it.

The names of the fields are those of Dagster's own lines. Standard library alone: what passes lines
on must start in no time. Where lines go is the business of `service.log_pipe`.
"""

import datetime as dt
import json
import logging
import sys
from typing import Any, TextIO

TEXT = "text"
JSON = "json"
FORMATS = (TEXT, JSON)
# Each line has these; the others say of which run, asset, partition and attempt it is
HEAD = ("timestamp", "level", "logger", "event")
LOGGER = "mushroom_assets"


class Lines(logging.Formatter):
    """A record as a line. What a record has in `told`, a mapping, comes after the message."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """One line without an end."""
        fields = {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": instant(record.created),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return line(self._form, fields)


def configure(form: str, stream: TextIO | None = None) -> None:
    """Let this process log to stdout, or a stream: warnings of all, and all of our own."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(Lines(form))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(LOGGER).setLevel(logging.INFO)


def instant(seconds: float) -> str:
    """Seconds of the epoch in UTC, as 2026-01-31T23:59:59.123456Z."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def line(form: str, fields: dict[str, Any]) -> str:
    """The fields of an event as a line without an end."""
    if form == JSON:
        return json.dumps(fields, ensure_ascii=False, default=str)
    rest = {name: fields[name] for name in fields if name not in (*HEAD, "error", "exc_info")}
    of = f" [{' '.join(f'{name}={value}' for name, value in rest.items())}]" if rest else ""
    timestamp, level, logger, event = (f"{fields.get(name, '')}" for name in HEAD)
    text = f"{timestamp} {level.upper()} {logger}: {event}{of}{_error(fields)}"
    return " | ".join(part.strip() for part in text.splitlines() if part.strip())


def _error(fields: dict[str, Any]) -> str:
    """What went wrong, after the event; of structlog's triple the error itself."""
    error = fields.get("error") or fields.get("exc_info")
    if isinstance(error, list) and len(error) > 1:
        error = error[1]
    return f"\n{error}" if error else ""
