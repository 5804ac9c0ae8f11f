"""Reading a bundle in place: from the front of the tar to the place of every byte in it.

Nothing is extracted and nothing is trusted. Opening reads only the front (two small files, then every manifest breadth
first); it computes from that where all else must stand, and checks the size of the file. The contents of the blobs are
hashed by whoever reads them; :mod:`packhorse.bundle.verify` does it for all.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from packhorse.base.errors import IntegrityError, UsageError
from packhorse.base.units import MIB, format_bytes
from packhorse.bundle import content
from packhorse.bundle.tar_layout import BLOCK, Entry, Member, TarLayout, header_for, place
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph, Node, read_verified, walk
from packhorse.oci.manifest import check_manifest_size
from packhorse.oci.model import Descriptor, Index, Manifest, canonical_json, decode_json
from packhorse.oci.ports import BlobStream
from packhorse.oci.reference import Reference
from packhorse.package.lock import LockedArtifact, LockedImage
from packhorse.store.extents import ExtentStream, FileExtent, OpenFile, read_run

__all__ = ["MAX_BLOBS", "MAX_CONFIG_BYTES", "MAX_INDEX_FILE_BYTES", "MAX_METADATA_BYTES", "Bundle", "BundledPackage"]

MAX_INDEX_FILE_BYTES: Final = 32 * MIB
MAX_METADATA_BYTES: Final = 64 * MIB
MAX_CONFIG_BYTES: Final = 32 * MIB
MAX_BLOBS: Final = 200_000
_OCTAL_DIGITS: Final = b"01234567"
_SIZE_FIELD: Final = slice(124, 136)
_LOCKED_KINDS: Final[tuple[content.Kind, ...]] = ("image", "artifact", "referrer")


class BundledPackage:
    """One package of a bundle: its definition, its lock, and the entries of its index."""

    def __init__(
        self, descriptor: Descriptor, index: Index, definition: Manifest, config: content.PackageConfig
    ) -> None:
        self.descriptor = descriptor
        self.index = index
        self.definition_manifest = definition
        self.definition = config.definition
        self.lock = config.lock

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.metadata.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.definition.metadata.version

    def entries(self, kind: content.Kind) -> Iterator[Descriptor]:
        """The entries of one kind, as the package's index lists them."""
        return (entry for entry in self.index.manifests if entry.annotations.get(content.KIND) == kind)

    def files(self) -> dict[str, Descriptor]:
        """Every file of the package's folder that is carried, by path."""
        return {layer.annotations[content.TITLE]: layer for layer in self.definition_manifest.layers}


class Bundle:
    """An open bundle: a content source whose blobs lie as they are in one file.

    Use it as a context manager, or :meth:`close` it. All methods may be called from several threads.
    """

    def __init__(self, file: OpenFile, path: Path) -> None:
        self._file = file
        self.path = path
        front = _Front(file.fd, os.fstat(file.fd).st_size, path)
        self.index_content = front.read_index_file()
        self.root = _root(self.index_content, path)
        self.graph: Graph = walk([self.root], front.read_manifest)
        self._nodes: dict[Digest, Node] = {node.descriptor.digest: node for node in self.graph.nodes}
        blobs = content.arrange(self.graph)
        if len(blobs) > MAX_BLOBS:
            message = f"{path} lists {len(blobs):,} blobs; the limit is {MAX_BLOBS:,}"
            raise IntegrityError(message)
        self.blobs = tuple(blobs)
        self.layout = TarLayout(content.file_list(self.index_content, blobs))
        self._check_file_size(front.file_size)
        self.packages = tuple(self._package(descriptor) for descriptor in self._index(self.root).manifests)
        self._check_index_file()

    @classmethod
    def open_file(cls, path: Path) -> Self:
        """Open a bundle that is a file.

        Raises:
            UsageError: There is no such file, or it can't be read.
            IntegrityError: It is not a bundle, or its front is damaged.
        """
        try:
            # O_NONBLOCK: opening a pipe that nobody writes to must not hang; plain files do not know the flag.
            file = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), str(path))
        except OSError as error:
            message = f"can't open {path}: {error.strerror}"
            raise UsageError(message) from error
        try:
            _check_plain(file.fd, path)
            return cls(file, path)
        except BaseException:
            file.close()
            raise

    # --- as a content source -------------------------------------------------------------------------------------

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read a blob at its place in the tar."""
        member = self.member(descriptor.digest)
        if member is None:
            message = f"{descriptor.digest} is not in {self.path}"
            raise IntegrityError(message)
        return ExtentStream(FileExtent(self._file, member.offset, member.size), offset)

    def locate(self, descriptor: Descriptor) -> FileExtent | None:
        """Say where a blob lies in the file."""
        member = self.member(descriptor.digest)
        return None if member is None else FileExtent(self._file, member.offset, member.size)

    def member(self, digest: Digest) -> Member | None:
        """The place of a blob, None when the bundle does not have it."""
        return self.layout.get(content.blob_name(digest))

    def node(self, digest: Digest) -> Node | None:
        """A manifest or index, verified when the bundle was opened."""
        return self._nodes.get(digest)

    # --- what is in it -------------------------------------------------------------------------------------------

    def images(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Every image and artifact: the name a cluster asks for, and its descriptor as the package's index has it."""
        for package in self.packages:
            for entry in (*package.entries("image"), *package.entries("artifact")):
                yield Reference.parse(entry.annotations[content.NAME]), entry

    def referrers(self) -> Iterator[tuple[Digest, Descriptor, str]]:
        """Every referrer: the digest that it is about, itself, and its tag in the older form or an empty text."""
        for package in self.packages:
            for entry in package.entries("referrer"):
                subject = Digest(entry.annotations[content.SUBJECT])
                yield subject, entry, entry.annotations.get(content.TAG, "")

    def charts(self, package: BundledPackage) -> Iterator[tuple[Descriptor, Manifest]]:
        """Every chart of a package: its entry and its manifest, whose first layer is the archive."""
        for entry in package.entries("chart"):
            yield entry, self._manifest(entry)

    def read(self, descriptor: Descriptor, *, max_bytes: int = MAX_CONFIG_BYTES) -> bytes:
        """Read a small blob whole, and verify it."""
        return read_verified(self, descriptor, max_bytes=max_bytes)

    def read_at(self, offset: int, size: int) -> bytes:
        """Read a run of the file, wherever it stands.

        Raises:
            IntegrityError: The medium gave a read error.
        """
        try:
            return read_run(self._file.fd, offset, size)
        except OSError as error:
            message = f"{self.path}: the medium gave a read error at byte {offset:,}: {error}"
            raise IntegrityError(message) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # --- reading the tree ----------------------------------------------------------------------------------------

    def _index(self, descriptor: Descriptor) -> Index:
        node = self._nodes[descriptor.digest].parsed
        if not isinstance(node, Index):
            message = f"{self.path}: expected an index at {descriptor.digest.short}, found a manifest"
            raise IntegrityError(message)
        return node

    def _manifest(self, descriptor: Descriptor) -> Manifest:
        node = self._nodes[descriptor.digest].parsed
        if not isinstance(node, Manifest):
            message = f"{self.path}: expected a manifest at {descriptor.digest.short}, found an index"
            raise IntegrityError(message)
        return node

    def _package(self, descriptor: Descriptor) -> BundledPackage:
        index = self._index(descriptor)
        if index.artifact_type != content.PACKAGE_TYPE:
            message = f"{self.path}: expected a package at {descriptor.digest.short}, found {index.artifact_type!r}"
            raise IntegrityError(message)
        definitions = [entry for entry in index.manifests if entry.annotations.get(content.KIND) == "definition"]
        if len(definitions) != 1:
            message = f"{self.path}: package {descriptor.digest.short} has {len(definitions)} definitions, expected one"
            raise IntegrityError(message)
        manifest = self._manifest(definitions[0])
        where = f"the definition of package {descriptor.digest.short}"
        config = decode_json(self.read(manifest.config), content.PackageConfig, where)
        package = BundledPackage(descriptor, index, manifest, config)
        _check_package(package, self.path)
        return package

    def _check_file_size(self, file_size: int) -> None:
        expected = self.layout.total_bytes
        if file_size < expected:
            first = next((member for member in self.layout if member.end > file_size), None)
            what = f"; the first that is not whole is {first.name}" if first else ""
            message = f"{self.path} is cut off: expected {expected:,} bytes, found {file_size:,}{what}"
            raise IntegrityError(message, hint="copy the file again and compare its size")
        if file_size > expected:
            message = (
                f"{self.path} goes on after its end: expected {expected:,} bytes, found {file_size:,}; "
                "what no manifest lists is refused"
            )
            raise IntegrityError(message)

    def _check_index_file(self) -> None:
        expected = content.index_file(self.root, (package.index for package in self.packages))
        if expected != self.index_content:
            message = f"{self.path}: index.json is not what follows from the root {self.root.digest}"
            raise IntegrityError(message)


class _Front:
    """Reads the front of the tar entry by entry, each of which must be the one that is expected there."""

    def __init__(self, fd: int, file_size: int, path: Path) -> None:
        self._fd = fd
        self._path = path
        self._position = 0
        self._metadata_bytes = 0
        self.file_size = file_size

    def read_index_file(self) -> bytes:
        """Read ``oci-layout``, which has one possible content, and ``index.json``, whose size its header says."""
        layout = self._next(Entry(content.LAYOUT_FILE, len(content.LAYOUT_CONTENT)), self._not_a_bundle)
        if self._content(layout) != content.LAYOUT_CONTENT:
            raise self._not_a_bundle()
        field = self._read_at(self._position, BLOCK)[_SIZE_FIELD].rstrip(b"\0 ")
        if not field or field.strip(_OCTAL_DIGITS) or (size := int(field, 8)) > MAX_INDEX_FILE_BYTES:
            limit = format_bytes(MAX_INDEX_FILE_BYTES)
            message = f"{self._path}: index.json claims no size, or one above {limit}"
            raise IntegrityError(message)
        return self._content(self._next(Entry(content.INDEX_FILE, size), self._not_a_bundle))

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """Read the next entry, which must be this manifest."""
        check_manifest_size(descriptor)
        self._metadata_bytes += descriptor.size
        if self._metadata_bytes > MAX_METADATA_BYTES:
            message = f"{self._path} has more than {format_bytes(MAX_METADATA_BYTES)} of manifests"
            raise IntegrityError(message)
        name = content.blob_name(descriptor.digest)
        member = self._next(Entry(name, descriptor.size), lambda: self._out_of_place(name))
        found = self._content(member)
        if (digest := Digest.of(found, descriptor.digest.algorithm)) != descriptor.digest:
            message = (
                f"{self._path}: damaged manifest at byte {member.offset:,}: expected {descriptor.digest}, got {digest}"
            )
            raise IntegrityError(message, hint="copy the bundle again; its tree can't be read past this")
        return found

    def _next(self, entry: Entry, refusal: Callable[[], IntegrityError]) -> Member:
        member = place(entry, self._position)
        header = self._read_at(self._position, member.offset - self._position)
        if header != header_for(entry):
            raise refusal()
        self._position = member.end
        return member

    def _content(self, member: Member) -> bytes:
        return self._read_at(member.offset, member.size)

    def _read_at(self, offset: int, size: int) -> bytes:
        if offset + size > self.file_size:
            message = (
                f"{self._path} is cut off: expected {size} bytes at {offset:,}, the file ends at {self.file_size:,}"
            )
            raise IntegrityError(message)
        try:
            return read_run(self._fd, offset, size)
        except OSError as error:
            message = f"{self._path}: the medium gave a read error at byte {offset:,}: {error}"
            raise IntegrityError(message) from error

    def _not_a_bundle(self) -> IntegrityError:
        message = f"{self._path} is not a bundle: expected the two files of an OCI layout at its front"
        return IntegrityError(message, hint="bundles are made by packhorse build; packhorse reads them uncompressed")

    def _out_of_place(self, name: str) -> IntegrityError:
        message = f"{self._path}: expected the header of {name} at byte {self._position:,}, found something else"
        return IntegrityError(message)


def _check_plain(fd: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        message = f"{path} is not a file"
        raise UsageError(message, hint="a bundle is one file, and is read in place; stores are read by serve and push")


def _root(index_content: bytes, path: Path) -> Descriptor:
    index = decode_json(index_content, Index, f"index.json of {path}")
    if not index.manifests:
        message = f"{path}: index.json lists nothing"
        raise IntegrityError(message)
    root = index.manifests[0]
    if root.artifact_type != content.BUNDLE_TYPE or root.media_type != media_types.OCI_INDEX:
        kind = root.artifact_type or root.media_type
        message = f"{path} holds {kind!r} where a bundle of this version has {content.BUNDLE_TYPE!r}"
        raise IntegrityError(message, hint="it may be another OCI archive, or be made by a newer packhorse")
    return root.plain()


def _check_package(package: BundledPackage, path: Path) -> None:
    """Hold the package's index against its lock: what is shown must be what is served."""
    items: list[LockedImage | LockedArtifact] = [*package.lock.images, *package.lock.artifacts]
    locked = [piece for item in items for piece in content.image_pieces(item)]
    expected = sorted(canonical_json(piece.listed()) for piece in locked)
    found = sorted(canonical_json(entry) for kind in _LOCKED_KINDS for entry in package.entries(kind))
    if expected != found:
        message = f"{path}: the images that package {package.name} lists are not those of its lock"
        raise IntegrityError(message)
