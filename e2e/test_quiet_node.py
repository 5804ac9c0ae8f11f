"""``node mirror`` on a running node: it and the programs that it starts speak to the registry and containerd alone."""

import json
from pathlib import Path

from e2e.cluster.cluster import Cluster
from e2e.cluster.images import ProgramImage, write_archive
from e2e.cluster.process import wait_until
from e2e.quiet.desk import judge
from e2e.quiet.events import Inet, Kind
from e2e.quiet.recorder import Recorder
from e2e.quiet.rule import Named
from e2e.workplace import PACKHORSE, Workplace

_CONTAINERD = "/run/containerd/containerd.sock"


def test_a_nodes_mirror_is_proven_by_asking_nobody_else(cluster: Cluster, bin_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    write_archive(archive, [ProgramImage("docker.io/library/tool:1", bin_dir / "pause")])
    registry = Inet(cluster.node_address, 5081)
    # The node has a /tmp of its own; this folder it sees as it is.
    folder = cluster.state / "quiet"
    folder.mkdir()
    node = Recorder(Workplace("the node", folder, cluster.node_command))
    site = Workplace("the site", tmp_path, cluster.site_command)
    before = cluster.escape_attempts()
    server = site.start("serve", "serve", f"oci-archive:{archive}", "--listen", str(registry))
    try:
        wait_until(lambda: "Serving" in server.log_tail(), "packhorse serve", timeout_seconds=20, watching=[server])
        words = ("--registry", f"http://{registry}", "--output", "json")
        recording = node.run(PACKHORSE, "node", "mirror", *words)
        assert json.loads(recording.stdout)["probe"]["outcome"] == "proven"
        judge(recording, Named(frozenset({registry}), sockets=frozenset({_CONTAINERD})))
        assert _CONTAINERD in {str(event.address) for event in recording.of(Kind.CONNECT)}
        judge(node.run(PACKHORSE, "node", "mirror", "--remove"), Named())
    finally:
        server.kill()
        node.place.packhorse("node", "mirror", "--remove")
    assert cluster.escape_attempts() == before
