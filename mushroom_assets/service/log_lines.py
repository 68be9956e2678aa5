"""A process that passes on the lines of others: all in one form, to stdout and into a file.

    python -m mushroom_assets.service.log_lines FORM [FILE] < lines

It ends when nobody can write to it any more. Standard library alone, so that it starts in no time
and goes on when the rest does not; who starts it lives in `log_pipe`.
"""

import json
import logging
import signal
import sys
import time
from logging.handlers import TimedRotatingFileHandler
from typing import Any

from mushroom_assets.logs import JSON, instant, line

KEPT_DAYS = 30


def passed_on(form: str, written: str) -> str:
    """A line of a program in the form that is asked for.

    A line of JSON with an `event` is one of Dagster's or ours; any other is somebody's print.
    """
    try:
        fields: Any = json.loads(written)
    except ValueError:
        fields = None
    if isinstance(fields, dict) and "event" in fields:
        return written if form == JSON else line(form, fields)
    if form != JSON:
        return written
    stray = {"event": written, "logger": "stdout", "level": "info"}
    return line(form, {**stray, "timestamp": instant(time.time())})


class File(TimedRotatingFileHandler):
    """A file a day. A disk that is full costs its lines alone, and is told once."""

    def __init__(self, path: str, form: str) -> None:
        super().__init__(
            path, when="midnight", backupCount=KEPT_DAYS, utc=True, encoding="utf-8", delay=True
        )
        self._form = form
        self._error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        before = self._error
        self._error = None
        super().emit(record)
        if self._error is not None and before is None:
            self._tell(self._error)

    def handleError(self, record: logging.LogRecord) -> None:
        """Note that the line was not written."""
        self._error = sys.exc_info()[1]

    def _tell(self, error: BaseException) -> None:
        event = f"{self.baseFilename} cannot be written: lines are on stdout alone. "
        event += "Remedy: make room on the disk of MUSHROOM_LOG_DIR"
        told = {"event": event, "logger": __name__, "level": "error", "error": f"{error}"}
        sys.stdout.write(line(self._form, {**told, "timestamp": instant(time.time())}) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Pass lines on until the end of stdin."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends after those whose lines it passes on
    form, *file = sys.argv[1:]
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if file:
        handlers.append(File(file[0], form))
    for text in sys.stdin:
        written = text.rstrip("\n")
        record = logging.makeLogRecord({"msg": passed_on(form, written) if written else ""})
        for handler in handlers:
            handler.handle(record)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    main()
