"""Small packages that can be deployed: as content in memory, and sealed into a real bundle file."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.bundle import content
from packhorse.bundle.content import Blobs, PackageConfig
from packhorse.deploy.ports import CarriedImage
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import walk
from packhorse.oci.model import SCHEMA_VERSION, Manifest
from packhorse.package.lock import Lock, LockedImage, LockedPackage
from packhorse.package.model import Package
from tests.support.sealing import seal

__all__ = ["DEFAULT_IMAGES", "MemoryContent", "definition", "pack_chart", "seal_package"]

DEFAULT_IMAGES = ("docker.io/library/nginx:1.27", "docker.io/library/busybox:1.36")


@dataclass(frozen=True)
class MemoryContent:
    """Implements :class:`packhorse.deploy.ports.PackageContent`."""

    definition: Package
    files: Mapping[str, str] = field(default_factory=dict)
    charts: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    renderings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    images: tuple[CarriedImage, ...] = tuple(CarriedImage(name) for name in DEFAULT_IMAGES)
    root_digest: str = "sha256:" + "1" * 64

    def read_file(self, path: str) -> bytes:
        if path not in self.files:
            raise IntegrityError(f"no file {path}")
        return self.files[path].encode()

    def chart_archive(self, component: str, name: str) -> bytes:
        return self.charts[component, name]

    def rendering(self, component: str, name: str) -> bytes:
        return self.renderings[component, name].encode()


def definition(*components: dict[str, Any], version: str = "1.4.0", variables: tuple[Any, ...] = ()) -> Package:
    """A package named ``shop``."""
    return msgspec.convert(
        {
            "apiVersion": "packhorse.dev/v1alpha1",
            "kind": "Package",
            "metadata": {"name": "shop", "version": version},
            "variables": variables,
            "components": components,
        },
        Package,
    )


def seal_package(path: Path, package: MemoryContent) -> Path:
    """Write a bundle with the package, and images without layers under the names that it carries."""
    blobs = Blobs()
    images = tuple(_image(blobs, image.name) for image in package.images)
    lock = Lock(
        api_version="packhorse.dev/v1alpha1",
        kind="Lock",
        package=LockedPackage(
            name=package.definition.metadata.name,
            version=package.definition.metadata.version,
            digest=Digest.of(b"definition"),
        ),
        platforms=("linux/amd64",),
        images=images,
    )
    config = PackageConfig(definition=package.definition, lock=lock)
    files = [(name, blobs.add(content.FILE_TYPE, text.encode())) for name, text in sorted(package.files.items())]
    files += [
        (content.rendering_title(*key), blobs.add(content.FILE_TYPE, text.encode()))
        for key, text in sorted(package.renderings.items())
    ]
    pieces = [content.definition_piece(blobs, config, b"kind: Package\n", files)]
    for (component, name), archive in sorted(package.charts.items()):
        described = blobs.add(media_types.HELM_CHART, archive)
        metadata = {"name": name, "version": "1.0.0"}
        pieces.append(content.chart_piece(blobs, name=name, component=component, metadata=metadata, archive=described))
    pieces += [piece for image in images for piece in content.image_pieces(image)]
    index = content.package_index(config, pieces)
    root = content.bundle_root(blobs, [content.package_descriptor(blobs, index)])
    graph = walk([root], lambda descriptor: blobs.content[descriptor.digest])
    head = [(content.LAYOUT_FILE, content.LAYOUT_CONTENT), (content.INDEX_FILE, content.index_file(root, [index]))]
    body = [(content.blob_name(blob.digest), blobs.content[blob.digest]) for blob in content.arrange(graph)]
    seal(path, [*head, *body])
    return path


def _image(blobs: Blobs, name: str) -> LockedImage:
    # Its own config for every name, so that no two images have one digest.
    config = blobs.add(
        "application/vnd.oci.image.config.v1+json",
        b'{"architecture":"amd64","os":"linux","comment":"%s"}' % name.encode(),
    )
    manifest = Manifest(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_MANIFEST, config=config, layers=())
    described = blobs.add_manifest(manifest)
    return LockedImage(
        name=name,
        digest=described.digest,
        media_type=described.media_type,
        size=described.size,
        components=("web",),
        platforms=("linux/amd64",),
    )


def pack_chart(name: str, files: Mapping[str, str]) -> bytes:
    """Pack a chart archive; the same files give the same bytes."""
    buffer = io.BytesIO()
    chart = {"Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n", **files}
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in sorted(chart.items()):
            info = tarfile.TarInfo(f"{name}/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)
