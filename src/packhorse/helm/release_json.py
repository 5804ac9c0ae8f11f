"""Reading a release as Helm prints it in JSON."""

import msgspec

from packhorse.base.errors import ClusterError
from packhorse.base.json_decoder import decode_as
from packhorse.helm.model import ReleaseResult, ReleaseStatus

__all__ = ["read_release"]


class _Info(msgspec.Struct, frozen=True):
    status: ReleaseStatus = "unknown"
    description: str = ""
    notes: str = ""


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    version: str = ""
    app_version: str = ""


class _Chart(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


class _Hook(msgspec.Struct, frozen=True):
    manifest: str = ""


class _Release(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""
    version: int = 0
    info: _Info = _Info()
    chart: _Chart | None = None
    manifest: str = ""
    hooks: list[_Hook] | None = None


def read_release(content: bytes) -> ReleaseResult:
    """Read what ``helm status`` and ``helm upgrade`` print with ``--output json``.

    Raises:
        ClusterError: It is not what Helm 3 and 4 print.
    """
    try:
        found = decode_as(content, _Release)
    except msgspec.DecodeError as error:
        raise ClusterError(f"expected a release in JSON from Helm, found something else: {error}") from error
    metadata = found.chart.metadata if found.chart else _Metadata()
    return ReleaseResult(
        name=found.name,
        namespace=found.namespace,
        revision=found.version,
        status=found.info.status,
        chart=metadata.name,
        chart_version=metadata.version,
        app_version=metadata.app_version,
        description=found.info.description,
        manifest=found.manifest,
        hooks=tuple(hook.manifest for hook in found.hooks or ()),
        notes=found.info.notes,
    )
