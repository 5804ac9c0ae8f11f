"""The server's log on stderr, as text and as JSON."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from packhorse.cli.server_log import JsonFormatter, TextFormatter, show_server_log
from packhorse.registry.request_log import request_id


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    logger = logging.getLogger("packhorse")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    token = request_id.set("id-1")
    yield
    request_id.reset(token)
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("packhorse.registry.access", logging.INFO, "", 0, message, (), None)
    made.created = 1_800_000_000.25
    made.__dict__.update(extra)
    return made


def test_json_has_the_parts_of_an_event_as_keys() -> None:
    line = JsonFormatter().format(record("pulled", event={"status": 200, "message": "mine", "requestId": "theirs"}))
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250+00:00",
        "level": "info",
        "logger": "packhorse.registry.access",
        "message": "pulled",
        "requestId": "id-1",
        "status": 200,
    }


def test_json_is_one_line_whatever_it_tells() -> None:
    try:
        int("first\nsecond")
    except ValueError:
        made = record("two\nlines \N{RIGHT-TO-LEFT OVERRIDE}")
        made.exc_info = sys.exc_info()
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert line.isascii()
    assert "\nValueError: " in json.loads(line)["exception"]


def test_text_is_a_line_with_the_id() -> None:
    assert TextFormatter().format(record("two\nlines")) == "2027-01-15T08:00:00.250+00:00 INFO [id-1] two lines"


@pytest.mark.parametrize(("verbose", "shown"), [(False, ["info"]), (True, ["debug", "info"])])
def test_it_is_printed_once_and_takes_the_place_of_what_was_there(
    capsys: pytest.CaptureFixture[str], *, verbose: bool, shown: list[str]
) -> None:
    show_server_log("text", verbose=verbose)
    show_server_log("json", verbose=verbose)
    logging.getLogger("packhorse.registry").debug("small")
    logging.getLogger("packhorse.registry").info("large")
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["level"] for line in lines] == shown
