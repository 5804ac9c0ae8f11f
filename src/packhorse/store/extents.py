"""Runs of bytes in open files, and streams that read them without moving the file's position."""

import os
import stat
from typing import Self

from packhorse.base.errors import IntegrityError

__all__ = ["ExtentStream", "FileExtent", "OpenFile", "open_regular", "read_run"]


class OpenFile:
    """A file descriptor that is closed when nobody holds it any more, or when :meth:`close` is called.

    Extents hold their file, so a source may forget files that it has not used for long while a slow reader still has
    one of them.
    """

    __slots__ = ("fd", "name")

    def __init__(self, fd: int, name: str = "the file") -> None:
        self.fd = fd
        self.name = name

    def close(self) -> None:
        """Close the descriptor; doing it twice does nothing the second time."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class FileExtent:
    """A run of bytes in an open file; implements :class:`packhorse.oci.ports.Extent`."""

    __slots__ = ("_file", "length", "offset")

    def __init__(self, file: OpenFile, offset: int, length: int) -> None:
        self._file = file
        self.offset = offset
        self.length = length

    @property
    def fd(self) -> int:
        """The file descriptor, open as long as this extent lives."""
        return self._file.fd

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return self._file.name

    def read(self, max_bytes: int, where: str) -> bytes:
        """Read the whole run.

        Raises:
            IntegrityError: It is longer than ``max_bytes``, or the file ends before it does.
        """
        if self.length > max_bytes:
            message = f"{where} has {self.length} bytes; at most {max_bytes} are read"
            raise IntegrityError(message)
        content = bytearray(self.length)
        with ExtentStream(self) as stream, memoryview(content) as view:
            filled = 0
            while filled < len(content):
                filled += stream.readinto(view[filled:])
        return bytes(content)


class ExtentStream:
    """The bytes of an extent from front to back; implements :class:`packhorse.oci.ports.BlobStream`."""

    __slots__ = ("_extent", "_position")

    def __init__(self, extent: FileExtent, offset: int = 0) -> None:
        self._extent = extent
        self._position = min(offset, extent.length)

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of ``buffer``; 0 at the end of the extent.

        Raises:
            IntegrityError: The medium cannot be read here, or the file ends before the extent does.
        """
        extent = self._extent
        wanted = min(len(buffer), extent.length - self._position)
        if wanted <= 0:
            return 0
        at = extent.offset + self._position
        try:
            count = os.preadv(extent.fd, [buffer[:wanted]], at)
        except OSError as error:
            message = f"{extent.name}: the medium gave a read error at byte {at:,}: {error.strerror}"
            raise IntegrityError(message, hint="copy it again, or try another reader or medium") from error
        if count == 0:
            message = f"{extent.name} ends at byte {at:,}; {wanted:,} more bytes should be there"
            raise IntegrityError(message)
        self._position += count
        return count

    def close(self) -> None:
        """Do nothing: the extent owns the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Do nothing: the extent owns the file."""


def read_run(fd: int, offset: int, size: int) -> bytes:
    """Read a run of a file; it is shorter than ``size`` only where the file ends.

    One call may give less than it was asked for, as on a network file system when a signal comes.

    Raises:
        OSError: The medium cannot be read here.
    """
    content = os.pread(fd, size, offset)
    if len(content) in {0, size}:
        return content
    pieces = [content]
    done = len(content)
    while done < size and (piece := os.pread(fd, size - done, offset + done)):
        pieces.append(piece)
        done += len(piece)
    return b"".join(pieces)


def open_regular(path: str, where: str, *, dir_fd: int | None = None) -> tuple[OpenFile, int] | None:
    """Open a regular file for reading, following no link at its last component.

    Args:
        path: The file; relative to ``dir_fd`` where one is given.
        where: What it is, for messages.
        dir_fd: A directory.

    Returns:
        The file and its size in bytes; None when there is no such file.

    Raises:
        IntegrityError: It is a link, a directory, a device or a pipe, or cannot be read.
    """
    # O_NONBLOCK: opening a pipe that has no writer must not hang; regular files do not know the flag.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        file = OpenFile(os.open(path, flags, dir_fd=dir_fd), where)
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{where} cannot be opened as a plain file: {error.strerror}"
        raise IntegrityError(message) from error
    status = os.fstat(file.fd)
    if not stat.S_ISREG(status.st_mode):
        file.close()
        message = f"{where} is not a plain file"
        raise IntegrityError(message)
    return file, status.st_size
