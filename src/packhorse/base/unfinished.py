"""Files that are written beside their place until they are whole.

Each writer holds a lock on its file, which the kernel lets go of when the process ends, however it ends. So what a
killed writer has left is told from what somebody is writing, and its room is free again with the next one.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from packhorse.base.file_lock import try_lock

__all__ = [
    "discard",
    "forget_unfinished",
    "new_file",
    "remove_abandoned",
    "sync_file",
    "sync_folder",
    "unfinished_file",
]

_ABANDONED_AFTER_SECONDS: Final = 24 * 3600.0
"""Where the file system has no locks: so long nobody writes to a file without touching it."""


@contextmanager
def unfinished_file(folder: Path, prefix: str = "", mode: int = 0o644) -> Iterator[tuple[Path, int]]:
    """Give a new file to write, with its open descriptor; at the end it is gone, unless it was renamed.

    Args:
        folder: Where it is made.
        prefix: What its name begins with; the rest is drawn.
        mode: Its permissions, less the umask.

    Raises:
        OSError: It can't be made.
    """
    path, fd = _begin(folder, prefix, mode)
    try:
        yield path, fd
    finally:
        discard(path, fd)


def discard(path: Path, fd: int) -> None:
    """Remove a file, unless it was renamed, and let go of its lock."""
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(fd)


@contextmanager
def new_file(path: Path, mode: int) -> Iterator[BinaryIO]:
    """Give a new file to write, which gets its name and mode, whole and synced, when nothing was raised.

    What killed writers of the same name have left is removed first.

    Raises:
        OSError: It can't be written.
    """
    prefix = _prefix(path)
    remove_abandoned(path.parent, prefix)
    # Until it is whole it may hold what only its owner may read.
    with unfinished_file(path.parent, prefix, 0o600) as (temporary, fd):
        with open(fd, "wb", closefd=False) as file:
            yield file
        os.fchmod(fd, mode)
        os.fsync(fd)
        temporary.replace(path)
        _sync_name(path)


def forget_unfinished(path: Path) -> None:
    """Remove what killed writers of a file have left, where it needs no writing."""
    remove_abandoned(path.parent, _prefix(path))


def sync_file(path: Path) -> None:
    """Make a file and its name last when the power fails: whoever wrote it may have been killed before that.

    Raises:
        OSError: The disk did not take it.
    """
    _sync(path, os.O_RDONLY)
    _sync_name(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last when the power fails.

    Raises:
        OSError: The disk did not take it.
    """
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def remove_abandoned(folder: Path, prefix: str = "") -> None:
    """Remove what writers that are no more have left; what can't be removed now may be the next time."""
    with suppress(PermissionError):
        for path in folder.iterdir():
            if path.name.startswith(prefix):
                with suppress(OSError):
                    _remove_if_abandoned(path)


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_name(path: Path) -> None:
    # A folder that may be written but not read cannot be synced.
    with suppress(PermissionError):
        sync_folder(path.parent)


def _prefix(path: Path) -> str:
    return f".{path.name}."


def _begin(folder: Path, prefix: str, mode: int) -> tuple[Path, int]:
    while True:
        path = folder / f"{prefix}{secrets.token_hex(16)}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            is_ours = try_lock(fd) is not False and os.fstat(fd).st_nlink
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
        locked = try_lock(fd)
        if locked or (locked is None and os.fstat(fd).st_mtime < time.time() - _ABANDONED_AFTER_SECONDS):
            path.unlink()
    finally:
        os.close(fd)
