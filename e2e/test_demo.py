"""``make demo`` with a cluster: what the README promises when ``KUBECONFIG`` is set."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.cluster import Cluster
from e2e.completeness import check_completeness
from e2e.workplace import Workplace

_PROJECT = Path(__file__).resolve().parents[1]
_DEMO = _PROJECT / "scripts" / "demo.py"
_NAMESPACE = "noticeboard"


@pytest.fixture
def registry(cluster: Cluster) -> str:
    """Where the demo serves its bundle."""
    return f"{cluster.node_address}:5055"


@pytest.fixture
def node(cluster: Cluster, registry: str, tmp_path: Path) -> Iterator[Workplace]:
    """A node that pulls from where the demo will serve."""
    place = Workplace("the node", tmp_path, cluster.node_command)
    place.packhorse("node", "mirror", "--registry", f"http://{registry}", "--no-probe")
    yield place
    place.packhorse("node", "mirror", "--remove")
    cluster.forget_images()


def test_the_demo_deploys_where_there_is_a_cluster(
    cluster: Cluster, registry: str, node: Workplace, tmp_path: Path
) -> None:
    # The images are made where the package index is; in the site they are in the cache already.
    workshop = Workplace("the workshop", _PROJECT, lambda *argv: [str(word) for word in argv], {"HOME": str(tmp_path)})
    workshop.run(sys.executable, "-m", "corpus", "demo", "--out", tmp_path / "images")
    before = cluster.escape_attempts()
    # Helm keeps what it discovers of a cluster in the home folder.
    home = {"HOME": str(tmp_path)}
    environment = {**home, "KUBECONFIG": str(cluster.kubeconfig), "PACKHORSE_DEMO_LISTEN": registry}
    desk = Workplace("the site", _PROJECT, cluster.site_command, environment)
    said = desk.run(sys.executable, _DEMO).stdout
    assert "All of it worked" in said
    assert "Deploy it" in said
    # The handbook is optional, and the demo leaves it out.
    check_completeness(cluster, _PROJECT / ".cache" / "demo" / "packhorse.lock", ["noticeboard"])
    desk.packhorse("remove", _NAMESPACE, "--yes", "--delete-data")
    assert cluster.get(f"/api/v1/namespaces/{_NAMESPACE}") is None
    assert cluster.escape_attempts() == before
    assert node.run("cat", "/etc/containerd/certs.d/_default/hosts.toml").stdout
