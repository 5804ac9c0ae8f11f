"""What a build is given, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from packhorse.bundle.content import PackageConfig
from packhorse.oci.digest import Digest
from packhorse.oci.ports import ContentSource
from packhorse.package.lock import LockedArtifact, LockedChart, LockedGit, LockedImage, LockedRendering

__all__ = ["BuildInput", "BuildResult", "Materials"]


class Materials(Protocol):
    """What a build needs from outside the package's folder. All methods may be called from several threads."""

    def image_source(self, image: LockedImage | LockedArtifact) -> ContentSource:
        """Where an image, an artifact and their referrers are read."""

    def chart_source(self, chart: LockedChart) -> ContentSource:
        """Where the manifest and the layers of an ``oci://`` chart are read."""

    def chart_archive(self, chart: LockedChart) -> bytes:
        """The archive of a chart that is a folder, a file or in a chart repository, held against the lock."""

    def chart_metadata(self, archive: bytes) -> Mapping[str, object]:
        """What the ``Chart.yaml`` of an archive says."""

    def rendering(self, rendering: LockedRendering) -> bytes:
        """The objects of a kustomization, held against the lock."""

    def git_bundle(self, repository: LockedGit) -> bytes:
        """A git bundle of one commit and its history, the same bytes for the same commit."""


@dataclass(frozen=True)
class BuildInput:
    """What is built, and where to."""

    folder: Path
    definition_text: bytes
    config: PackageConfig
    output: Path
    workers: int
    reuse: tuple[Path, ...] = ()
    """Bundles to take blobs from before their sources are asked."""


class BuildResult(msgspec.Struct, frozen=True):
    """What a build made."""

    path: Path
    root: Digest
    images: int
    charts: int
    blobs: int
    total_bytes: int
    shared_bytes: int
    """What would have been written on top, had every image its own copy of each blob."""
    fetched_bytes: int
    """What came from its sources in this run."""
    reused_bytes: int
    """What was taken from an earlier run or another bundle."""
    seconds: float
    unchanged: bool = False
    """The bundle stood there already, and every byte of it is right."""
