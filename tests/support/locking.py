"""A package in a folder and a registry that stands for all others, for tests that lock and build."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packhorse.app.lock import LockInput, LockResult, lock_package
from packhorse.app.lock_check import check_lock
from packhorse.app.lock_discovery import discovery_in
from packhorse.app.package_folder import PackageFolder
from packhorse.app.workspace import Programs, Workspace, open_workspace
from packhorse.base.events import NullReporter
from packhorse.base.program import Program
from packhorse.oci.mirrors import MirrorTable, parse_mirror
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import RetryPolicy
from packhorse.package import definition
from packhorse.package.lock import Lock
from tests.support.registry import Registry

HEAD = "apiVersion: packhorse.dev/v1alpha1\nkind: Package\nmetadata: {name: shop, version: 1.0.0}\n"
HOSTS = ("docker.io", "example.com")
"""Registries for which the one on loopback answers, where a test names no others."""


def stand_in(name: str) -> str:
    """The repository that a registry or an image has in the one on loopback: a port can stand in none."""
    return name.replace(":", "-")


class Shop:
    """A package that is written piece by piece."""

    def __init__(
        self, folder: Path, registry: Registry, programs: Programs | None = None, hosts: tuple[str, ...] = HOSTS
    ) -> None:
        self.folder = folder
        self.hosts = hosts
        self.registry = registry
        self.programs = programs or Programs(git=Program(Path("/nowhere/git")))

    def write(self, path: str, text: str) -> None:
        """Write a file of the package."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def define(self, text: str, head: str = HEAD) -> None:
        """Write the definition, but for its head."""
        self.write("packhorse.yaml", head + text)

    def lock(self, known: Lock | None = None, **settings: Any) -> LockResult:
        """Lock it."""
        with self.opened(known, settings) as (what, workspace):
            return lock_package(what, discovery_in(workspace, what.package), workspace.registries, NullReporter())

    def check(self, known: Lock | None, **settings: Any) -> None:
        """Hold a lock against it."""
        with self.opened(known, settings) as (what, workspace):
            check_lock(what, discovery_in(workspace, what.package), NullReporter())

    @contextmanager
    def opened(self, known: Lock | None, settings: dict[str, Any]) -> Iterator[tuple[LockInput, Workspace]]:
        """Open it with the registry's address."""
        loaded = definition.load(self.folder)
        what = LockInput(
            folder=PackageFolder(self.folder), definition=loaded.digest, package=loaded.package, known=known, **settings
        )
        mirrors = tuple(parse_mirror(f"{host}={self.registry.url}/{stand_in(host)}") for host in self.hosts)
        reach = RegistrySettings(mirrors=MirrorTable(mirrors, mirror_only=True), retry=RetryPolicy(tries=1))
        with open_workspace(self.folder, self.programs, reach) as workspace:
            yield what, workspace
