"""``inspect``: what a bundle carries, from its front alone, whatever its size."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.units import MIB
from packhorse.bundle import content
from packhorse.bundle.reader import Bundle, BundledPackage
from packhorse.oci.digest import Digest
from packhorse.oci.graph import carried_by
from packhorse.oci.manifest import successors
from packhorse.oci.model import Descriptor, Index, Manifest, decode_json
from packhorse.package.lock import Found, LockedArtifact, LockedImage
from packhorse.package.model import Package

__all__ = ["BundleSummary", "ImagePlatform", "ImageSummary", "PackageSummary", "PartSummary", "inspect_bundle"]

_LICENCES: Final = "org.opencontainers.image.licenses"
_MAX_IMAGE_CONFIG: Final = 8 * MIB


class ImagePlatform(msgspec.Struct, frozen=True):
    """One platform of an image; ``bytes`` counts config and layers."""

    platform: str
    digest: Digest
    bytes: int
    licences: str = ""


class ImageSummary(msgspec.Struct, frozen=True):
    """An image or artifact. ``shared_bytes`` of its ``bytes`` belong to another image of the bundle too."""

    name: str
    digest: Digest
    components: tuple[str, ...]
    source: str
    bytes: int
    shared_bytes: int
    platforms: tuple[ImagePlatform, ...]
    referrers: tuple[str, ...]
    found: tuple[Found, ...] = ()


class PartSummary(msgspec.Struct, frozen=True):
    """A chart, file, kustomization or git repository; ``component`` has several names where several want a file."""

    name: str
    component: str
    bytes: int
    digest: Digest
    source: str = ""
    version: str = ""


class PackageSummary(msgspec.Struct, frozen=True):
    """One package."""

    name: str
    version: str
    description: str
    platforms: tuple[str, ...]
    components: tuple[str, ...]
    optional_components: tuple[str, ...]
    images: tuple[ImageSummary, ...]
    artifacts: tuple[ImageSummary, ...]
    charts: tuple[PartSummary, ...]
    kustomizations: tuple[PartSummary, ...]
    files: tuple[PartSummary, ...]
    git: tuple[PartSummary, ...]


class BundleSummary(msgspec.Struct, frozen=True):
    """A bundle."""

    path: Path
    root: Digest
    total_bytes: int
    blobs: int
    packages: tuple[PackageSummary, ...]


def inspect_bundle(path: Path) -> BundleSummary:
    """Read what a bundle carries.

    Raises:
        UsageError: There is no such file.
        IntegrityError: It is not a bundle, or its front is damaged.
    """
    with Bundle.open_file(path) as bundle:
        return _Inspection(bundle).summary()


class _Inspection:
    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._uses: Counter[Digest] = Counter()
        self._below: dict[tuple[str, str], dict[Digest, int]] = {}

    def summary(self) -> BundleSummary:
        for package in self._bundle.packages:
            for entry in self._entries(package):
                blobs = dict(self._blobs(entry, carried_by(entry)))
                self._below[package.name, entry.annotations[content.NAME]] = blobs
                self._uses.update(blobs.keys())
        return BundleSummary(
            path=self._bundle.path,
            root=self._bundle.root.digest,
            total_bytes=self._bundle.layout.total_bytes,
            blobs=len(self._bundle.blobs),
            packages=tuple(self._package(package) for package in self._bundle.packages),
        )

    def _package(self, package: BundledPackage) -> PackageSummary:
        definition, lock = package.definition, package.lock
        owners = _file_owners(definition)
        locked: dict[str, LockedImage | LockedArtifact] = {item.name: item for item in lock.images}
        locked.update({item.name: item for item in lock.artifacts})
        return PackageSummary(
            name=package.name,
            version=package.version,
            description=definition.metadata.description,
            platforms=lock.platforms,
            components=tuple(component.name for component in definition.components),
            optional_components=tuple(component.name for component in definition.components if component.optional),
            images=tuple(self._image(package, entry, locked) for entry in package.entries("image")),
            artifacts=tuple(self._image(package, entry, locked) for entry in package.entries("artifact")),
            charts=tuple(
                PartSummary(chart.name, chart.component, chart.size, chart.digest, chart.source, chart.version)
                for chart in lock.charts
            ),
            kustomizations=tuple(
                PartSummary(item.name, item.component, item.size, item.digest, item.path)
                for item in lock.kustomizations
            ),
            files=tuple(
                PartSummary(file.path, owners.get(file.path, ""), file.size, file.digest) for file in lock.files
            ),
            git=tuple(
                PartSummary(item.name, item.component, entry.size, entry.digest, item.source, item.commit)
                for item, entry in zip(lock.git, package.entries("git"), strict=True)
            ),
        )

    def _image(
        self, package: BundledPackage, entry: Descriptor, locked: Mapping[str, LockedImage | LockedArtifact]
    ) -> ImageSummary:
        name = entry.annotations[content.NAME]
        blobs = self._below[package.name, name]
        item = locked[name]
        return ImageSummary(
            name=name,
            digest=entry.digest,
            components=tuple(entry.annotations.get(content.COMPONENTS, "").split()),
            source=item.source,
            bytes=sum(blobs.values()),
            shared_bytes=sum(size for digest, size in blobs.items() if self._uses[digest] > 1),
            platforms=tuple(self._platforms(entry, carried_by(entry))),
            referrers=tuple(
                referrer.artifact_type or referrer.tag or referrer.media_type for referrer in item.referrers
            ),
            found=item.found if isinstance(item, LockedImage) else (),
        )

    def _platforms(self, entry: Descriptor, carried: frozenset[Digest] | None) -> Iterator[ImagePlatform]:
        node = self._bundle.node(entry.digest)
        if node is None:
            return
        if isinstance(node.parsed, Index):
            for child in node.parsed.manifests:
                if carried is None or child.digest in carried:
                    yield from self._platforms(child, carried)
            return
        size = sum(part.size for part in successors(node.parsed))
        said = entry.platform
        if said is not None and said.os == "unknown":
            return
        platform, licences = self._config(node.parsed)
        yield ImagePlatform(str(said) if said is not None else platform, entry.digest, size, licences)

    def _config(self, manifest: Manifest) -> tuple[str, str]:
        """Read platform and licence label; a config that is none (of an artifact) has neither."""
        if manifest.config.size > _MAX_IMAGE_CONFIG:
            return "", ""
        data = self._bundle.read(manifest.config, max_bytes=_MAX_IMAGE_CONFIG)
        try:
            config = decode_json(data, _ImageConfig, "config")
        except IntegrityError:
            return "", ""
        labels = (config.config.labels if config.config else None) or {}
        platform = "/".join(part for part in (config.os, config.architecture, config.variant) if part)
        return platform, manifest.annotations.get(_LICENCES, labels.get(_LICENCES, ""))

    def _blobs(self, entry: Descriptor, carried: frozenset[Digest] | None) -> Iterator[tuple[Digest, int]]:
        node = self._bundle.node(entry.digest)
        if node is None:
            return
        yield entry.digest, entry.size
        for child in successors(node.parsed):
            if not isinstance(node.parsed, Index):
                if self._bundle.member(child.digest) is not None:
                    yield child.digest, child.size
            elif carried is None or child.digest in carried:
                yield from self._blobs(child, carried)

    @staticmethod
    def _entries(package: BundledPackage) -> Iterator[Descriptor]:
        yield from package.entries("image")
        yield from package.entries("artifact")


def _file_owners(definition: Package) -> dict[str, str]:
    """The components whose files these are; of a file that several want, all of them."""
    owners: dict[str, list[str]] = {}
    for component in definition.components:
        paths = [path for chart in component.charts for path in (*chart.values, *chain(*chart.values_sets.values()))]
        paths += [path for manifest in component.manifests for path in manifest.files]
        paths += [file.source for file in component.files]
        for path in paths:
            names = owners.setdefault(PurePosixPath(path).as_posix(), [])
            if component.name not in names:
                names.append(component.name)
    return {path: " ".join(names) for path, names in owners.items()}


class _RunConfig(msgspec.Struct):
    labels: dict[str, str] | None = msgspec.field(default=None, name="Labels")


class _ImageConfig(msgspec.Struct):
    """The part of an image's config that is shown (image-spec, config.md)."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    config: _RunConfig | None = None
