"""Live progress on a terminal: a line for the run and one for each task, never more than the terminal has."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from packhorse.base.printable import printable
from packhorse.base.units import format_bytes
from packhorse.cli.progress_state import PhaseView, ProgressState, TaskView, describe

__all__ = ["RichReporter"]

_FRAMES_PER_SECOND = 8
_LINES_KEPT_FREE = 4
_LONGEST_TITLE = 70


class RichReporter:
    """Draws on stderr from :meth:`__enter__` to :meth:`__exit__`, then leaves nothing but failures and notes.

    Args:
        no_color: Whether to do without colour.
        console: Where to draw, for tests; a console on stderr where it is left out.
    """

    def __init__(self, *, no_color: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, no_color=no_color, highlight=False)
        self._state = ProgressState(time.monotonic)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=_FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe what was drawn."""
        self._live.stop()

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        """Draw another phase from now on."""
        self._state.phase(title, items, total_bytes)

    def started(self, key: str, title: str, *, total_bytes: int | None = None) -> None:
        """Draw a line for the task."""
        self._state.started(key, title, total_bytes)

    def advanced(self, key: str, delta_bytes: int) -> None:
        """Count it."""
        self._state.advanced(key, delta_bytes)

    def finished(self, key: str) -> None:
        """Take the task's line away."""
        self._state.ended(key)

    def skipped(self, key: str, title: str, reason: str) -> None:  # noqa: ARG002 - a live view has no room for it
        """Count it."""
        self._state.ended(key)

    def failed(self, key: str, message: str) -> None:
        """Print what failed above the live lines."""
        self._state.ended(key, failed=True)
        self._live.console.print(Text(printable(f"failed {message}"), style="red"))

    def note(self, message: str) -> None:
        """Print it above the live lines."""
        self._live.console.print(Text(printable(message)))

    def _draw(self) -> Group:
        view = self._state.view()
        if view is None:
            return Group()
        room = max(0, self._console.height - _LINES_KEPT_FREE)
        shown = view.tasks[:room]
        lines = [_head(view), *map(_task_line, shown)]
        hidden = len(view.tasks) - len(shown)
        if hidden:
            lines.append(Text(f"  and {hidden:,} more"))
        return Group(*lines)


def _head(view: PhaseView) -> Text:
    return Text.assemble((view.title, "bold"), f"   {describe(view)}", no_wrap=True, overflow="ellipsis")


def _task_line(task: TaskView) -> Text:
    title = task.title if len(task.title) <= _LONGEST_TITLE else f"{task.title[: _LONGEST_TITLE - 1]}…"
    line = Text(f"  ▸ {title}", no_wrap=True, overflow="ellipsis")
    if task.total_bytes is not None:
        line.append(f"   {format_bytes(max(0, task.done_bytes))} of {format_bytes(task.total_bytes)}", style="cyan")
    elif task.done_bytes > 0:
        line.append(f"   {format_bytes(task.done_bytes)}", style="cyan")
    return line
