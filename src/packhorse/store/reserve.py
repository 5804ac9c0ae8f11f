"""A little room that is set aside, so that on a full disk there is enough to delete something.

Who deletes from a database writes to its log first. So a file of some size stands in the store; it is given up while
garbage is collected, and comes back after it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from packhorse.base.units import MIB

__all__ = ["RESERVE", "RESERVE_BYTES", "Reserve"]

RESERVE: Final = "room.reserve"
"""Its name in the folder of a store."""

RESERVE_BYTES: Final = 4 * MIB
_SHARE: Final = 64
"""Of a small disk no more than one part in so many."""


def _allocate(fd: int, count: int) -> bool:
    try:
        os.posix_fallocate(fd, 0, count)
    except OSError:
        return False
    return True


class Reserve:
    """The room that one store sets aside."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ensure(self) -> None:
        """Set the room aside; where there is none, later."""
        with suppress(OSError):
            disk = os.statvfs(self._path.parent)
            wanted = min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // _SHARE)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                # As much as there is, where there is not all of it.
                while wanted and not _allocate(fd, wanted):
                    wanted //= 2
            finally:
                os.close(fd)

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Give the room up as long as the context lasts; does nothing where none was set aside."""
        try:
            self._path.unlink()
        except OSError:
            yield
            return
        try:
            yield
        finally:
            self.ensure()
