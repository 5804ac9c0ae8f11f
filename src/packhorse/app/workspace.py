"""A package with what locking and building it needs: its folder, its sources, and the programs that render it.

How images are found is not here: a build that only fetches what is locked does not load it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from packhorse.app.chart_sources import ChartRepositories, ChartSources
from packhorse.app.git_sources import GitSources
from packhorse.app.image_sources import ListedReferrers
from packhorse.app.lock_resolver import Registries
from packhorse.app.materials import LockMaterials
from packhorse.app.package_folder import PackageFolder
from packhorse.base.program import Program
from packhorse.helm.ports import ChartRenderer, KustomizeBuilder
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.model import Descriptor
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.store.open_source import open_source, parse_source

__all__ = ["Programs", "Workspace", "open_workspace"]


class Programs(msgspec.Struct, frozen=True):
    """What renders and fetches on this machine.

    Attributes:
        repositories: Fetches from chart repositories; None where there is only the Helm SDK, or nothing.
    """

    git: Program
    renderer: ChartRenderer | None = None
    repositories: ChartRepositories | None = None
    kustomize: KustomizeBuilder | None = None


class Workspace(msgspec.Struct, frozen=True):
    """One package and its surroundings."""

    folder: PackageFolder
    programs: Programs
    charts: ChartSources
    registries: Registries
    materials: LockMaterials


@contextmanager
def open_workspace(folder: Path, programs: Programs, settings: RegistrySettings) -> Iterator[Workspace]:
    """Put a workspace together; connections and files are closed at its end."""
    inside = PackageFolder(folder)

    def open_file(text: str) -> tuple[ListedReferrers, Descriptor]:
        name = parse_source(text)
        named = f":{name.name}" if name.name else ""
        return open_source(f"{name.word}:{folder / name.path}{named}")

    with RegistryClient(settings) as client:
        git = GitSources(programs.git, inside)
        registries = Registries(lambda reference: client.repository(reference.name), open_file, git)
        charts = ChartSources(inside, programs.repositories, client.repository)
        materials = LockMaterials(inside, charts, registries, git, programs.kustomize)
        try:
            yield Workspace(inside, programs, charts, registries, materials)
        finally:
            materials.close()
