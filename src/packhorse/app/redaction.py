"""Keeping sensitive values out of what people read: of errors and of progress.

An API server repeats the value that it refuses, Helm prints the line that it could not read, and a program may log its
own password: none of that may reach a terminal or a log.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from packhorse.base.errors import PackhorseError
from packhorse.base.events import Reporter

__all__ = ["RedactingReporter", "redacted_errors"]

Redact = Callable[[str], str]


@contextmanager
def redacted_errors(redact: Redact) -> Iterator[None]:
    """Take everything sensitive out of the errors that leave the block, and of all that they list."""
    try:
        yield
    except PackhorseError as error:
        _redact(error, redact)
        raise


def _redact(error: PackhorseError, redact: Redact) -> None:
    # What an error came from is printed too, with --traceback; causes and failures may be the same objects.
    found: dict[int, PackhorseError] = {}
    rest: list[BaseException | None] = [error]
    while rest:
        each = rest.pop()
        if not isinstance(each, PackhorseError) or id(each) in found:
            continue
        found[id(each)] = each
        rest += (*each.failures, each.__cause__, each.__context__)
    for each in found.values():
        each.message = redact(each.message)
        each.args = (each.message,)
        each.hint = redact(each.hint) if each.hint is not None else None


class RedactingReporter:
    """Passes events on with everything sensitive taken out; see :class:`packhorse.base.events.Reporter`."""

    def __init__(self, reporter: Reporter, redact: Redact) -> None:
        self._reporter = reporter
        self._redact = redact

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        """Pass it on."""
        self._reporter.phase(title, items=items, total_bytes=total_bytes)

    def started(self, key: str, title: str, *, total_bytes: int | None = None) -> None:
        """Pass it on."""
        self._reporter.started(key, self._redact(title), total_bytes=total_bytes)

    def advanced(self, key: str, delta_bytes: int) -> None:
        """Pass it on."""
        self._reporter.advanced(key, delta_bytes)

    def finished(self, key: str) -> None:
        """Pass it on."""
        self._reporter.finished(key)

    def skipped(self, key: str, title: str, reason: str) -> None:
        """Pass it on."""
        self._reporter.skipped(key, self._redact(title), self._redact(reason))

    def failed(self, key: str, message: str) -> None:
        """Pass it on."""
        self._reporter.failed(key, self._redact(message))

    def note(self, message: str) -> None:
        """Pass it on."""
        self._reporter.note(self._redact(message))
