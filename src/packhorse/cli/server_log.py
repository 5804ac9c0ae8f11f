"""The server's log on stderr: a line for each request and event, as text or as JSON, with the request's id."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

import click

from packhorse.base.printable import printable
from packhorse.registry.request_log import request_id

__all__ = ["JsonFormatter", "TextFormatter", "show_server_log"]


class TextFormatter(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; what an exception adds follows on lines of its own."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        known = request_id.get()
        about = f" [{known}]" if known else ""
        more = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{time} {record.levelname}{about} {_one_line(record.getMessage())}{more}"


class JsonFormatter(logging.Formatter):
    """One JSON object in one line; keys as in the JSON outputs of the verbs."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, with the parts of what it tells of as keys of their own."""
        written: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if known := request_id.get():
            written["requestId"] = known
        event = getattr(record, "event", None)
        if isinstance(event, dict):
            written |= {key: value for key, value in event.items() if key not in written}
        if record.exc_info:
            written["exception"] = self.formatException(record.exc_info)
        return json.dumps(written, default=str)


class _OnStderr(logging.Handler):
    """Prints each record to what is stderr at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(printable(self.format(record)), err=True)


def show_server_log(form: Literal["text", "json"], *, verbose: bool) -> None:
    """Print what the modules of Packhorse log, in this form; it takes the place of what ``--verbose`` prints."""
    logger = logging.getLogger("packhorse")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = _OnStderr()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")
