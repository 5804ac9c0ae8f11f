"""Helm, as far as deploying sees it, over a cluster in memory.

A chart is an archive as :func:`tests.support.deployable.pack_chart` makes it; its templates are plain YAML in which
``@name@`` stands for a value. Hooks, definitions and what left a chart are treated as Helm does.
"""

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from packhorse.base.errors import ClusterError
from packhorse.helm.model import ReleaseResult, ReleaseSpec, RenderedDocument, Rendering, RenderRequest
from packhorse.kube.errors import NotServedError
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind

__all__ = ["FakeHelm"]


@dataclass
class FakeHelm:
    cluster: MemoryCluster
    installs: list[ReleaseSpec] = field(default_factory=list)
    upgrades: list[bool] = field(default_factory=list)
    """For each installation, whether it was an upgrade."""
    fail: ClusterError | None = None
    knows_kinds: bool = False
    """Whether a preview fails when the cluster lacks a kind, as Helm's does."""
    killed: bool = False
    """Whether the next installation is cut off."""
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
            if self.knows_kinds:
                self._check_kind(obj)
            (hooks if _is_hook(obj) else manifest).append(document.text)
        before = self.status(spec.name, spec.namespace)
        if before is not None and before.status.startswith("pending-"):
            raise ClusterError("another operation (install/upgrade/rollback) is in progress")
        revision = before.revision + 1 if before is not None else 1
        return ReleaseResult(
            spec.name, spec.namespace, revision, "deployed", manifest="---\n".join(manifest), hooks=tuple(hooks)
        )

    def _check_kind(self, obj: KubeObject) -> None:
        try:
            self.cluster.is_namespaced(obj["apiVersion"], obj["kind"])
        except NotServedError as error:
            raise ClusterError(f'no matches for kind "{obj["kind"]}" in version "{obj["apiVersion"]}"') from error

    def install(self, spec: ReleaseSpec) -> ReleaseResult:
        if self.killed:
            self._record(
                self.preview(spec), "pending-upgrade" if self.status(spec.name, spec.namespace) else "pending-install"
            )
            raise KeyboardInterrupt
        self.installs.append(spec)
        before = self.status(spec.name, spec.namespace)
        self.upgrades.append(before is not None)
        for document in _documents(spec.chart, {}):
            if "/crds/" in document.source and before is None and self.fail is None:
                self.cluster.apply(yaml.safe_load(document.text), ApplyOptions(manager="helm"))
        result = self.preview(spec)
        if self.fail is not None:
            self._record(result, "failed")
            raise self.fail
        wanted = set()
        for obj in _objects(result):
            owned = _owned(obj, spec)
            wanted.add(ObjectIdentity.of(owned).key)
            self.cluster.apply(owned, ApplyOptions(manager="helm", force=spec.force_conflicts))
        for obj in _objects(before) if before is not None else ():
            identity = ObjectIdentity.of(_owned(obj, spec))
            if identity.key not in wanted:
                self.cluster.delete(identity)
        for secret in self._secrets(spec.name, spec.namespace):
            if secret["metadata"]["labels"]["status"] == "deployed":
                secret["metadata"]["labels"]["status"] = "superseded"
                self.cluster.replace(secret)
        self._record(result, "deployed")
        return result

    def uninstall(self, name: str, namespace: str, *, timeout_seconds: int = 300) -> bool:
        del timeout_seconds
        result = self.status(name, namespace)
        if result is None:
            return False
        for obj in _objects(result):
            self.cluster.delete(ObjectIdentity.of(_owned(obj, ReleaseSpec(name, namespace, Path()))))
        for secret in self._secrets(name, namespace):
            self.cluster.delete(ObjectIdentity.of(secret))
        return True

    def status(self, name: str, namespace: str) -> ReleaseResult | None:
        secrets = self._secrets(name, namespace)
        if not secrets:
            return None
        inner = base64.b64decode(base64.b64decode(secrets[0]["data"]["release"]))
        release = json.loads(gzip.decompress(inner))
        return ReleaseResult(
            name,
            namespace,
            release["version"],
            release["info"]["status"],
            manifest=release["manifest"],
            hooks=tuple(hook["manifest"] for hook in release["hooks"]),
        )

    def _secrets(self, name: str, namespace: str) -> list[KubeObject]:
        found = self.cluster.list(ServedKind("v1", "Secret"), namespace=namespace, labels=f"owner=helm,name={name}")
        return sorted(found, key=lambda each: -int(each["metadata"]["labels"]["version"]))

    def _record(self, result: ReleaseResult, status: str) -> None:
        secrets = self._secrets(result.name, result.namespace)
        version = int(secrets[0]["metadata"]["labels"]["version"]) + 1 if secrets else 1
        release = {
            "name": result.name,
            "namespace": result.namespace,
            "version": version,
            "info": {"status": status},
            "manifest": result.manifest,
            "hooks": [{"manifest": hook} for hook in result.hooks],
        }
        inner = base64.b64encode(gzip.compress(json.dumps(release).encode()))
        self.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "helm.sh/release.v1",
                "metadata": {
                    "name": f"sh.helm.release.v1.{result.name}.v{version}",
                    "namespace": result.namespace,
                    "labels": {"owner": "helm", "name": result.name, "status": status, "version": str(version)},
                },
                "data": {"release": base64.b64encode(inner).decode()},
            }
        )


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
