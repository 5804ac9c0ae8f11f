"""What a build takes from outside the package's folder, again, and held against the lock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from packhorse.app.chart_sources import ChartSources, chart_reference
from packhorse.app.git_sources import GitSources
from packhorse.app.image_sources import ListedReferrers
from packhorse.app.lock_resolver import Registries
from packhorse.app.package_folder import PackageFolder
from packhorse.base.errors import ConfigError
from packhorse.helm.chart_archive import chart_config
from packhorse.helm.ports import KustomizeBuilder
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource
from packhorse.oci.reference import Reference
from packhorse.package.lock import LockedArtifact, LockedChart, LockedGit, LockedImage, LockedRendering
from packhorse.package.model import ChartEntry

__all__ = ["LockMaterials"]


@dataclass(frozen=True)
class LockMaterials:
    """See :class:`packhorse.app.build.Materials`."""

    folder: PackageFolder
    charts: ChartSources
    registries: Registries
    git: GitSources
    kustomize: KustomizeBuilder | None = None
    _files: dict[str, tuple[ListedReferrers, Descriptor]] = field(default_factory=dict, repr=False)

    def image_source(self, image: LockedImage | LockedArtifact) -> ContentSource:
        """Where an image, an artifact and their referrers are read."""
        if not image.source:
            return self.registries.repository(Reference.parse(image.name))
        if image.source not in self._files:
            self._files[image.source] = self.registries.file(image.source)
        source, found = self._files[image.source]
        if found.digest != image.digest:
            raise ConfigError(
                f"packhorse.lock is stale: {image.source} has another {image.name}; the lock has "
                f"{image.digest.short}, it is {found.digest.short} now",
                hint="packhorse lock",
            )
        return source

    def close(self) -> None:
        """Close the files that images were read from."""
        while self._files:
            self._files.popitem()[1][0].close()

    def chart_source(self, chart: LockedChart) -> ContentSource:
        """Where the manifest and the layers of an ``oci://`` chart are read."""
        entry = ChartEntry(name=chart.name, source=chart.source, version=chart.version)
        return self.registries.repository(chart_reference(entry))

    def chart_archive(self, chart: LockedChart) -> bytes:
        """The archive of a chart that is a folder, a file or in a chart repository, held against the lock."""
        return self.charts.archive(chart)

    def chart_metadata(self, archive: bytes) -> Mapping[str, object]:
        """What the ``Chart.yaml`` of an archive says."""
        return chart_config(archive)

    def rendering(self, rendering: LockedRendering) -> bytes:
        """The objects of a kustomization, held against the lock."""
        what = f"kustomization {rendering.name}"
        if self.kustomize is None:
            raise ConfigError(f"{what} needs kubectl or kustomize", hint="install one of them")
        content = self.kustomize.build(self.folder.inside(rendering.path, what), root=self.folder.path)
        if Digest.of(content) != rendering.digest:
            raise ConfigError(
                f"packhorse.lock is stale: {what} of component {rendering.component} builds to something else now",
                hint="packhorse lock",
            )
        return content

    def git_bundle(self, repository: LockedGit) -> bytes:
        """A git bundle of one commit and its history, the same bytes for the same commit."""
        return self.git.bundle(repository)
