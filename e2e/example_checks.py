"""What is looked at in each example besides what its README shows, just before it is removed again."""

import hashlib
import json
import tarfile
from typing import Any, cast
from urllib.parse import quote

from corpus.layout import Layout
from e2e.cluster.cluster import Cluster
from e2e.cluster.process import wait_until
from e2e.completeness import check_completeness
from e2e.services import ask
from e2e.walkthrough import CACHE, Walk

__all__ = [
    "check_edge",
    "check_harbour",
    "check_kustomize",
    "check_operator",
    "check_platform",
    "check_program_of_node",
]

_CACHES = "/apis/caching.example.com/v1alpha1/namespaces/harbour/caches"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/harbour/deployments"
_SECONDS = 60


def check_operator(walk: Walk) -> None:
    """The cache is true for its generation, and is made true again when somebody spoils it."""
    cluster = walk.cluster
    wait_until(lambda: is_ready(cluster), "the cache to be ready", timeout_seconds=_SECONDS)
    check_completeness(cluster, walk.package / "packhorse.lock")
    cache = cluster.get(f"{_CACHES}/sessions") or {}
    before = cluster.get(f"{_DEPLOYMENTS}/sessions") or {}
    owner = {"kind": "Cache", "name": "sessions", "uid": cache["metadata"]["uid"], "controller": True}
    assert owner.items() <= before["metadata"]["ownerReferences"][0].items()
    cluster.delete(f"{_DEPLOYMENTS}/sessions")
    change = {key: cache[key] for key in ("apiVersion", "kind")}
    cluster.apply(_CACHES, {**change, "metadata": {"name": "sessions"}, "spec": {"memoryMegabytes": 96}})
    wait_until(
        lambda: (cluster.get(f"{_DEPLOYMENTS}/sessions") or before)["metadata"]["uid"] != before["metadata"]["uid"],
        "the operator to make the deployment again",
        timeout_seconds=_SECONDS,
    )
    wait_until(lambda: is_ready(cluster), "the cache to be ready again", timeout_seconds=_SECONDS)
    (server, _) = (cluster.get(f"{_DEPLOYMENTS}/sessions") or {})["spec"]["template"]["spec"]["containers"]
    assert "96mb" in server["args"]


def is_ready(cluster: Cluster) -> bool:
    """Tell whether the cache is ready, as it is now and not as it was before a change."""
    cache = cluster.get(f"{_CACHES}/sessions") or {}
    status, generation = cache.get("status", {}), cache["metadata"]["generation"]
    (ready,) = [each for each in status.get("conditions", ()) if each["type"] == "Ready"] or [{}]
    seen = {status.get("observedGeneration"), ready.get("observedGeneration")} == {generation}
    return seen and ready.get("status") == "True"


def check_harbour(walk: Walk) -> None:
    """A site that has chosen one component has pulled the images of this component."""
    check_completeness(walk.cluster, walk.package / "packhorse.lock", ["harbour"])


def check_kustomize(walk: Walk) -> None:
    """With both components everything was pulled."""
    check_completeness(walk.cluster, walk.package / "packhorse.lock")


def check_program_of_node(walk: Walk) -> None:
    """What was put on the node is the program that is in the image."""
    on_node = walk.cluster.run_in_node("sha256sum", "/usr/local/bin/lantern").split()[0]
    assert on_node == hash_in_image(Layout(CACHE / "internet-edge"), "linux/amd64", "usr/local/bin/lantern")


def check_edge(walk: Walk) -> None:
    """The node pulled its own platform; the gatherer found the node's lantern."""
    check_completeness(walk.cluster, walk.package / "packhorse.lock")
    (only,) = json.loads(ask(walk.cluster, "lantern", "gatherer", "/reports"))["reports"]
    assert only["report"]["uptimeSeconds"] > 0, only


def check_platform(walk: Walk) -> None:
    """Every target is up, the recorded series is there, and the alert has arrived."""
    check_completeness(walk.cluster, walk.package / "packhorse.lock")
    answer = json.loads(ask(walk.cluster, "monitoring", "prometheus", "/api/v1/targets"))["data"]
    targets = {item["labels"]["job"]: item["health"] for item in answer["activeTargets"]}
    wanted = ("alertmanager", "apiserver", "kubelet", "node-exporter", "prometheus")
    assert targets == dict.fromkeys(wanted, "up"), [item["lastError"] for item in answer["activeTargets"]]
    (busy,) = wait_until(
        lambda: query(walk.cluster, "site:cpu_busy:ratio"), "the recorded series", timeout_seconds=_SECONDS
    )
    assert 0 <= float(busy["value"][1]) <= 1
    (build,) = query(walk.cluster, "prometheus_build_info")
    assert build["metric"]["version"] == "3.13.5"
    alerts = json.loads(ask(walk.cluster, "monitoring", "alertmanager", "/api/v2/alerts"))
    assert [(each["labels"]["alertname"], each["status"]["state"]) for each in alerts] == [("Watchdog", "active")]


def query(cluster: Cluster, expression: str) -> list[dict[str, Any]]:
    """Give what Prometheus answers to a query."""
    answer = json.loads(ask(cluster, "monitoring", "prometheus", f"/api/v1/query?query={quote(expression)}"))
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def hash_in_image(layout: Layout, platform: str, path: str) -> str:
    """Give the SHA-256 of a file in the one image of a layout."""
    ((_, descriptor),) = layout.named()
    index = layout.read_json(str(descriptor["digest"]))
    (manifest,) = (
        layout.read_json(entry["digest"])
        for entry in cast("list[dict[str, Any]]", index["manifests"])
        if f"{entry['platform']['os']}/{entry['platform']['architecture']}" == platform
    )
    for layer in cast("list[dict[str, str]]", manifest["layers"]):
        with tarfile.open(layout.blob(layer["digest"])) as archive:
            if path in archive.getnames():
                content = archive.extractfile(path)
                assert content is not None
                return hashlib.sha256(content.read()).hexdigest()
    message = f"no layer has {path}"
    raise AssertionError(message)
