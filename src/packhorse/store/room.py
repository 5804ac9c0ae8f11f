"""How much room a store may take, and how much it leaves on its disk."""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packhorse.base.units import format_bytes
from packhorse.store.refusals import RoomError
from packhorse.store.store_folder import file_sizes

__all__ = ["Room", "RoomLimits", "used_bytes"]

_SHARE: Final = 100
"""What is taken is measured again no sooner than after so many times as long as that took."""
_LEAST_SECONDS: Final = 10.0
_FOLDERS: Final = ("blobs/sha256", "blobs/sha512", "uploads", "incoming")


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """What pushes must leave alone."""

    max_bytes: int | None = None
    """How much the store may take, uploads that are not finished included."""
    min_free_bytes: int = 0
    """How much must stay free on its disk."""


class Room:
    """Refuses what there is no room for; used by many threads.

    What the store takes is measured now and then, and counted in between, so that what other processes write, and what
    a collection frees, is known soon.
    """

    def __init__(self, path: Path, limits: RoomLimits) -> None:
        self._path = path
        self._limits = limits
        self._lock = threading.Lock()
        self._used = 0
        self._measured = 0.0
        self._took = 0.0

    def take(self, count: int) -> None:
        """Take room for so many bytes that are to be written now.

        Raises:
            RoomError: There is none.
        """
        self.check(count)
        if self._limits.max_bytes is not None:
            with self._lock:
                self._used += count

    def check(self, count: int) -> None:
        """Look whether there is room for so many bytes.

        Raises:
            RoomError: There is none.
        """
        if self._limits.min_free_bytes:
            disk = os.statvfs(self._path)
            free = disk.f_bavail * disk.f_frsize
            if free - count < self._limits.min_free_bytes:
                raise RoomError(
                    f"no room for {format_bytes(count)} more in the store: its disk has {format_bytes(free)} left, of "
                    f"which {format_bytes(self._limits.min_free_bytes)} are kept free",
                    hint=_HINT,
                )
        if self._limits.max_bytes is not None:
            self._check_size(count, self._limits.max_bytes)

    def _check_size(self, count: int, most: int) -> None:
        with self._lock:
            now = time.monotonic()
            age = now - self._measured
            if not self._measured or age > max(_LEAST_SECONDS, _SHARE * self._took):
                self._measure()
            elif self._used + count > most and age > _SHARE * self._took:
                # Before anything is refused: a collection may have freed some.
                self._measure()
            used = self._used
        if used + count > most:
            raise RoomError(
                f"no room for {format_bytes(count)} more in the store: it has {format_bytes(used)} of the "
                f"{format_bytes(most)} that it may take",
                hint=_HINT,
            )

    def _measure(self) -> None:
        begun = time.monotonic()
        self._used = used_bytes(self._path)
        self._measured = time.monotonic()
        self._took = self._measured - begun


_HINT: Final = "free some with: packhorse store gc DIR; see packhorse store inventory DIR"


def used_bytes(path: Path) -> int:
    """Return how many bytes of content a store has on its disk, finished or not."""
    total = 0
    for folder in _FOLDERS:
        with suppress(FileNotFoundError):
            total += sum(size for _, size in file_sizes(path / folder))
    return total
