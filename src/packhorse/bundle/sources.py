"""Small content sources that a bundle is made from: bytes in memory, files of a folder, a run of a file, a choice."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource

__all__ = ["BytesSource", "FileExtent", "FileSource", "FileStream", "RoutedSource"]


@dataclass(frozen=True, slots=True)
class FileExtent:
    """A run of bytes in an open file (see :class:`packhorse.oci.ports.Extent`)."""

    fd: int
    offset: int
    length: int


class FileStream:
    """Reads a run of an open file by ``pread``, so that many threads may read the same file.

    Args:
        extent: The run.
        where: What it is, for messages.
        owned: Whether the file descriptor is closed with the stream.
    """

    def __init__(self, extent: FileExtent, where: str, *, owned: bool = False) -> None:
        self._fd = extent.fd
        self._position = extent.offset
        self._end = extent.offset + extent.length
        self._where = where
        self._owned = owned

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of ``buffer``; 0 at the end of the run or of the file."""
        wanted = min(len(buffer), self._end - self._position)
        if wanted <= 0:
            return 0
        try:
            count = os.preadv(self._fd, [buffer[:wanted]], self._position)
        except OSError as error:
            message = f"{self._where}: the medium gave a read error at byte {self._position:,} of the file: {error}"
            raise IntegrityError(message, hint="copy the file again, or try another reader or medium") from error
        self._position += count
        return count

    def close(self) -> None:
        """Close the file if it belongs to the stream."""
        if self._owned:
            self._owned = False
            os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class BytesSource:
    """Blobs held in memory."""

    def __init__(self, content: Mapping[Digest, bytes]) -> None:
        self._content = content

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read a blob."""
        try:
            return _BytesStream(memoryview(self._content[descriptor.digest])[offset:])
        except KeyError:
            raise _absent(descriptor) from None


class FileSource:
    """Blobs that are files of a folder, by digest."""

    def __init__(self, paths: Mapping[Digest, Path]) -> None:
        self._paths = paths

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Open the file; its size must be that of the descriptor."""
        path = self._paths.get(descriptor.digest)
        if path is None:
            raise _absent(descriptor)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            message = f"{path} is in the lock, but can't be read: {error.strerror}"
            raise ConfigError(message, hint="bring the file back, or run packhorse lock again") from error
        if os.fstat(fd).st_size != descriptor.size:
            found = os.fstat(fd).st_size
            os.close(fd)
            message = f"{path} has changed since it was locked: expected {descriptor.size} bytes, found {found}"
            raise ConfigError(message, hint="packhorse lock")
        return FileStream(FileExtent(fd, offset, descriptor.size - offset), str(path), owned=True)


class RoutedSource:
    """Sends each digest to the source that has it; several sources for one digest are tried in their order."""

    def __init__(self) -> None:
        self._routes: dict[Digest, list[ContentSource]] = {}

    def add(self, digest: Digest, source: ContentSource) -> None:
        """Let ``digest`` be read from ``source``, after those that were named before."""
        sources = self._routes.setdefault(digest, [])
        if source not in sources:
            sources.append(source)

    def sources(self, digest: Digest) -> tuple[ContentSource, ...]:
        """Where a digest can be read."""
        return tuple(self._routes.get(digest, ()))

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Open at the first source."""
        sources = self._routes.get(descriptor.digest)
        if not sources:
            raise _absent(descriptor)
        return sources[0].open(descriptor, offset=offset)


class _BytesStream:
    def __init__(self, content: memoryview) -> None:
        self._rest = content

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._rest = memoryview(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _absent(descriptor: Descriptor) -> IntegrityError:
    return IntegrityError(f"{descriptor.digest} ({descriptor.media_type}, {descriptor.size} bytes) is not here")
