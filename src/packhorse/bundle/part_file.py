"""The files of a bundle that is being written: their names, and the right to write them.

Two builds into one file would mix their bytes, and whichever ends first would give the other's half the final name. So
a build claims the name first, with a lock that the kernel lets go of when the process ends, however it ends.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from packhorse.base.errors import PackhorseError, UsageError
from packhorse.base.file_lock import try_lock

__all__ = ["PartFile", "claimed", "make_durable", "sync_error", "write_error"]

_ELSEWHERE: Final = "name another place with --output"


class PartFile(msgspec.Struct, frozen=True):
    """The names of a bundle that is being written."""

    final: Path

    @classmethod
    def behind(cls, output: Path) -> Self:
        """The names for a bundle that goes to ``output``: a link stays, and the bundle goes where it leads.

        Raises:
            UsageError: Links lead in a circle.
        """
        try:
            return cls(output.resolve())
        except (OSError, RuntimeError) as error:
            message = f"can't write the bundle to {output}: {error}"
            raise UsageError(message, hint=_ELSEWHERE) from error

    @property
    def part(self) -> Path:
        """Where the bytes go until all are there."""
        return self.final.with_name(self.final.name + ".part")

    @property
    def journal(self) -> Path:
        """What of it is whole."""
        return self.final.with_name(self.final.name + ".part.journal")

    @property
    def lock(self) -> Path:
        """Who holds a lock on it writes the bundle; it is there only while somebody does, or after a kill."""
        return self.final.with_name(self.final.name + ".part.lock")

    @property
    def set_aside(self) -> "PartFile":
        """Where a part file goes whose places are not those of the bundle any more; its blobs are copied from there."""
        return PartFile(self.final.with_name(self.final.name + ".earlier"))


@contextmanager
def claimed(names: PartFile) -> Iterator[None]:
    """Be the only one who writes a bundle under this name.

    Raises:
        UsageError: Somebody else is writing it, or no bundle can stand there.
    """
    _check_place(names.final)
    fd = _claim(names)
    try:
        yield
    finally:
        # Before the lock is let go, so that nobody can hold one on a name that is gone. Left behind it does no harm.
        with suppress(OSError):
            names.lock.unlink(missing_ok=True)
        os.close(fd)


def make_durable(names: PartFile) -> None:
    """Make a bundle that stands under its name stay there when the power fails, and take away what it was made with.

    Raises:
        PackhorseError: The disk did not take it.
    """
    try:
        for path, flags in ((names.final, os.O_RDONLY), (names.final.parent, os.O_RDONLY | os.O_DIRECTORY)):
            fd = os.open(path, flags | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
    except OSError as error:
        raise sync_error(error, names.final) from error
    try:
        for each in (names, names.set_aside):
            each.part.unlink(missing_ok=True)
            each.journal.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(error, names.final) from error


def sync_error(error: OSError, path: Path) -> PackhorseError:
    """Say that the disk has not taken a bundle for good."""
    message = f"the disk under {path.parent} did not keep {path.name}: {error.strerror}"
    return PackhorseError(message, hint=f"what was written is not believed: look at the disk, or {_ELSEWHERE}")


def write_error(error: OSError, path: Path) -> PackhorseError:
    """Say why a file of the bundle can't be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = f"can't write {path}: the disk is full"
        return UsageError(message, hint="free some space and run it again; what was fetched is kept")
    message = f"can't write {path}: {error.strerror}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENAMETOOLONG):
        return UsageError(message, hint=_ELSEWHERE)
    return PackhorseError(message)


def _check_place(final: Path) -> None:
    if final.exists() and not final.is_file():
        kind = "a folder" if final.is_dir() else "a device, a pipe or a socket"
        message = f"can't write the bundle to {final}: expected a file or nothing there, found {kind}"
        raise UsageError(message, hint=_ELSEWHERE)
    if not final.parent.is_dir():
        message = f"can't write the bundle to {final}: there is no folder {final.parent}"
        raise UsageError(message, hint=f"make the folder, or {_ELSEWHERE}")


def _claim(names: PartFile) -> int:
    while True:
        try:
            fd = os.open(names.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise write_error(error, names.lock) from error
        try:
            _lock(fd, names.final)
        except BaseException:
            os.close(fd)
            raise
        if _is_still(fd, names.lock):
            return fd
        os.close(fd)


def _lock(fd: int, final: Path) -> None:
    try:
        # Where the file system has no locks, a build goes on without one.
        is_taken = try_lock(fd) is False
    except OSError as error:
        raise write_error(error, final) from error
    if is_taken:
        message = f"another build is writing {final}"
        raise UsageError(message, hint=f"wait until it is done, or {_ELSEWHERE}")


def _is_still(fd: int, path: Path) -> bool:
    """Whether a path leads to what is open; not so when its holder removed it while it was being opened."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
