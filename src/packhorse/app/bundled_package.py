"""A package of an open bundle, as deploying wants to read it."""

from collections.abc import Iterator, Sequence
from functools import cached_property

from packhorse.base.errors import IntegrityError, UsageError
from packhorse.base.units import MIB
from packhorse.bundle import content
from packhorse.bundle.reader import Bundle, BundledPackage
from packhorse.deploy.ports import CarriedImage
from packhorse.oci.digest import Digest
from packhorse.oci.graph import carried_by
from packhorse.oci.model import Descriptor, Index
from packhorse.package.model import Package

__all__ = ["BundledContent", "choose_package"]

_MAX_FILE_BYTES = 64 * MIB
_MAX_CHART_BYTES = 64 * MIB


def choose_package(bundle: Bundle, name: str | None) -> BundledPackage:
    """Return the package of a bundle that is meant.

    Args:
        bundle: Most have one package.
        name: Needed where there are several.

    Raises:
        UsageError: There are several and none was named, or none has this name.
    """
    names = ", ".join(package.name for package in bundle.packages)
    if name is None and len(bundle.packages) == 1:
        return bundle.packages[0]
    if name is None:
        raise UsageError(
            f"{bundle.path} has {len(bundle.packages)} packages: {names}", hint="choose one: --package NAME"
        )
    found = next((package for package in bundle.packages if package.name == name), None)
    if found is None:
        raise UsageError(f"{bundle.path} has no package {name!r}; it has: {names}")
    return found


class BundledContent:
    """Implements :class:`packhorse.deploy.ports.PackageContent`; every read is verified."""

    def __init__(self, bundle: Bundle, package: BundledPackage) -> None:
        self._bundle = bundle
        self._package = package

    @property
    def definition(self) -> Package:
        """The package as its author defined it."""
        return self._package.definition

    @property
    def root_digest(self) -> str:
        """Digest of the bundle."""
        return str(self._bundle.root.digest)

    @cached_property
    def images(self) -> Sequence[CarriedImage]:
        """Every image of the bundle: what another package of it brings is there for this one too."""
        return tuple(
            CarriedImage(str(reference), tuple(str(digest) for digest in self._digests(entry, carried_by(entry))))
            for reference, entry in self._bundle.images()
        )

    def read_file(self, path: str) -> bytes:
        """Return a file of the package's folder."""
        return self._read(path, f"the file {path}")

    def chart_archive(self, component: str, name: str) -> bytes:
        """Return the archive of a chart."""
        for entry, manifest in self._bundle.charts(self._package):
            components = entry.annotations.get(content.COMPONENTS, "").split()
            if entry.annotations.get(content.NAME) == name and component in components:
                return self._bundle.read(manifest.layers[0], max_bytes=_MAX_CHART_BYTES)
        raise IntegrityError(f"{self._bundle.path} does not carry the chart {name} of component {component}")

    def rendering(self, component: str, name: str) -> bytes:
        """Return the objects of a kustomization."""
        title = content.rendering_title(component, name)
        return self._read(title, f"the kustomization {name} of component {component}")

    def _read(self, path: str, what: str) -> bytes:
        descriptor = self._package.files().get(path)
        if descriptor is None:
            raise IntegrityError(f"{self._bundle.path} does not carry {what}")
        return self._bundle.read(descriptor, max_bytes=_MAX_FILE_BYTES)

    def _digests(self, entry: Descriptor, carried: frozenset[Digest] | None) -> Iterator[Digest]:
        yield entry.digest
        node = self._bundle.node(entry.digest)
        if node is None or not isinstance(node.parsed, Index):
            return
        for child in node.parsed.manifests:
            if carried is None or child.digest in carried:
                yield from self._digests(child, carried)
