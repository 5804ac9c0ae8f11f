"""Small content sources that a bundle is made from: bytes in memory, files of a folder, a choice of sources."""

import os
from collections.abc import Mapping
from pathlib import Path

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource
from packhorse.store.extents import ExtentStream, FileExtent, OpenFile

__all__ = ["BytesSource", "FileSource", "RoutedSource"]


class BytesSource:
    """Blobs held in memory."""

    def __init__(self, content: Mapping[Digest, bytes]) -> None:
        self._content = content

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read a blob."""
        try:
            return BytesStream(self._content[descriptor.digest], offset)
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
            file = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC), str(path))
        except OSError as error:
            message = f"{path} is in the lock, but can't be read: {error.strerror}"
            raise ConfigError(message, hint="bring the file back, or run packhorse lock again") from error
        found = os.fstat(file.fd).st_size
        if found != descriptor.size:
            message = f"{path} has changed since it was locked: expected {descriptor.size} bytes, found {found}"
            raise ConfigError(message, hint="packhorse lock")
        return ExtentStream(FileExtent(file, 0, found), offset)


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


def _absent(descriptor: Descriptor) -> IntegrityError:
    return IntegrityError(f"{descriptor.digest} ({descriptor.media_type}, {descriptor.size} bytes) is not here")
