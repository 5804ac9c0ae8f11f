"""Progress on stderr: which reporter suits the terminal, and the two that write lines."""

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO

from packhorse.base.events import NullReporter, Reporter
from packhorse.base.printable import printable
from packhorse.base.units import format_bytes
from packhorse.cli.console import Console
from packhorse.cli.progress_state import ProgressState, describe

__all__ = ["JsonReporter", "PlainReporter", "open_reporter"]

_SECONDS_BETWEEN_LINES = 1.0
_SCHEMA_VERSION = 1


@contextmanager
def open_reporter(console: Console) -> Iterator[Reporter]:
    """Give the reporter that ``--progress``, ``--quiet`` and the terminal ask for, and end it with the block."""
    if console.quiet or console.progress == "none":
        yield NullReporter()
    elif console.progress == "json":
        yield JsonReporter(sys.stderr)
    elif console.progress == "auto" and console.draws_on(sys.stderr):
        # rich costs as much as all the rest of a start: it is loaded when something is drawn.
        live = importlib.import_module("packhorse.cli.rich_reporter")
        drawing: AbstractContextManager[Reporter] = live.RichReporter(no_color=console.no_color)
        with drawing as reporter:
            yield reporter
    else:
        yield PlainReporter(sys.stderr, verbose=console.verbose)


class PlainReporter:
    """Writes one line per second at most, for a log, and at once what failed or is worth a note.

    Args:
        stream: Where to; when it is gone, progress is dropped and the run goes on.
        verbose: Whether each skipped task has a line too.
        clock: Seconds that never go back.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._state = ProgressState(clock)
        self._lock = threading.Lock()
        self._last_line = clock()

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        """Write the title with the amount of work."""
        self._state.phase(title, items, total_bytes)
        amounts = [f"{items:,}"] if items is not None else []
        amounts += [format_bytes(total_bytes)] if total_bytes is not None else []
        self._write(f"{title}: {', '.join(amounts)}" if amounts else title)

    def started(self, key: str, title: str, *, total_bytes: int | None = None) -> None:
        """Count it."""
        self._state.started(key, title, total_bytes)
        self._tick()

    def advanced(self, key: str, delta_bytes: int) -> None:
        """Count it."""
        self._state.advanced(key, delta_bytes)
        self._tick()

    def finished(self, key: str) -> None:
        """Count it."""
        self._state.ended(key)
        self._tick()

    def skipped(self, key: str, title: str, reason: str) -> None:
        """Count it; with ``--verbose`` say why."""
        self._state.ended(key)
        if self._verbose:
            self._write(f"  skipped {title}: {reason}")
        self._tick()

    def failed(self, key: str, message: str) -> None:
        """Say at once what failed."""
        self._state.ended(key, failed=True)
        self._write(f"  failed {message}")

    def note(self, message: str) -> None:
        """Say it at once."""
        self._write(message)

    def _tick(self) -> None:
        with self._lock:
            now = self._clock()
            if now - self._last_line < _SECONDS_BETWEEN_LINES:
                return
            self._last_line = now
        view = self._state.view()
        if view is not None:
            self._write(f"  {describe(view)}")

    def _write(self, line: str) -> None:
        with self._lock:
            _write_line(self._stream, printable(line).replace("\n", "\n    "))


class JsonReporter:
    """Writes each event as a JSON line, and at most once a second how far the phase is.

    Every line has ``event``; the first is ``{"event": "begin", "schemaVersion": 1}``.

    Args:
        stream: Where to; when it is gone, progress is dropped and the run goes on.
        clock: Seconds that never go back.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._state = ProgressState(clock)
        self._lock = threading.Lock()
        self._last_line = clock()
        self._write("begin", schemaVersion=_SCHEMA_VERSION)

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        """Write ``phase``."""
        self._state.phase(title, items, total_bytes)
        self._write("phase", title=title, items=items, totalBytes=total_bytes)

    def started(self, key: str, title: str, *, total_bytes: int | None = None) -> None:
        """Write ``started``."""
        self._state.started(key, title, total_bytes)
        self._write("started", key=key, title=title, totalBytes=total_bytes)

    def advanced(self, key: str, delta_bytes: int) -> None:
        """Write ``progress`` for the whole phase, once a second."""
        self._state.advanced(key, delta_bytes)
        with self._lock:
            now = self._clock()
            if now - self._last_line < _SECONDS_BETWEEN_LINES:
                return
            self._last_line = now
        view = self._state.view()
        if view is not None:
            self._write(
                "progress",
                title=view.title,
                items=view.items,
                doneItems=view.done_items,
                failedItems=view.failed_items,
                totalBytes=view.total_bytes,
                doneBytes=view.done_bytes,
                seconds=round(view.seconds, 3),
            )

    def finished(self, key: str) -> None:
        """Write ``finished``."""
        self._state.ended(key)
        self._write("finished", key=key)

    def skipped(self, key: str, title: str, reason: str) -> None:
        """Write ``skipped``."""
        self._state.ended(key)
        self._write("skipped", key=key, title=title, reason=reason)

    def failed(self, key: str, message: str) -> None:
        """Write ``failed``."""
        self._state.ended(key, failed=True)
        self._write("failed", key=key, message=message)

    def note(self, message: str) -> None:
        """Write ``note``."""
        self._write("note", message=message)

    def _write(self, event: str, **values: Any) -> None:
        present = {name: value for name, value in values.items() if value is not None}
        with self._lock:
            _write_line(self._stream, json.dumps({"event": event, **present}, ensure_ascii=False))


def _write_line(stream: TextIO, line: str) -> None:
    try:
        stream.write(line + "\n")
        stream.flush()
    except (OSError, ValueError):
        # Nobody reads it any more; the work matters, not the telling.
        return
