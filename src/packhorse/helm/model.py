"""What is rendered and installed, and what comes of it, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["ChartMetadata", "ReleaseResult", "ReleaseSpec", "RenderRequest", "RenderedDocument", "Rendering"]

ReleaseStatus = Literal[
    "unknown",
    "deployed",
    "uninstalled",
    "superseded",
    "failed",
    "uninstalling",
    "pending-install",
    "pending-upgrade",
    "pending-rollback",
]


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One rendering of a chart, without a cluster.

    Attributes:
        chart: A chart archive (``.tgz``) or an unpacked chart.
        values: YAML documents, each laid over the one before, as Helm's ``--values`` does. They may hold secrets.
        kube_version: Kubernetes version that the chart is told, as ``v1.34.0``; None for the renderer's own default.
        api_versions: Further APIs that the chart is told are there, as ``monitoring.coreos.com/v1``.
        include_crds: Whether the chart's ``crds/`` come with the rendering.
        is_upgrade: What ``.Release.IsUpgrade`` says.
    """

    release: str
    namespace: str
    chart: Path
    values: tuple[bytes, ...] = field(default=(), repr=False)
    kube_version: str | None = None
    api_versions: tuple[str, ...] = ()
    include_crds: bool = True
    is_upgrade: bool = False


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """One YAML document of a rendering.

    Attributes:
        source: The file it was made from, below the chart's own name: ``shop/templates/api.yaml``.
        text: The document, without its separator.
    """

    source: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a chart renders to, hooks included, in the renderer's order."""

    documents: tuple[RenderedDocument, ...]


@dataclass(frozen=True, slots=True)
class ChartMetadata:
    """What a chart says of itself in ``Chart.yaml``."""

    name: str
    version: str
    app_version: str = ""
    kube_version: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReleaseSpec:
    """A release as it shall be.

    Attributes:
        chart: The chart archive.
        values: YAML documents, each laid over the one before. They may hold secrets, and reach Helm through files that
            only this user can read.
        timeout_seconds: For each hook.
        description: Kept by Helm with the revision.
        labels: Kept by Helm on the revision's record.
        take_ownership: Adopt objects that no release or another one owns, instead of refusing.
        force_conflicts: Take over fields that other managers own, instead of refusing.
    """

    name: str
    namespace: str
    chart: Path
    values: tuple[bytes, ...] = field(default=(), repr=False)
    timeout_seconds: int = 300
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    take_ownership: bool = False
    force_conflicts: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """A release as Helm has it, at its latest revision.

    Attributes:
        revision: From 1.
        chart: Name of the chart.
        manifest: The objects without hooks, as YAML documents; it may hold secrets.
        hooks: The hooks, as YAML documents; they may hold secrets.
        notes: What the chart tells the user.
    """

    name: str
    namespace: str
    revision: int
    status: ReleaseStatus
    chart: str = ""
    chart_version: str = ""
    app_version: str = ""
    description: str = ""
    manifest: str = field(default="", repr=False)
    hooks: tuple[str, ...] = field(default=(), repr=False)
    notes: str = field(default="", repr=False)
