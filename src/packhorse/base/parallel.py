"""Work on many items in a bounded pool of threads: single failures are gathered, an interruption stops all at once."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from packhorse.base.errors import PackhorseError

__all__ = ["Crew", "InterruptedWorkError"]

_Item = TypeVar("_Item")


class InterruptedWorkError(Exception):
    """The run is being stopped; raised in worker threads by :meth:`Crew.check`, and seen by nobody else."""


class Crew:
    """A bounded number of threads.

    Args:
        workers: How many items are worked on at a time.
        name: What the threads are called, for whoever looks at a stack dump.
    """

    def __init__(self, workers: int, name: str) -> None:
        self._workers = max(1, workers)
        self._name = name
        self._stopping = threading.Event()

    def each(self, items: Iterable[_Item], work: Callable[[_Item], None]) -> list[tuple[_Item, PackhorseError]]:
        """Call ``work`` for every item, in the order given as threads become free.

        Returns:
            The items that failed with their errors, in the order of ``items``. An exception that is no
            :class:`PackhorseError`, an interrupt from the keyboard among them, stops the others and is raised.
        """
        failures: list[tuple[_Item, PackhorseError]] = []
        with ThreadPoolExecutor(self._workers, thread_name_prefix=self._name) as pool:
            futures = [(item, pool.submit(work, item)) for item in items]
            try:
                for item, future in futures:
                    try:
                        future.result()
                    except PackhorseError as error:
                        failures.append((item, error))
            except BaseException:
                self._stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return failures

    def check(self) -> None:
        """Leave off when the run is being stopped; long work calls it between two pieces.

        Raises:
            InterruptedWorkError: The run is being stopped.
        """
        if self._stopping.is_set():
            raise InterruptedWorkError
