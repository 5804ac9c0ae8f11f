"""The folder of a store in which files are written until they are whole.

Each writer holds a lock on its file, which the kernel lets go of when the process ends, however it ends. So what a
killed writer has left is found out at once, and its room is free again with the next one.
"""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["INCOMING", "receiving", "remove_abandoned"]

INCOMING: Final = "incoming"
_ABANDONED_AFTER_SECONDS: Final = 24 * 3600.0
"""Where the file system has no locks: so long nobody writes to a file without touching it."""
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


@contextmanager
def receiving(store: Path) -> Iterator[tuple[Path, int]]:
    """Give a new file to write, with its open descriptor; at the end it is gone, unless it was renamed.

    Raises:
        OSError: It can't be made.
    """
    path, fd = _begin(store / INCOMING)
    try:
        yield path, fd
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:
            os.close(fd)


def remove_abandoned(store: Path) -> None:
    """Remove what writers that are no more have left."""
    for path in (store / INCOMING).iterdir():
        # What can't be removed now may be the next time.
        with suppress(OSError):
            _remove_if_abandoned(path)


def _begin(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / secrets.token_hex(16)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            is_ours = _lock(fd) is not False and os.fstat(fd).st_nlink
        except BaseException:
            os.close(fd)
            raise
        if is_ours:
            return path, fd
        # Somebody took it for abandoned before it was locked.
        os.close(fd)


def _remove_if_abandoned(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        locked = _lock(fd)
        if locked or (locked is None and os.fstat(fd).st_mtime < time.time() - _ABANDONED_AFTER_SECONDS):
            path.unlink()
    finally:
        os.close(fd)


def _lock(fd: int) -> bool | None:
    """Lock an open file; False when somebody else has it locked, None when there are no locks here."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True
