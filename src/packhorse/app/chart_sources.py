"""Where charts come from: a folder or archive of the package, a chart repository, or an OCI registry."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from packhorse.app.package_folder import PackageFolder
from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.base.program import private_folder
from packhorse.base.units import format_bytes
from packhorse.helm.chart_archive import MAX_CHART_BYTES, ChartArchive, unpack
from packhorse.helm.chart_dependencies import Dependency
from packhorse.helm.chart_folder import is_complete, pack_folder
from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import read_verified
from packhorse.oci.model import Descriptor, Manifest
from packhorse.oci.ports import ContentSource, Resolver
from packhorse.oci.reference import Reference
from packhorse.package.chart_source import ChartSource, ChartSourceError
from packhorse.package.lock import LockedChart
from packhorse.package.model import ChartEntry

__all__ = [
    "ChartContent",
    "ChartRepositories",
    "ChartSources",
    "NameSource",
    "OpenRepository",
    "chart_reference",
    "shown_folder",
]

OCI = "oci://"
_REPOSITORIES = ("https://", "http://")


class NameSource(ContentSource, Resolver, Protocol):
    """A repository of a registry, or what stands for one."""


OpenRepository = Callable[[str], NameSource]
"""Opens a repository by its full name."""


class ChartRepositories(Protocol):
    """Fetches from chart repositories: :class:`packhorse.helm.cli_helm.CliHelm`."""

    def pull(self, source: str, chart: str, version: str | None, into: Path) -> Path:
        """Download a chart archive into an empty folder, and return where it is.

        Raises:
            NetworkError: It could not be fetched.
        """


@dataclass(frozen=True, slots=True)
class ChartContent:
    """A chart, fetched: its archive, what is in it, and how the lock names it."""

    locked: LockedChart
    archive: bytes = field(repr=False)
    unpacked: ChartArchive = field(repr=False)

    def shown(self, source: str) -> str:
        """Say where a file of the chart is, for people.

        Args:
            source: As Helm writes it: the chart's name, then the path.

        Returns:
            A path in the package's folder for a chart that lies there unpacked; else as Helm writes it.
        """
        return f"{shown_folder(self.locked)}/{source.partition('/')[2]}"


def shown_folder(chart: LockedChart) -> str:
    """Name the folder that a chart's files have for people: in the package, or the chart's own name as Helm has it."""
    if chart.source.startswith((OCI, *_REPOSITORIES)) or chart.source.endswith(".tgz"):
        return chart.chart
    return Path(chart.source).as_posix()


@dataclass(frozen=True)
class ChartSources:
    """Fetches charts.

    Attributes:
        repositories: None refuses charts from chart repositories, and dependencies that are not in ``charts/``.
        registry: None refuses charts from registries.
    """

    folder: PackageFolder
    repositories: ChartRepositories | None = None
    registry: OpenRepository | None = None

    def fetch(self, component: str, entry: ChartEntry, known: LockedChart | None) -> ChartContent:
        """Fetch the chart of an entry.

        Args:
            known: As it is locked: a remote chart must still be that one.

        Raises:
            ConfigError: It is no chart, or a remote one is another than ``known``.
            NetworkError, RegistryError: It could not be fetched.
        """
        what = f"chart {entry.name} of component {component}"
        if entry.source.startswith(OCI):
            return self._in_registry(component, entry, known)
        archive = self._remote(entry, what) if is_remote(entry.source) else self._local(entry.source, what)
        unpacked = unpack(archive, what)
        metadata = unpacked.metadata
        locked = LockedChart(
            component=component,
            name=entry.name,
            chart=metadata.name,
            version=metadata.version,
            source=entry.source,
            digest=Digest.of(archive),
            size=len(archive),
        )
        if known is not None and is_remote(entry.source) and known.digest != locked.digest:
            raise ConfigError(
                f"{what}: {entry.source} has another {metadata.name} {metadata.version} now: the lock has "
                f"{known.digest.short}, the repository gave {locked.digest.short}",
                hint=f"packhorse lock --update {entry.name}, if that is meant to be",
            )
        return ChartContent(locked, archive, unpacked)

    def is_at_hand(self, entry: ChartEntry) -> bool:
        """Whether a chart and all that it depends on lie in the package's folder.

        Raises:
            ConfigError: It should, and does not.
        """
        if entry.source.startswith(OCI) or is_remote(entry.source):
            return False
        path = self.folder.inside(entry.source, f"chart {entry.name}")
        return path.is_file() or is_complete(path, root=self.folder.path)

    def archive(self, locked: LockedChart) -> bytes:
        """Return the archive of a locked chart again, held against the lock.

        Raises:
            ConfigError: It is another one now.
            NetworkError, RegistryError: It could not be fetched.
        """
        entry = ChartEntry(
            name=locked.name,
            source=locked.source,
            chart=locked.chart if is_remote(locked.source) else None,
            version=locked.version if locked.source.startswith((OCI, *_REPOSITORIES)) else None,
        )
        content = self.fetch(locked.component, entry, locked)
        if content.locked.digest != locked.digest:
            raise ConfigError(
                f"packhorse.lock is stale: chart {locked.name} ({locked.source}) has changed; the lock has "
                f"{locked.digest.short}, it is {content.locked.digest.short} now",
                hint="packhorse lock",
            )
        return content.archive

    def _local(self, source: str, what: str) -> bytes:
        path = self.folder.inside(source, what)
        if path.is_file():
            if path.stat().st_size > MAX_CHART_BYTES:
                limit = format_bytes(MAX_CHART_BYTES)
                raise ConfigError(f"{what}: {source} is larger than {limit}, the most that Helm reads")
            return path.read_bytes()
        return pack_folder(path, root=self.folder.path, fetch=self._dependency)

    def _dependency(self, dependency: Dependency) -> bytes:
        what = f"chart {dependency.name}"
        if not dependency.repository.startswith(OCI):
            return self._pulled(dependency.repository, dependency.name, dependency.version or None, what)
        try:
            entry = ChartEntry(
                name=dependency.name, source=f"{dependency.repository}/{dependency.name}", version=dependency.version
            )
            source = ChartSource.of(entry)
        except ChartSourceError as error:
            if error.key != "version":
                raise
            raise ConfigError(
                f"{dependency.version or 'any'} is a range of versions, and there is no Chart.lock that says which one",
                hint="write the exact version in Chart.yaml, or have helm dependency update write Chart.lock",
            ) from error
        return self._from_registry(Reference.parse(f"{source.location}:{_tag(source.version)}"), None, what)[1]

    def _remote(self, entry: ChartEntry, what: str) -> bytes:
        return self._pulled(entry.source, entry.chart or entry.name, entry.version, what)

    def _pulled(self, repository: str, chart: str, version: str | None, what: str) -> bytes:
        if self.repositories is None:
            raise ConfigError(f"{what}: {repository} needs the helm program", hint="install Helm 3.14 or newer")
        with private_folder("chart") as into:
            return self.repositories.pull(repository, chart, version, into).read_bytes()

    def _in_registry(self, component: str, entry: ChartEntry, known: LockedChart | None) -> ChartContent:
        what = f"chart {entry.name} of component {component}"
        digest = known.digest if known is not None else None
        descriptor, archive = self._from_registry(chart_reference(entry), digest, what)
        unpacked = unpack(archive, what)
        locked = LockedChart(
            component=component,
            name=entry.name,
            chart=unpacked.metadata.name,
            version=unpacked.metadata.version,
            source=entry.source,
            digest=descriptor.digest,
            size=descriptor.size,
            media_type=descriptor.media_type,
        )
        return ChartContent(locked, archive, unpacked)

    def _from_registry(self, reference: Reference, digest: Digest | None, what: str) -> tuple[Descriptor, bytes]:
        if self.registry is None:
            raise ConfigError(f"{what}: {OCI}{reference.name} can't be fetched here")
        source = self.registry(reference.name)
        descriptor = source.resolve(str(digest or reference.target))
        return descriptor, _chart_layer(source, descriptor, what)


def is_remote(source: str) -> bool:
    """Whether a chart's source is a chart repository."""
    return source.startswith(_REPOSITORIES)


def chart_reference(entry: ChartEntry) -> Reference:
    """Return the reference of an ``oci://`` chart; a version's ``+`` is ``_`` in a tag, as Helm has it.

    Raises:
        ConfigError: It is none, or has no version.
    """
    text = entry.source.removeprefix(OCI)
    if entry.version is None and "@" not in text and ":" not in text.rpartition("/")[2]:
        raise ConfigError(f"chart {entry.name}: {entry.source} needs a version: version: 1.2.3")
    return Reference.parse(text if entry.version is None else f"{text}:{_tag(entry.version)}")


def _tag(version: str) -> str:
    return version.replace("+", "_")


def _chart_layer(source: ContentSource, descriptor: Descriptor, what: str) -> bytes:
    content = read_verified(source, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)
    parsed = manifest.parse(content, descriptor.media_type, what)
    if not isinstance(parsed, Manifest) or parsed.config.media_type != media_types.HELM_CONFIG:
        raise IntegrityError(f"{what}: {descriptor.digest.short} is no Helm chart", hint="check the source's address")
    layers = [layer for layer in parsed.layers if layer.media_type == media_types.HELM_CHART]
    if len(layers) != 1:
        raise IntegrityError(f"{what}: expected one chart in {descriptor.digest.short}, found {len(layers)}")
    return read_verified(source, layers[0], max_bytes=MAX_CHART_BYTES)
