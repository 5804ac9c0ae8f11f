"""An OCI image layout as a content source: in a folder, or inside an uncompressed tar."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from typing import Protocol, Self

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.oci import graph, manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph, carried_by
from packhorse.oci.model import Descriptor
from packhorse.oci.reference import Reference
from packhorse.store.extents import ExtentStream, FileExtent, OpenFile, open_regular
from packhorse.store.layout_index import MAX_INDEX_BYTES, MAX_MARKER_BYTES, LayoutIndex

__all__ = ["FolderFiles", "LayoutFiles", "LayoutSource", "checked_extent"]

_KEPT_OPEN = 128


class LayoutFiles(Protocol):
    """The files of a layout, wherever they lie."""

    def find(self, name: str) -> FileExtent | None:
        """Say where the file ``name`` (such as ``blobs/sha256/…``) lies; None when there is none.

        Raises:
            IntegrityError: It is not a plain file.
        """

    def close(self) -> None:
        """Let go of what is open."""


class FolderFiles:
    """Plain files below a folder; no link is followed below it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._files: OrderedDict[str, FileExtent] = OrderedDict()
        self._folders: dict[str, OpenFile] = {}
        try:
            self._folders[""] = OpenFile(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            message = f"{path} cannot be opened as a folder: {error.strerror}"
            raise ConfigError(message) from error

    def find(self, name: str) -> FileExtent | None:
        """Open a file, and keep it open while it is among the last used."""
        with self._lock:
            if (extent := self._files.get(name)) is not None:
                self._files.move_to_end(name)
                return extent
            folder, _, base = name.rpartition("/")
            if (opened := self._folder(folder)) is None:
                return None
            found = open_regular(base, f"{self._path}/{name}", dir_fd=opened.fd)
            if found is None:
                return None
            extent = FileExtent(found[0], 0, found[1])
            self._files[name] = extent
            if len(self._files) > _KEPT_OPEN:
                self._files.popitem(last=False)
            return extent

    def forget_removed(self) -> None:
        """Forget the files that have no name any more, so that the system frees their room."""
        with self._lock:
            for name, extent in list(self._files.items()):
                if not os.fstat(extent.fd).st_nlink:
                    del self._files[name]

    def close(self) -> None:
        """Forget all files; each is closed when its last extent is gone."""
        with self._lock:
            self._files.clear()
            self._folders.clear()

    def _folder(self, name: str) -> OpenFile | None:
        if (known := self._folders.get(name)) is not None:
            return known
        above, _, base = name.rpartition("/")
        parent = self._folder(above)
        if parent is None:
            return None
        try:
            fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=parent.fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            message = f"{self._path}/{name} cannot be opened as a folder: {error.strerror}"
            raise IntegrityError(message) from error
        self._folders[name] = OpenFile(fd)
        return self._folders[name]


class LayoutSource:
    """Reads an OCI image layout in place.

    Implements ``ContentSource``, ``LocatedSource`` and ``Resolver``. Its images are the entries whose name is a full
    reference. Nothing is verified: whoever reads, hashes.
    """

    def __init__(self, path: str, files: LayoutFiles) -> None:
        """Read ``oci-layout`` and ``index.json``.

        Raises:
            ConfigError: There is no layout.
            IntegrityError: The layout is malformed.
        """
        self.path = path
        self._files = files
        marker = self._read("oci-layout", MAX_MARKER_BYTES)
        self.index = LayoutIndex.parse(marker, self._read("index.json", MAX_INDEX_BYTES), path)

    @classmethod
    def at(cls, path: str) -> Self:
        """Open a layout folder.

        Raises:
            ConfigError: There is no such folder, or it is no layout.
            IntegrityError: The layout is malformed.
        """
        return cls(path, FolderFiles(path))

    def _read(self, name: str, max_bytes: int) -> bytes:
        extent = self._files.find(name)
        if extent is None:
            message = f"{self.path} is not an OCI image layout: it has no {name}"
            raise ConfigError(message)
        return extent.read(max_bytes, f"{self.path}/{name}")

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag, a full name or a digest in ``index.json`` stands for.

        Raises:
            RegistryError: There is none, or it is ambiguous.
        """
        return self.index.resolve(target)

    def locate(self, descriptor: Descriptor) -> FileExtent | None:
        """Say where a blob lies; None when the layout does not have it.

        Raises:
            IntegrityError: Its file has another size than the descriptor, or is not a plain file.
        """
        return checked_extent(self._files.find(_blob_name(descriptor.digest)), descriptor, self.path)

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> ExtentStream:
        """Begin to read a blob from ``offset`` bytes on.

        Raises:
            IntegrityError: The layout does not have it, or with another size.
        """
        extent = self.locate(descriptor)
        if extent is None:
            message = f"{self.path} has no blob {descriptor.digest}"
            raise IntegrityError(message)
        return ExtentStream(extent, offset)

    def images(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Yield the images whose name is a full reference, each index with what is there of it."""
        for reference, entry in self.index.images():
            yield reference, self._with_carried(entry)

    @cached_property
    def graph(self) -> Graph:
        """Everything that is there below the entries of ``index.json``, read and verified once.

        Raises:
            IntegrityError: A manifest is wrong.
        """
        roots = [self._with_carried(entry) for entry in self.index.entries if media_types.is_metadata(entry.media_type)]
        return graph.walk(roots, self._read_manifest)

    def referrers(self) -> Iterator[tuple[Digest, Descriptor, str]]:
        """Yield the subject's digest, the referrer and an empty tag for each manifest here that has a subject."""
        for node in self.graph.nodes:
            if (subject := node.parsed.subject) is not None:
                yield subject.digest, node.descriptor, ""

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()

    def _with_carried(self, entry: Descriptor) -> Descriptor:
        """Say of an index which manifests below it are there: other tools save one platform and keep the index."""
        if not media_types.is_index(entry.media_type) or carried_by(entry) is not None:
            return entry
        present: set[Digest] = set()
        lacking = False
        queue = [(entry, 1)]
        while queue:
            descriptor, depth = queue.pop()
            content = self._read_manifest(descriptor)
            for child in manifest.successors(manifest.parse(content, descriptor.media_type, str(descriptor.digest))):
                if not media_types.is_metadata(child.media_type) or child.digest in present:
                    continue
                if self._files.find(_blob_name(child.digest)) is None:
                    lacking = True
                    continue
                present.add(child.digest)
                if media_types.is_index(child.media_type) and depth < graph.MAX_DEPTH:
                    queue.append((child, depth + 1))
        if not lacking:
            return entry
        carries = " ".join(sorted(present))
        return msgspec.structs.replace(entry, annotations={**entry.annotations, graph.CARRIES: carries})

    def _read_manifest(self, descriptor: Descriptor) -> bytes:
        return graph.read_verified(self, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)


def checked_extent(extent: FileExtent | None, descriptor: Descriptor, where: str) -> FileExtent | None:
    """Return ``extent`` when it is as long as its descriptor says.

    Raises:
        IntegrityError: It is not.
    """
    if extent is not None and extent.length != descriptor.size:
        message = f"{where}: expected {descriptor.size} bytes of {descriptor.digest}, its file has {extent.length}"
        raise IntegrityError(message)
    return extent


def _blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
