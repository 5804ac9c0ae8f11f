"""The bed itself: what a real node does, that nothing gets out unseen, and that nothing stays behind."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.cluster import AGNHOST, Cluster
from e2e.cluster.errors import BedError
from e2e.cluster.internet import Internet
from e2e.cluster.process import identity, is_alive, wait_until

_PODS = "/api/v1/namespaces/default/pods"
_KERNEL_SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops")


def pod(name: str, *arguments: str, **spec: Any) -> dict[str, Any]:
    """A pod that runs the test image once."""
    container = {"name": "c", "image": AGNHOST, "imagePullPolicy": "Never", "args": list(arguments)}
    mounts = spec.pop("mounts", ())
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{**container, "volumeMounts": list(mounts)}],
            **spec,
        },
    }


RunPod = Callable[..., tuple[str, str]]


@pytest.fixture
def run_pod(cluster: Cluster) -> RunPod:
    """Runs a pod to its end and returns its phase and what it logged; the pod is deleted."""

    def run(name: str, *arguments: str, **spec: Any) -> tuple[str, str]:
        path = f"{_PODS}/{name}"
        cluster.apply(_PODS, pod(name, *arguments, **spec))

        def ended() -> str | None:
            phase = (cluster.get(path) or {}).get("status", {}).get("phase")
            return phase if phase in {"Succeeded", "Failed"} else None

        try:
            phase = wait_until(ended, f"pod {name} to end", timeout_seconds=60)
            return phase, cluster.call(lambda api: api.text(f"{path}/log"))
        finally:
            cluster.delete(path)

    return run


def test_the_node_is_ready_with_the_runtime_that_was_built(cluster: Cluster) -> None:
    (node,) = (cluster.get("/api/v1/nodes") or {})["items"]
    info = node["status"]["nodeInfo"]
    assert (info["kubeletVersion"], info["containerRuntimeVersion"]) == ("v1.34.4", "containerd://2.2.9")
    assert {"type": "Ready", "status": "True"}.items() <= node["status"]["conditions"][-1].items()


def test_a_pod_runs_from_an_imported_image(run_pod: RunPod) -> None:
    phase, log = run_pod("runs", "help")
    assert phase == "Succeeded"
    assert "netexec" in log


def test_names_and_virtual_addresses_work_in_pods(run_pod: RunPod) -> None:
    assert run_pod("by-name", "connect", "--timeout=5s", "kubernetes.default.svc.cluster.local:443")[0] == "Succeeded"


def test_a_name_from_outside_does_not_exist(run_pod: RunPod) -> None:
    phase, log = run_pod("outer-name", "connect", "--timeout=5s", "registry-1.docker.io:443")
    assert phase == "Failed"
    assert "DNS" in log


def test_a_claim_gets_a_volume_that_any_pod_writes_to_and_that_goes_with_it(cluster: Cluster, run_pod: RunPod) -> None:
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    cluster.apply(claims, claim)
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    mount = {"name": "v", "mountPath": "/data"}
    nobody = {"runAsUser": 65534, "runAsNonRoot": True}
    wrote = run_pod(
        "writes", "mounttest", "--new_file_0644=/data/x", volumes=[volume], mounts=[mount], securityContext=nobody
    )
    assert wrote[0] == "Succeeded", wrote
    read = run_pod("reads", "mounttest", "--file_content=/data/x", volumes=[volume], mounts=[mount])
    assert 'content of file "/data/x": mount-tester new file' in read[1]
    (volume,) = (cluster.get("/api/v1/persistentvolumes") or {})["items"]
    folder = volume["spec"]["hostPath"]["path"]
    assert cluster.run_in_node("cat", f"{folder}/x") == "mount-tester new file\n"
    assert not Path(folder).exists()
    cluster.delete(f"{claims}/data")
    path = f"/api/v1/persistentvolumes/{volume['metadata']['name']}"
    wait_until(lambda: cluster.get(path) is None, "the volume to go", timeout_seconds=60)
    with pytest.raises(BedError, match="No such file"):
        cluster.run_in_node("ls", folder)


def test_an_image_can_be_mounted_as_a_volume(run_pod: RunPod) -> None:
    volume = {"name": "v", "image": {"reference": AGNHOST, "pullPolicy": "Never"}}
    mount = {"name": "v", "mountPath": "/image"}
    log = run_pod("image", "mounttest", "--file_mode=/image/agnhost", volumes=[volume], mounts=[mount])[1]
    assert 'mode of file "/image/agnhost": -rwxr-xr-x' in log


def test_pods_outlive_a_restart_of_containerd(cluster: Cluster, run_pod: RunPod) -> None:
    cluster.apply(_PODS, pod("stays", "pause"))

    def state() -> dict[str, Any]:
        statuses = (cluster.get(f"{_PODS}/stays") or {}).get("status", {}).get("containerStatuses", [{}])
        running: dict[str, Any] = statuses[0].get("state", {}).get("running", {})
        return running

    before = wait_until(state, "the pod to run", timeout_seconds=60)
    cluster.restart_containerd()
    assert run_pod("after-restart", "help")[0] == "Succeeded"
    assert state() == before
    cluster.delete(f"{_PODS}/stays")


def test_an_image_that_nobody_serves_is_not_pulled(cluster: Cluster) -> None:
    image = "docker.io/library/nowhere:1"
    with pytest.raises(BedError, match=r"(?i)failed|refused|no such host|unreachable"):
        cluster.run_in_node("ctr", "--namespace", "k8s.io", "images", "pull", image)
    assert image not in cluster.pulled_images()
    # The node asked the name server that its site does not have.
    assert [attempt for attempt in cluster.escape_attempts() if attempt.port == 53]


def test_an_attempt_to_leave_is_counted_with_its_destination(cluster: Cluster, run_pod: RunPod) -> None:
    before = cluster.escaped_packets()
    tried = subprocess.run(
        cluster.site_command(sys.executable, "-c", _CONNECT, "198.51.100.7", "443"), capture_output=True, check=False
    )
    assert b"ConnectionRefusedError" in tried.stderr
    assert cluster.escaped_packets() == before + 1
    assert run_pod("leaves", "connect", "--timeout=5s", "203.0.113.9:8443")[0] == "Failed"
    assert cluster.escaped_packets() > before + 1
    seen = {(attempt.address, attempt.protocol, attempt.port) for attempt in cluster.escape_attempts()}
    assert {("198.51.100.7", "tcp", 443), ("203.0.113.9", "tcp", 8443)} <= seen


def test_an_attempt_over_the_newer_protocol_is_counted_too(cluster: Cluster) -> None:
    before = cluster.escaped_packets()
    command = cluster.site_command(sys.executable, "-c", _CONNECT, "2001:db8:ffff::1", "443")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    assert cluster.escaped_packets() == before + 1


_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)"


def test_what_is_inside_the_site_is_not_counted(cluster: Cluster) -> None:
    before = cluster.escaped_packets()
    cluster.run_in_site(sys.executable, "-c", _CONNECT, cluster.node_address, "6443")
    cluster.run_in_site(sys.executable, "-c", _CONNECT, "10.96.0.1", "443")
    assert cluster.escaped_packets() == before


def test_the_internet_and_the_site_do_not_reach_each_other(cluster: Cluster, internet: Internet) -> None:
    address, _, port = internet.registry.partition(":")
    internet.run(sys.executable, "-c", _CONNECT, address, port)
    for run, target in ((cluster.run_in_site, (address, port)), (internet.run, (cluster.node_address, "6443"))):
        with pytest.raises(BedError, match=r"refused|unreachable"):
            run(sys.executable, "-c", _CONNECT, *target)


def test_the_machine_sees_nothing_of_the_node(cluster: Cluster) -> None:
    for folder in ("/etc/containerd/certs.d", "/etc", "/var/lib/kubelet", "/run/containerd", "/tmp"):
        marker = f"{folder}/{cluster.state.name}"
        cluster.run_in_node("touch", marker)
        assert not Path(marker).exists()
        cluster.run_in_node("rm", marker)
    assert str(cluster.state) not in Path("/proc/self/mountinfo").read_text()
    inside = cluster.run_in_node("cat", *(f"/proc/sys/{name}" for name in _KERNEL_SETTINGS)).split()
    assert inside == ["1", "0", "10", "1"]


def processes_inside(cluster: Cluster) -> set[str]:
    """All processes of the node and the namespaces' holders, by identity."""
    node = Path(f"/proc/{cluster.first_process}/ns/pid").readlink()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "ns/pid").readlink() == node or str(cluster.state) in (entry / "cmdline").read_text():
                found.add(identity(int(entry.name)))
        except OSError:  # ended meanwhile
            continue
    return found


def kernel_settings() -> list[str]:
    return [Path(f"/proc/sys/{name}").read_text() for name in _KERNEL_SETTINGS]


def control_groups(cluster: Cluster) -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").rglob("packhorse-e2e-*") if cluster.state.name in path.name]


def test_down_leaves_nothing(bin_dir: Path) -> None:
    settings = kernel_settings()
    cluster = Cluster(bin_dir)
    with cluster:
        processes = processes_inside(cluster)
        assert len(processes) > 10
        assert control_groups(cluster)
        namespace = cluster.node_namespace.stat().st_ino
        assert kernel_settings() == settings
    assert not {process for process in processes if is_alive(process)}
    assert not control_groups(cluster)
    assert not cluster.state.exists()
    assert kernel_settings() == settings
    assert cluster.state.name not in Path("/proc/self/mountinfo").read_text()
    assert namespace not in {path.stat().st_ino for path in Path("/run/netns").glob("*")}
    cluster.down()  # once more does nothing


_KILL_ITSELF = """
import os, signal, sys
from pathlib import Path
from e2e.cluster.cluster import Cluster
from e2e.cluster.node import Node

cluster = Cluster(Path(sys.argv[1]))
if sys.argv[2] == "half-way":
    def die(*_):
        print(cluster.state, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    Node.start_containerd = die
cluster.up()
print(cluster.state, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("when", ["half-way", "when it is up"])
def test_what_a_killed_run_leaves_is_removed_by_the_next(bin_dir: Path, when: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _KILL_ITSELF, str(bin_dir), when], capture_output=True, text=True, check=False
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    state = Path(run.stdout.strip())
    wait_until(lambda: not using(state), "the processes of the dead run to end", timeout_seconds=15)
    assert state.exists()
    with Cluster(bin_dir):
        assert not state.exists()
        assert not [path for path in Path("/sys/fs/cgroup").rglob("packhorse-e2e-*") if state.name in path.name]


def using(state: Path) -> list[str]:
    """Processes that name the state folder on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [entry.parent.name] if str(state) in entry.read_text() else []
        except OSError:  # ended meanwhile
            continue
    return found
