"""Editions of the content: the first, and later ones in which something changed, each written for every program."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from corpus.layout import Descriptor, Layout
from corpus.model import Format

__all__ = ["FIRST", "Edition", "Named", "blobs_of", "write_edition"]

FIRST = "first"


@dataclass(frozen=True, slots=True)
class Named:
    """An image in the source registry: ``upstream-host/path:tag`` below its address."""

    name: str
    digest: str
    format: Format = "oci"


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of the content, and the folder with what each program reads to make it."""

    name: str
    images: tuple[Named, ...]
    folder: Path

    @property
    def package(self) -> Path:
        """For Packhorse: a package with its lock."""
        return self.folder / "package"

    @property
    def imgpkg(self) -> Path:
        """For imgpkg: a lock with digests."""
        return self.folder / "images.yml"

    @property
    def hauler(self) -> Path:
        """For Hauler: a manifest."""
        return self.folder / "hauler.yaml"

    @property
    def zarf(self) -> Path:
        """For Zarf: a package definition."""
        return self.folder / "zarf"


def write_edition(name: str, images: Sequence[Named], registry: str, folder: Path) -> Edition:
    """Write what each program reads; the folder is made anew. Locking Packhorse's package is not part of it."""
    edition = Edition(name, tuple(images), folder)
    shutil.rmtree(folder, ignore_errors=True)
    references = [f"{registry}/{image.name}" for image in images]
    edition.package.mkdir(parents=True)
    edition.zarf.mkdir()
    package = {
        "apiVersion": "packhorse.dev/v1alpha1",
        "kind": "Package",
        "metadata": {"name": "bench", "version": "1.0.0"},
        "platforms": ["linux/amd64", "linux/arm64"],
        "components": [{"name": "bench", "images": references}],
    }
    (edition.package / "packhorse.yaml").write_text(yaml.safe_dump(package, sort_keys=False))
    pinned = [
        {"image": f"{reference.rpartition(':')[0]}@{image.digest}"}
        for reference, image in zip(references, images, strict=True)
    ]
    lock = {"apiVersion": "imgpkg.carvel.dev/v1alpha1", "kind": "ImagesLock", "images": pinned}
    edition.imgpkg.write_text(yaml.safe_dump(lock))
    haul = {
        "apiVersion": "content.hauler.cattle.io/v1",
        "kind": "Images",
        "metadata": {"name": "bench"},
        "spec": {"images": [{"name": reference} for reference in references]},
    }
    edition.hauler.write_text(yaml.safe_dump(haul))
    zarf = {
        "kind": "ZarfPackageConfig",
        "metadata": {"name": "bench", "version": name, "uncompressed": True},
        "components": [{"name": "bench", "required": True, "images": references}],
    }
    (edition.zarf / "zarf.yaml").write_text(yaml.safe_dump(zarf, sort_keys=False))
    return edition


def blobs_of(layout: Layout, names: Sequence[str]) -> dict[str, int]:
    """Return digest and size of every blob that belongs to the named images of a layout, manifests among them."""
    found: dict[str, int] = {}
    for name, descriptor in layout.named():
        if name in names:
            _collect(layout, descriptor, found)
    return found


def _collect(layout: Layout, descriptor: Descriptor, found: dict[str, int]) -> None:
    digest, size = str(descriptor["digest"]), descriptor["size"]
    if not isinstance(size, int) or not layout.blob(digest).exists():
        return
    found[digest] = size
    media_type = str(descriptor.get("mediaType", ""))
    if not media_type.endswith(("manifest.v1+json", "manifest.v2+json", "index.v1+json", "list.v2+json")):
        return
    document = json.loads(layout.blob(digest).read_bytes())
    for child in (*document.get("manifests", ()), *document.get("layers", ()), document.get("config")):
        if child:
            _collect(layout, child, found)
