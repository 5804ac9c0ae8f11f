"""Helm, as far as deploying sees it, over a cluster in memory.

A chart is an archive as :func:`tests.support.deployable.pack_chart` makes it; its templates are plain YAML in which
``@name@`` stands for a value. Hooks, definitions and what left a chart are treated as Helm does.
"""

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from packhorse.base.errors import ClusterError
from packhorse.helm.model import ReleaseResult, ReleaseSpec, RenderedDocument, Rendering, RenderRequest
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions

__all__ = ["FakeHelm"]


@dataclass
class FakeHelm:
    cluster: MemoryCluster
    releases: dict[tuple[str, str], ReleaseResult] = field(default_factory=dict)
    installs: list[ReleaseSpec] = field(default_factory=list)
    fail: ClusterError | None = None
    description: str = "Helm of the tests"

    def render(self, request: RenderRequest) -> Rendering:
        return Rendering(tuple(_documents(request.chart, _values(request.values))))

    def preview(self, spec: ReleaseSpec) -> ReleaseResult:
        manifest: list[str] = []
        hooks: list[str] = []
        for document in _documents(spec.chart, _values(spec.values)):
            obj = yaml.safe_load(document.text)
            if "/crds/" in document.source:
                continue
            (hooks if _is_hook(obj) else manifest).append(document.text)
        before = self.releases.get((spec.namespace, spec.name))
        revision = before.revision + 1 if before is not None else 1
        return ReleaseResult(
            spec.name, spec.namespace, revision, "deployed", manifest="---\n".join(manifest), hooks=tuple(hooks)
        )

    def install(self, spec: ReleaseSpec) -> ReleaseResult:
        self.installs.append(spec)
        result = self.preview(spec)
        before = self.releases.get((spec.namespace, spec.name))
        if self.fail is not None:
            self.releases[spec.namespace, spec.name] = replace(before or result, status="failed")
            raise self.fail
        for document in _documents(spec.chart, {}):
            if "/crds/" in document.source and before is None:
                self.cluster.apply(yaml.safe_load(document.text), ApplyOptions(manager="helm"))
        wanted = set()
        for obj in _objects(result):
            owned = _owned(obj, spec)
            wanted.add(ObjectIdentity.of(owned).key)
            self.cluster.apply(owned, ApplyOptions(manager="helm"))
        for obj in _objects(before) if before is not None else ():
            identity = ObjectIdentity.of(_owned(obj, spec))
            if identity.key not in wanted:
                self.cluster.delete(identity)
        self.releases[spec.namespace, spec.name] = result
        return result

    def uninstall(self, name: str, namespace: str, *, timeout_seconds: int = 300) -> bool:
        del timeout_seconds
        result = self.releases.pop((namespace, name), None)
        if result is None:
            return False
        for obj in _objects(result):
            self.cluster.delete(ObjectIdentity.of(_owned(obj, ReleaseSpec(name, namespace, Path()))))
        return True

    def status(self, name: str, namespace: str) -> ReleaseResult | None:
        return self.releases.get((namespace, name))


def _documents(chart: Path, values: Mapping[str, Any]) -> Iterator[RenderedDocument]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(chart.read_bytes()))) as archive:
        for member in archive.getmembers():
            if "/templates/" not in member.name and "/crds/" not in member.name:
                continue
            reader = archive.extractfile(member)
            assert reader is not None
            text = reader.read().decode()
            for name, value in values.items():
                text = text.replace(f"@{name}@", str(value))
            for document in text.split("---\n"):
                yield RenderedDocument(member.name, document)


def _values(layers: tuple[bytes, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(yaml.safe_load(layer))
    return merged


def _objects(result: ReleaseResult) -> list[KubeObject]:
    return [obj for obj in yaml.safe_load_all(result.manifest) if obj]


def _is_hook(obj: KubeObject) -> bool:
    return "helm.sh/hook" in obj["metadata"].get("annotations", {})


def _owned(obj: KubeObject, spec: ReleaseSpec) -> KubeObject:
    metadata = dict(obj["metadata"])
    metadata.setdefault("namespace", spec.namespace)
    metadata["labels"] = {**metadata.get("labels", {}), "app.kubernetes.io/managed-by": "Helm"}
    metadata["annotations"] = {
        **metadata.get("annotations", {}),
        "meta.helm.sh/release-name": spec.name,
        "meta.helm.sh/release-namespace": spec.namespace,
    }
    return {**obj, "metadata": metadata}
