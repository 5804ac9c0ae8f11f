"""A real node pulls from ``packhorse serve``, by names that nobody rewrote."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.cluster import Cluster
from e2e.cluster.images import ProgramImage, write_archive
from e2e.cluster.pki import Authority
from e2e.cluster.process import Daemon, wait_until
from e2e.workplace import Workplace

_PODS = "/api/v1/namespaces/default/pods"
_APPLICATION = "docker.io/library/application:1"
_DATA = "quay.io/some/data:2"


@pytest.fixture(scope="module")
def archive(bin_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "images.tar"
    images = [
        ProgramImage(_APPLICATION, bin_dir / "agnhost", arguments=("pause",)),
        ProgramImage(_DATA, bin_dir / "pause"),
    ]
    write_archive(path, images)
    return path


@pytest.fixture(scope="module", params=["http", "https"])
def registry(
    request: pytest.FixtureRequest, cluster: Cluster, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """Serves the archive, and has the node pointed at it by Packhorse."""
    folder = tmp_path_factory.mktemp("site")
    site = Workplace("the site", folder, cluster.site_command)
    node = Workplace("the node", folder, cluster.node_command)
    address = f"{cluster.node_address}:5080"
    serve: list[str | Path] = []
    mirror: list[str | Path] = ["--registry", f"{request.param}://{address}"]
    if request.param == "https":
        authority = Authority(folder, "site-ca")
        issued = authority.server("registry", [cluster.node_address])
        serve += ["--tls-cert", issued.certificate, "--tls-key", issued.key]
        # The node has no folder of this machine's: a file that it shall read is given to it.
        cluster.run_in_node("tee", "/tmp/site-ca.crt", stdin=authority.certificate.read_text())
        mirror += ["--ca-file", "/tmp/site-ca.crt"]
    server = site.start("serve", "serve", f"oci-archive:{archive}", "--listen", address, *serve)
    try:
        wait_until(lambda: address in server.log.read_text(), "packhorse serve", timeout_seconds=20, watching=[server])
        node.packhorse("node", "mirror", *mirror)
        yield server
        node.packhorse("node", "mirror", "--remove")
    finally:
        server.kill()
    cluster.forget_images()


def pod_status(cluster: Cluster) -> dict[str, Any]:
    status: dict[str, Any] = (cluster.get(f"{_PODS}/served") or {}).get("status", {})
    return status


def run_pod(cluster: Cluster) -> dict[str, Any]:
    """Run a pod with an image and an image volume, wait until it runs, and return its container's status."""
    container = {
        "name": "c",
        "image": "application:1",
        "imagePullPolicy": "Always",
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "data", "image": {"reference": _DATA, "pullPolicy": "Always"}}],
    }
    cluster.apply(_PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "served"}, "spec": spec})
    wait_until(lambda: pod_status(cluster).get("phase") == "Running", "the pod to run", timeout_seconds=60)
    status: dict[str, Any] = pod_status(cluster)["containerStatuses"][0]
    return status


def delete_pod(cluster: Cluster) -> None:
    cluster.delete(f"{_PODS}/served")
    wait_until(lambda: cluster.get(f"{_PODS}/served") is None, "the pod to go", timeout_seconds=60)


def test_a_node_pulls_images_and_image_volumes_by_their_own_names(
    cluster: Cluster, registry: Daemon, archive: Path
) -> None:
    before = cluster.escaped_packets()
    container = run_pod(cluster)
    pulled = cluster.pulled_images()
    assert {_APPLICATION, _DATA} <= set(pulled)
    assert container["imageID"] == f"docker.io/library/application@{pulled[_APPLICATION]}"
    # The digest that the node has is the one that the archive's author gave.
    listed = json.loads(cluster.run_in_site("tar", "-xOf", archive, "index.json"))
    assert pulled[_APPLICATION] in {entry["digest"] for entry in listed["manifests"]}
    assert cluster.escaped_packets() == before
    assert registry.is_running()
    delete_pod(cluster)


@pytest.mark.usefixtures("registry")
def test_after_containerd_restarts_with_nothing_left_it_pulls_again(cluster: Cluster) -> None:
    before = cluster.escaped_packets()
    run_pod(cluster)
    delete_pod(cluster)
    cluster.forget_images()
    assert cluster.pulled_images() == {}
    cluster.restart_containerd()
    run_pod(cluster)
    assert {_APPLICATION, _DATA} <= set(cluster.pulled_images())
    assert cluster.escaped_packets() == before
    delete_pod(cluster)


@pytest.mark.usefixtures("registry")
def test_an_image_that_the_registry_lacks_is_asked_for_nowhere_else(cluster: Cluster) -> None:
    before = cluster.escape_attempts()
    container = {"name": "c", "image": "docker.io/library/not-carried:1"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "served"}, "spec": {"containers": [container]}}
    cluster.apply(_PODS, body)

    def reason() -> str | None:
        statuses = pod_status(cluster).get("containerStatuses", ())
        found = [status["state"].get("waiting", {}) for status in statuses]
        return next((each["message"] for each in found if each.get("reason") == "ErrImagePull"), None)

    assert "not found" in wait_until(reason, "the pull to fail", timeout_seconds=60)
    assert cluster.escape_attempts() == before
    delete_pod(cluster)
