"""What ``docker save`` writes, as a content source.

``manifest.json`` in the archive names a config and layers by file name. From them a manifest is made that is the same
on every machine: Docker's schema 2, with the layers as they lie in the archive. Archives of newer versions hold an OCI
layout too; when that has the manifest that the image was pulled with, its bytes are used, so the image keeps its
digest.
"""

import hashlib
import posixpath
import re
from collections.abc import Iterator

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError, PackhorseError, RegistryError
from packhorse.base.units import MIB
from packhorse.oci import graph, manifest, media_types
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.digest import Digest
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Manifest, canonical_json, decode_json
from packhorse.oci.reference import Reference
from packhorse.store.archive_source import TarFiles
from packhorse.store.extents import ExtentStream, FileExtent
from packhorse.store.layout_source import LayoutSource, checked_extent
from packhorse.store.tar_index import Kind, TarIndex

__all__ = ["DockerArchive"]

_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_LAYER_TYPES = {b"\x1f\x8b": f"{_LAYER}.gzip", b"\x28\xb5\x2f\xfd": f"{_LAYER}.zstd"}
_MAX_LIST_BYTES = 8 * MIB
_MAX_CONFIG_BYTES = 8 * MIB
_MAX_LINKS = 8
_PIECE = MIB
_BLOB_NAME = re.compile(r"blobs/sha256/([0-9a-f]{64})", re.ASCII)


class _Entry(msgspec.Struct, rename="pascal"):
    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class _RootFs(msgspec.Struct):
    diff_ids: list[Digest] = []


class _Config(msgspec.Struct):
    rootfs: _RootFs


class _Image(msgspec.Struct, frozen=True):
    names: tuple[str, ...]
    descriptor: Descriptor


class DockerArchive:
    """Reads a ``docker save`` archive in place.

    Implements ``ContentSource``, ``LocatedSource`` and ``Resolver``. Nothing but the config is verified: whoever reads,
    hashes.
    """

    def __init__(self, path: str) -> None:
        """Read the table of contents, the configs and the list of images.

        Raises:
            ConfigError: There is no such file, it is compressed, or it is no Docker archive.
            IntegrityError: The archive is malformed.
        """
        self.path = path
        self._index = TarIndex.at(path)
        self._contents: dict[Digest, bytes] = {}
        self._extents: dict[Digest, FileExtent] = {}
        self._layout = self._embedded_layout()
        self._images = tuple(self._image(entry) for entry in self._entries())

    def resolve(self, target: str) -> Descriptor:
        """Return what a name (``redis:7.2``, in any form that Docker reads) or a digest stands for.

        Raises:
            RegistryError: The archive has no such image.
        """
        wanted = _full_name(target)
        for image in self._images:
            if target == image.descriptor.digest or wanted in image.names:
                return image.descriptor
        message = f"{self.path} has no {target!r}"
        raise RegistryError(message, hint=self._hint())

    def at(self, position: int) -> Descriptor:
        """Return an image by its position in ``manifest.json``, from 0.

        Raises:
            RegistryError: There are fewer.
        """
        if position >= len(self._images):
            message = f"{self.path} has {len(self._images)} images, so there is none at position {position}"
            raise RegistryError(message, hint=self._hint())
        return self._images[position].descriptor

    def only(self) -> Descriptor:
        """Return the one image.

        Raises:
            ConfigError: There are several, or none.
        """
        if len(self._images) != 1:
            message = f"{self.path} has {len(self._images)} images, so one must be named"
            raise ConfigError(message, hint=self._hint())
        return self._images[0].descriptor

    def images(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Yield the images by each of their names."""
        for image in self._images:
            for name in image.names:
                yield Reference.parse(name), image.descriptor

    def locate(self, descriptor: Descriptor) -> FileExtent | None:
        """Say where a blob lies; None for the manifest, which is made here, and for what the archive does not have.

        Raises:
            IntegrityError: It has another size than the descriptor.
        """
        extent = self._extents.get(descriptor.digest)
        return checked_extent(extent, descriptor, self.path)

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BytesStream | ExtentStream:
        """Begin to read a blob or manifest from ``offset`` bytes on.

        Raises:
            IntegrityError: The archive does not have it, or with another size.
        """
        if (content := self._contents.get(descriptor.digest)) is not None:
            return BytesStream(content, offset)
        if (extent := self.locate(descriptor)) is None:
            message = f"{self.path} has no blob {descriptor.digest}"
            raise IntegrityError(message)
        return ExtentStream(extent, offset)

    @property
    def graph(self) -> graph.Graph:
        """The manifests of all images."""
        roots = [image.descriptor for image in self._images]
        return graph.walk(roots, lambda descriptor: self._contents[descriptor.digest])

    def referrers(self) -> Iterator[tuple[Digest, Descriptor, str]]:
        """Yield nothing: Docker saves no referrers."""
        return iter(())

    def close(self) -> None:
        """Close the archive."""
        self._index.close()

    def _entries(self) -> list[_Entry]:
        extent = self._index.extent("manifest.json")
        if extent is None:
            message = f"{self.path} is not a Docker archive: it has no manifest.json"
            hint = "it holds an OCI layout: write oci-archive: before its path" if self._layout else None
            raise ConfigError(message, hint=hint)
        where = f"{self.path}: manifest.json"
        return decode_json(extent.read(_MAX_LIST_BYTES, where), list[_Entry], where)

    def _image(self, entry: _Entry) -> _Image:
        config_extent = self._file(entry.config)
        where = f"{self.path}: {entry.config}"
        content = config_extent.read(_MAX_CONFIG_BYTES, where)
        config = Descriptor(media_type=_DOCKER_CONFIG, digest=Digest.of(content), size=len(content))
        diff_ids = decode_json(content, _Config, where).rootfs.diff_ids
        if len(diff_ids) != len(entry.layers):
            message = f"{where} has {len(diff_ids)} layers, manifest.json gives it {len(entry.layers)}"
            raise IntegrityError(message)
        self._extents[config.digest] = config_extent
        layers = tuple(self._layer(name, diff_id) for name, diff_id in zip(entry.layers, diff_ids, strict=True))
        descriptor = self._original_manifest(config, layers) or self._made_manifest(config, layers)
        names = tuple(dict.fromkeys(str(Reference.parse(name)) for name in entry.repo_tags or ()))
        return _Image(names, descriptor)

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        extent = self._file(name)
        magic = bytearray(min(4, extent.length))
        with ExtentStream(extent) as stream, memoryview(magic) as view:
            stream.readinto(view)
        media_type = next((kind for prefix, kind in _LAYER_TYPES.items() if magic.startswith(prefix)), _LAYER)
        # The diff id is the digest of the uncompressed layer; of a compressed one, the name or the bytes must say it.
        digest = diff_id if media_type == _LAYER else self._compressed_digest(name, extent)
        self._extents[digest] = extent
        return Descriptor(media_type=media_type, digest=digest, size=extent.length)

    def _compressed_digest(self, name: str, extent: FileExtent) -> Digest:
        if match := _BLOB_NAME.fullmatch(name):
            return Digest(f"sha256:{match[1]}")
        known = next((digest for digest, other in self._extents.items() if other.offset == extent.offset), None)
        if known is not None:
            return known
        hasher = hashlib.sha256()
        buffer = bytearray(_PIECE)
        with ExtentStream(extent) as stream, memoryview(buffer) as view:
            while count := stream.readinto(view):
                hasher.update(view[:count])
        return Digest(f"sha256:{hasher.hexdigest()}")

    def _file(self, name: str) -> FileExtent:
        """Find a file by its name in ``manifest.json``, through links that stay in the archive."""
        # Whatever a link says, it is looked up among the members: there is no way out of the archive.
        current = posixpath.normpath(name)
        for _ in range(_MAX_LINKS):
            member = self._index.get(current)
            if member is None:
                break
            if member.kind is Kind.SYMBOLIC_LINK:
                current = posixpath.normpath(posixpath.join(posixpath.dirname(current), member.target))
            elif member.kind is Kind.HARD_LINK:
                current = posixpath.normpath(member.target)
            elif (extent := self._index.extent(current)) is not None:
                return extent
        message = f"{self.path}: manifest.json names {name[:120]!r}, which is no file in the archive"
        raise IntegrityError(message)

    def _embedded_layout(self) -> LayoutSource | None:
        if "oci-layout" in self._index and "index.json" in self._index:
            return LayoutSource(self.path, TarFiles(self._index))
        return None

    def _original_manifest(self, config: Descriptor, layers: tuple[Descriptor, ...]) -> Descriptor | None:
        """The manifest in the embedded layout that has exactly this config and these layers."""
        if self._layout is None:
            return None
        content_digests = [layer.digest for layer in layers]
        for node in self._layout.graph.nodes:
            parsed = node.parsed
            if (
                isinstance(parsed, Manifest)
                and parsed.config.digest == config.digest
                and [layer.digest for layer in parsed.layers] == content_digests
            ):
                self._contents[node.descriptor.digest] = node.content
                return node.descriptor
        return None

    def _made_manifest(self, config: Descriptor, layers: tuple[Descriptor, ...]) -> Descriptor:
        made = Manifest(
            schema_version=SCHEMA_VERSION, config=config, layers=layers, media_type=media_types.DOCKER_MANIFEST
        )
        content = canonical_json(made)
        descriptor = Descriptor(media_type=media_types.DOCKER_MANIFEST, digest=Digest.of(content), size=len(content))
        manifest.check_manifest_size(descriptor)
        self._contents[descriptor.digest] = content
        return descriptor

    def _hint(self) -> str:
        names = [name for image in self._images for name in image.names]
        shown = ", ".join(names[:8]) + (", …" if names[8:] else "")
        return f"images there: {shown}" if names else "no image in it has a name; use @POSITION"


def _full_name(text: str) -> str | None:
    try:
        return str(Reference.parse(text))
    except PackhorseError:
        return None
