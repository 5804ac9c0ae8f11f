"""Progress, as the core tells it: typed events to a :class:`Reporter`, which the edges draw.

A *task* is one thing a person would name (a blob, an image, an object that becomes ready). Its ``key`` is unique in
a run; ``started`` is called once, ``advanced`` any number of times, then exactly one of ``finished``, ``skipped`` or
``failed``. Calls come from any thread, and must return fast.
"""

from typing import Protocol

__all__ = ["NullReporter", "Reporter"]


class Reporter(Protocol):
    """Where progress goes. Implementations are thread-safe and never raise."""

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        """Begin a part of the run (``Fetching``, ``Hashing``) with its known amount of work."""

    def started(self, key: str, title: str, *, total_bytes: int | None = None) -> None:
        """Work on one task begins."""

    def advanced(self, key: str, delta_bytes: int) -> None:
        """``delta_bytes`` more of a task are done; negative when a retry starts over."""

    def finished(self, key: str) -> None:
        """A task is done."""

    def skipped(self, key: str, title: str, reason: str) -> None:
        """A task needed no work, or was left out, and why."""

    def failed(self, key: str, message: str) -> None:
        """A task failed; the error itself is raised or gathered by the caller."""

    def note(self, message: str) -> None:
        """Tell the person one thing that is worth a line: a warning, a wait and what it waits for."""


class NullReporter:
    """A reporter that tells nobody."""

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        """Do nothing."""

    def started(self, key: str, title: str, *, total_bytes: int | None = None) -> None:
        """Do nothing."""

    def advanced(self, key: str, delta_bytes: int) -> None:
        """Do nothing."""

    def finished(self, key: str) -> None:
        """Do nothing."""

    def skipped(self, key: str, title: str, reason: str) -> None:
        """Do nothing."""

    def failed(self, key: str, message: str) -> None:
        """Do nothing."""

    def note(self, message: str) -> None:
        """Do nothing."""
