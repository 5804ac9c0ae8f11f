"""What the rest asks of Helm and kustomize, as small Protocols.

All implementations may be called from several threads at once, and leave nothing behind on the disk.
"""

from pathlib import Path
from typing import Protocol

from packhorse.helm.model import ReleaseResult, ReleaseSpec, Rendering, RenderRequest

__all__ = ["ChartRenderer", "KustomizeBuilder", "ReleaseInstaller"]


class ChartRenderer(Protocol):
    """Renders charts without a cluster and without a network."""

    @property
    def description(self) -> str:
        """What renders, for people: ``Helm 4.1``."""

    def render(self, request: RenderRequest) -> Rendering:
        """Render a chart with its values, hooks included; the same request gives the same rendering.

        Raises:
            ConfigError: The chart or the values are wrong; the message has the template's position where Helm gave
                one. Also: the renderer can't tell a chart the Kubernetes version that was asked for.
        """


class ReleaseInstaller(Protocol):
    """Installs charts into one cluster. It waits for hooks and for nothing else: readiness is the caller's."""

    def install(self, spec: ReleaseSpec) -> ReleaseResult:
        """Install the release, or upgrade it when there is one; objects are applied by the server.

        Not idempotent: each call makes a revision, even when nothing differs. When a hook or an object fails, the
        revision stays as ``failed``; the one before it is not touched further.

        Raises:
            ClusterError: The cluster can't be reached or refuses, another operation is under way, or a hook fails.
            ConfigError: The chart or the values are wrong.
        """

    def preview(self, spec: ReleaseSpec) -> ReleaseResult:
        """Render what :meth:`install` would apply, with the cluster's own APIs and lookups, and change nothing.

        Raises:
            ClusterError, ConfigError: As for :meth:`install`.
        """

    def uninstall(self, name: str, namespace: str, *, timeout_seconds: int = 300) -> bool:
        """Remove a release with its objects and history; False when there is none, which is no error.

        Raises:
            ClusterError: The cluster can't be reached or refuses, or a hook fails.
        """

    def status(self, name: str, namespace: str) -> ReleaseResult | None:
        """Return the release at its latest revision; None when there is none.

        Raises:
            ClusterError: The cluster can't be reached or refuses.
        """


class KustomizeBuilder(Protocol):
    """Builds kustomizations without a network."""

    def build(self, folder: Path, *, root: Path) -> bytes:
        """Return the objects as YAML documents; the same folder gives the same bytes.

        Args:
            folder: Has the ``kustomization.yaml``.
            root: Everything that it leads to must lie in this folder.

        Raises:
            ConfigError: It is wrong, needs something from the network, or leads out of ``root``.
        """
