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


def main() -> None:
    """Pass lines on until the end of stdin. A disk that is full costs the file's lines alone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends after those whose lines it passes on
    form, *file = sys.argv[1:]
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if file:
        midnight = {"when": "midnight", "backupCount": KEPT_DAYS, "utc": True}
        handlers.append(TimedRotatingFileHandler(file[0], encoding="utf-8", delay=True, **midnight))  # type: ignore[arg-type]
    for text in sys.stdin:
        written = text.rstrip("\n")
        record = logging.makeLogRecord({"msg": passed_on(form, written) if written else ""})
        for handler in handlers:
            handler.handle(record)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    main()
