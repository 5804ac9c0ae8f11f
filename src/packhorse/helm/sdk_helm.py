"""Helm within this process, by the optional ``helm-python-sdk`` wheel (extra ``helm-sdk``).

For machines without the ``helm`` program. It renders the same objects, with limits of the wheel: the Kubernetes
version that charts are told is fixed, and further API versions can't be named. Both are refused, not ignored.
"""

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from packhorse.base.errors import ConfigError
from packhorse.helm.chart_archive import MAX_CHART_BYTES, pack, unpack
from packhorse.helm.model import RenderedDocument, Rendering, RenderRequest
from packhorse.helm.rendered_text import split_rendered

__all__ = ["SdkHelm", "sdk_renderer"]

_MODULE = "helm_python"
_PROBE = {
    "Chart.yaml": b"apiVersion: v2\nname: probe\nversion: 0.0.0\n",
    "templates/version.yaml": b"{{ .Capabilities.KubeVersion.Version }}|{{ .Capabilities.HelmVersion.Version }}",
}
_REMOTE_REFERENCE = re.compile(rb'"\$ref"\s*:\s*"(https?://[^"]+)"')


class SdkHelm:
    """Renders charts; see :class:`packhorse.helm.ports.ChartRenderer`."""

    @cached_property
    def _sdk(self) -> Any:
        try:
            return importlib.import_module(_MODULE)
        except (ImportError, OSError) as error:
            raise ConfigError(f"the Helm SDK can't be loaded: {error}", hint="install Helm 3.14 or newer") from error

    @cached_property
    def _versions(self) -> tuple[str, str]:
        """What it tells charts: the Kubernetes version, and its own."""
        with self._sdk.Chart.load_archive(pack("probe", _PROBE)) as chart:
            rendered: Mapping[str, str] = chart.render({}, name="probe", namespace="default")
        kubernetes, _, own = rendered["probe/templates/version.yaml"].partition("|")
        return kubernetes.strip(), own.strip()

    @property
    def description(self) -> str:
        """What renders, for people: ``Helm SDK 4.2``."""
        return f"Helm SDK {self._versions[1].removeprefix('v')}"

    def render(self, request: RenderRequest) -> Rendering:
        """Render a chart archive in this process."""
        self._check(request)
        content = request.chart.read_bytes()
        _check_schemas(content, request.chart.name)
        values: dict[str, Any] = {}
        try:
            for document in request.values:
                values = _merged(values, self._sdk.values_from_yaml(document.decode()))
            # A handle is good for one rendering: conditions and imports change the chart that it holds.
            with self._sdk.Chart.load_archive(content) as chart:
                definitions = chart.crds if request.include_crds else []
                rendered = chart.render(
                    values, name=request.release, namespace=request.namespace, is_upgrade=request.is_upgrade
                )
        except self._sdk.HelmError as error:
            raise ConfigError(f"rendering chart {request.chart.name}: {error}") from error
        documents = [*_definitions(definitions), *_documents(rendered)]
        return Rendering(tuple(documents))

    def _check(self, request: RenderRequest) -> None:
        ours = self._versions[0]
        if request.kube_version is not None and _minor(request.kube_version) != _minor(ours):
            raise ConfigError(
                f"the Helm SDK tells charts that Kubernetes is {ours}, and {request.kube_version} is asked for",
                hint=f"install Helm 3.14 or newer, or set kubernetes.version to {ours} in packhorse.yaml",
            )
        if request.api_versions:
            names = ", ".join(request.api_versions)
            raise ConfigError(
                f"the Helm SDK can't tell charts of further API versions ({names})",
                hint="install Helm 3.14 or newer",
            )


def sdk_renderer() -> SdkHelm | None:
    """Return the renderer where the wheel is installed."""
    return SdkHelm() if importlib.util.find_spec(_MODULE) is not None else None


def _definitions(definitions: list[Mapping[str, str]]) -> Iterator[RenderedDocument]:
    for definition in definitions:
        for document in split_rendered(definition["data"]):
            yield RenderedDocument(definition["filename"], document.text)


def _documents(rendered: Mapping[str, str]) -> Iterator[RenderedDocument]:
    for path in sorted(rendered):
        if path.endswith("NOTES.txt") or path.rpartition("/")[2].startswith("_"):
            continue
        for document in split_rendered(rendered[path]):
            yield RenderedDocument(path, document.text)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one map of values over another, as Helm does with several ``--values``."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def _check_schemas(content: bytes, name: str) -> None:
    if len(content) > MAX_CHART_BYTES:
        raise ConfigError(f"chart {name} is larger than Helm reads")
    for path, schema in unpack(content, name).files.items():
        match = _REMOTE_REFERENCE.search(schema) if path.endswith("values.schema.json") else None
        if match is not None:
            raise ConfigError(
                f"rendering chart {name}: {path} refers to {match[1].decode()}",
                hint="charts are rendered without a network: put what it refers to into the chart",
            )


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.removeprefix("v").split(".")[:2])
