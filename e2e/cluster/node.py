"""One node: a first process in namespaces of its own, the node's settings, and the programs that run on it.

The node has the machine's programs and libraries, but its own ``/etc`` and ``/usr/local`` (layers over those of the
machine), ``/run``, ``/tmp``, ``/var/lib`` and ``/var/log``. Containerd and the kubelet are on their usual paths, which
nothing outside sees.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster import first_process
from e2e.cluster.errors import BedError
from e2e.cluster.images import PAUSE
from e2e.cluster.network import NetworkNamespace, SiteNetwork
from e2e.cluster.pki import Authority, Issued
from e2e.cluster.process import Daemon, wait_until

__all__ = ["NAME", "Node"]

NAME = "node-1"
_PROJECT = Path(__file__).resolve().parents[2]
# The caller's own search path stays, behind the node's programs.
_WITH_PROGRAMS = 'PATH="$0:$PATH:/usr/sbin:/sbin"; export PATH; exec "$@"'
_VOLUMES = "/var/lib/volumes"
_CERTS_D = Path("/etc/containerd/certs.d")
_START_SECONDS = 15.0
_PRIVATE = ("/run", "/tmp", "/var/lib", "/var/log")
# What a kubelet sets for the whole machine when it finds anything else (its own source: kernel tunables).
_KUBELET_SETTINGS = {
    "kernel/keys/root_maxbytes": 25_000_000,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
}
_CONTAINERD = f"""\
version = 3
# Nothing here may lower a process's out-of-memory score (that takes CAP_SYS_RESOURCE), so containerd must not try.
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '/etc/cni/net.d'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE}'
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '{_CERTS_D}'
"""


class Node:
    """A node whose namespaces are there from the start, and whose programs are started one by one."""

    def __init__(self, network: NetworkNamespace, programs: Path, state: Path, logs: Path) -> None:
        """Make the node's folders and start its first process.

        Args:
            network: Where it stands.
            programs: The folder with the built programs.
            state: A folder of the node's own; on a file system that overlays can be made on.
            logs: Where each program's log goes.
        """
        self._network = network
        self._programs = programs
        self._state = state
        self._logs = logs
        self._daemons: dict[str, Daemon] = {}
        settings = self._write_settings()
        self._namespaces = Daemon(
            "node",
            network.command(
                *("unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--mount-proc"),
                *(sys.executable, "-I", "-S", first_process.__file__, settings),
            ),
            logs / "node.log",
        )
        try:
            wait_until(
                (state / "ready").exists,
                "the node's mounts",
                timeout_seconds=_START_SECONDS,
                watching=[self._namespaces],
            )
        except BaseException:
            self._namespaces.kill()
            raise
        (self.first_process,) = _children(self._namespaces.pid)

    def command(self, *argv: str | Path) -> list[str]:
        """Return the command line that runs ``argv`` on the node, in all its namespaces, with the node's programs."""
        return [
            *("nsenter", f"--target={self.first_process}", "--net", "--mount", "--pid", "--"),
            *("sh", "-c", _WITH_PROGRAMS, str(self._programs), *map(str, argv)),
        ]

    def run(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run a program on the node to its end and return what it printed.

        Raises:
            BedError: It ended with an error; the message has what it said.
        """
        done = subprocess.run(self.command(*argv), input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BedError(f"on the node: {' '.join(map(str, argv))}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def start(self, name: str, argv: Sequence[str | Path]) -> Daemon:
        """Start a program that goes on running on the node."""
        daemon = Daemon(name, self.command(*argv), self._logs / f"{name}.log")
        self._daemons[name] = daemon
        return daemon

    def stop(self, name: str) -> None:
        """Kill one program that :meth:`start` started; what it started itself goes on."""
        daemon = self._daemons.pop(name)
        # The daemon we know is nsenter, which waits for its one child, the program, inside the namespace.
        for child in _children(daemon.pid):
            os.kill(child, signal.SIGKILL)
        wait_until(lambda: not daemon.is_running(), f"{name} to end", timeout_seconds=_START_SECONDS)

    def start_containerd(self) -> None:
        """Start containerd, and return when it answers and its CRI service is up.

        Raises:
            BedError: It ended, or did not answer in time.
        """
        daemon = self.start("containerd", ["containerd"])
        wait_until(self._containerd_answers, "containerd to answer", timeout_seconds=_START_SECONDS, watching=[daemon])

    def start_kubelet(self, authority: Authority, kubeconfig: Path, cgroup: str) -> Daemon:
        """Start the kubelet."""
        server = authority.server("kubelet-server", [NAME, SiteNetwork.node_address, "127.0.0.1"])
        configuration = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": SiteNetwork.node_address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(server.certificate),
            "tlsPrivateKeyFile": str(server.key),
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "enforceNodeAllocatable": ["pods"],
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [SiteNetwork.dns_address],
            "clusterDomain": "cluster.local",
            "resolvConf": "/etc/resolv.conf",
            "healthzBindAddress": "127.0.0.1",
            # A test machine's disk may be nearly full without any harm to the tests.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "featureGates": {"ImageVolume": True},
        }
        path = self._state / "kubelet.json"
        path.write_text(json.dumps(configuration, indent=1))
        return self.start(
            "kubelet",
            [
                "kubelet",
                f"--config={path}",
                f"--kubeconfig={kubeconfig}",
                f"--hostname-override={NAME}",
                f"--node-ip={SiteNetwork.node_address}",
            ],
        )

    def start_kube_proxy(self, kubeconfig: Path) -> Daemon:
        """Start kube-proxy, in its nftables mode."""
        return self.start(
            "kube-proxy",
            [
                "kube-proxy",
                f"--kubeconfig={kubeconfig}",
                "--proxy-mode=nftables",
                f"--cluster-cidr={SiteNetwork.pod_range}",
                f"--hostname-override={NAME}",
                # The table's size is the machine's, not the namespace's.
                "--conntrack-max-per-core=0",
                "--healthz-bind-address=127.0.0.1:10256",
                "--metrics-bind-address=127.0.0.1:10249",
            ],
        )

    def start_storage(self, authority: Authority, user: Issued) -> Daemon:
        """Start what gives claims their volumes."""
        return self.start(
            "storage",
            [
                *("env", f"PYTHONPATH={_PROJECT}", sys.executable, "-m", "e2e.cluster.storage"),
                *(SiteNetwork.node_address, "6443", authority.certificate, user.certificate, user.key, _VOLUMES),
            ],
        )

    def import_archive(self, archive: Path, references: Sequence[str]) -> None:
        """Put images from an archive into containerd, out of the garbage collectors' reach."""
        self.run("ctr", "--namespace", "k8s.io", "images", "import", "--local", archive)
        for reference in references:
            self.run("ctr", "--namespace", "k8s.io", "images", "label", reference, "io.cri-containerd.pinned=pinned")

    def images(self) -> dict[str, str]:
        """Return the digest of each image that containerd has, by reference."""
        lines = self.run("ctr", "--namespace", "k8s.io", "images", "list").splitlines()[1:]
        rows = [line.split() for line in lines]
        return {row[0]: row[2] for row in rows if not row[0].startswith("sha256:")}

    def close(self) -> None:
        """End everything on the node at once, and return when all of it has ended."""
        if self._namespaces.is_running():
            os.kill(self.first_process, signal.SIGKILL)
        # unshare collects the first process, which the kernel lets end only after all the others in its namespace.
        wait_until(
            lambda: not self._namespaces.is_running(), "the node's processes to end", timeout_seconds=_START_SECONDS
        )
        for daemon in self._daemons.values():
            daemon.kill()

    def _containerd_answers(self) -> bool:
        done = subprocess.run(
            self.command("ctr", "--connect-timeout", "1s", "plugins", "list", "id==cri"),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0 and " ok" in done.stdout

    def _write_settings(self) -> Path:
        etc, local = self._state / "etc", self._state / "usr-local"
        for layer in (etc / "work", local / "upper", local / "work"):
            layer.mkdir(parents=True)
        for name, text in (
            ("containerd/config.toml", _CONTAINERD),
            ("cni/net.d/10-node.conflist", json.dumps(_cni_configuration(), indent=1)),
            ("resolv.conf", f"nameserver {SiteNetwork.outer_name_server}\n"),
            ("hosts", f"127.0.0.1 localhost\n{SiteNetwork.node_address} {NAME}\n"),
        ):
            path = etc / "upper" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (etc / "upper" / _CERTS_D.relative_to("/etc")).mkdir()
        private = {target: str(self._state / target.strip("/").replace("/", "-")) for target in _PRIVATE}
        for folder in private.values():
            Path(folder).mkdir()
        Path(private["/tmp"]).chmod(0o1777)
        files = {}
        for setting, value in _KUBELET_SETTINGS.items():
            path = self._state / "kernel-settings" / setting
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")
            files[f"/proc/sys/{setting}"] = str(path)
        needed = (_PROJECT, self._programs, self._state.parent, Path(sys.prefix), Path(sys.base_prefix))
        settings = {
            "private": private,
            "overlays": {"/etc": str(etc), "/usr/local": str(local)},
            "files": files,
            "keep": sorted({path for path in (str(each.resolve()) for each in needed) if path.startswith(_PRIVATE)}),
            "ready": str(self._state / "ready"),
        }
        path = self._state / "settings.json"
        path.write_text(json.dumps(settings, indent=1))
        return path


def _cni_configuration() -> dict[str, object]:
    """One bridge for all pods, whose default route leads to the node, and so to the border."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": SiteNetwork.pod_range}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
