"""What the events of a run add up to: counts, bytes, rate and what is being worked on. All reporters draw from it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from packhorse.base.printable import printable
from packhorse.base.units import format_bytes, format_duration, format_rate

__all__ = ["PhaseView", "ProgressState", "TaskView", "describe"]


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task that is being worked on."""

    title: str
    done_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class PhaseView:
    """The phase that runs, at one instant."""

    title: str
    items: int | None
    done_items: int
    failed_items: int
    total_bytes: int | None
    done_bytes: int
    seconds: float
    tasks: tuple[TaskView, ...]


@dataclass(slots=True)
class _Task:
    title: str
    total_bytes: int | None
    done_bytes: int = 0


@dataclass(slots=True)
class _Phase:
    title: str
    items: int | None
    total_bytes: int | None
    began: float
    done_items: int = 0
    failed_items: int = 0
    done_bytes: int = 0


class ProgressState:
    """Adds up the events of one run. Thread-safe.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._phase: _Phase | None = None
        self._tasks: dict[str, _Task] = {}

    def phase(self, title: str, items: int | None, total_bytes: int | None) -> None:
        """Begin a phase; what was counted before belongs to the one before."""
        with self._lock:
            self._phase = _Phase(title, items, total_bytes, self._clock())
            self._tasks.clear()

    def started(self, key: str, title: str, total_bytes: int | None) -> None:
        """Work on a task begins."""
        with self._lock:
            self._tasks[key] = _Task(printable(title), total_bytes)

    def advanced(self, key: str, delta_bytes: int) -> None:
        """More bytes of a task are done, or fewer when it starts over."""
        with self._lock:
            task = self._tasks.get(key)
            if task is not None:
                task.done_bytes += delta_bytes
            if self._phase is not None:
                self._phase.done_bytes += delta_bytes

    def ended(self, key: str, *, failed: bool = False) -> None:
        """A task is done, skipped or has failed."""
        with self._lock:
            self._tasks.pop(key, None)
            if self._phase is not None:
                self._phase.done_items += not failed
                self._phase.failed_items += failed

    def view(self) -> PhaseView | None:
        """Return the running phase as it is now; ``None`` before the first."""
        with self._lock:
            phase = self._phase
            if phase is None:
                return None
            tasks = tuple(TaskView(task.title, task.done_bytes, task.total_bytes) for task in self._tasks.values())
            seconds = self._clock() - phase.began
            return PhaseView(
                title=phase.title,
                items=phase.items,
                done_items=phase.done_items,
                failed_items=phase.failed_items,
                total_bytes=phase.total_bytes,
                done_bytes=phase.done_bytes,
                seconds=seconds,
                tasks=tasks,
            )


def describe(view: PhaseView) -> str:
    """Say in a line how far a phase is: ``38 of 61   0.9 of 1.42 GiB   412 MB/s   3 s left``."""
    parts = []
    if view.items is not None:
        parts.append(f"{view.done_items:,} of {view.items:,}")
    elif view.done_items:
        parts.append(f"{view.done_items:,} done")
    if view.failed_items:
        parts.append(f"{view.failed_items:,} failed")
    if view.total_bytes is not None:
        parts.append(f"{format_bytes(max(0, view.done_bytes))} of {format_bytes(view.total_bytes)}")
    elif view.done_bytes > 0:
        parts.append(format_bytes(view.done_bytes))
    if view.done_bytes > 0 and view.seconds > 0:
        parts.append(format_rate(view.done_bytes, view.seconds))
    left = _seconds_left(view)
    parts.append(f"{format_duration(left)} left" if left is not None else format_duration(view.seconds))
    return "   ".join(parts)


def _seconds_left(view: PhaseView) -> float | None:
    if view.total_bytes is None or view.done_bytes <= 0 or view.done_bytes > view.total_bytes:
        return None
    return view.seconds * (view.total_bytes - view.done_bytes) / view.done_bytes
