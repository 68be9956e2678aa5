"""A line an event, as text or as JSON, whoever wrote it."""

import json
import logging

from mushroom_assets.logs import JSON, TEXT, Lines, instant, line
from mushroom_assets.service.log_lines import passed_on

EVENT = {
    "event": "step failed",
    "logger": "dagster.run",
    "level": "error",
    "timestamp": "2026-01-31T23:59:59.500000Z",
    "run_id": "r1",
    "attempt": 2,
    "error": "Boom: a\n\n  at b",
}


def test_an_instant_is_in_utc() -> None:
    assert instant(1_769_903_999.5) == "2026-01-31T23:59:59.500000Z"


def test_a_text_line_says_when_how_bad_who_what_of_what_and_why_in_one_line() -> None:
    assert line(TEXT, EVENT) == (
        "2026-01-31T23:59:59.500000Z ERROR dagster.run: step failed [run_id=r1 attempt=2]"
        " | Boom: a | at b"
    )


def test_a_json_line_has_every_field() -> None:
    assert json.loads(line(JSON, {**EVENT, "room": "鹿茸菇"})) == {**EVENT, "room": "鹿茸菇"}
    assert "\n" not in line(JSON, EVENT)


def test_a_record_is_a_line_with_what_it_is_of_and_its_traceback() -> None:
    try:
        raise ValueError("too\nlong")
    except ValueError as error:
        caught = (type(error), error, error.__traceback__)
    record = logging.LogRecord("m", logging.WARNING, "", 0, "took %d s", (5,), caught)
    record.told = {"asset": "daily_env_stats"}
    told = json.loads(Lines(JSON).format(record))
    assert told["event"] == "took 5 s"
    assert (told["logger"], told["level"], told["asset"]) == ("m", "warning", "daily_env_stats")
    assert told["error"].endswith("ValueError: too\nlong")
    text = Lines(TEXT).format(record)
    assert "\n" not in text
    assert text.endswith("| ValueError: too | long")


def test_a_line_of_dagsters_programs_takes_the_form_that_is_asked_for() -> None:
    given = {name: EVENT[name] for name in ("event", "logger", "level", "timestamp")}
    written = json.dumps({**given, "exc_info": ["<class 'E'>", "E('why')", "<traceback>"]})
    assert passed_on(JSON, written) == written
    assert passed_on(TEXT, written) == (
        "2026-01-31T23:59:59.500000Z ERROR dagster.run: step failed | E('why')"
    )


def test_what_somebody_prints_is_an_event_too() -> None:
    for printed in ("plain", '"a string"', "[1]", '{"other": 1}'):
        assert passed_on(TEXT, printed) == printed
        told = json.loads(passed_on(JSON, printed))
        assert (told["event"], told["level"]) == (printed, "info")
