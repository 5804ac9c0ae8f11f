"""A whole Kubernetes cluster of one node on a network that leads nowhere.

::

    with Cluster(ensure_programs()) as cluster:
        subprocess.run(cluster.site_command("kubectl", f"--kubeconfig={cluster.kubeconfig}", "get", "nodes"))
        assert cluster.escaped_packets() == 0

Ready in some six seconds, gone in a fifth of one. It needs root. On the machine it shows as processes, as a folder of
its own under the state folder, and as control groups; everything else (network, mounts, ``/etc/containerd``,
``/var/lib/kubelet``, pods) is in namespaces that go with the processes, and the processes go with the one that made the
cluster. Folders and control groups of a cluster whose maker was killed are removed by the next that starts.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import yaml

from e2e.cluster import cgroups, node
from e2e.cluster.build import CACHE
from e2e.cluster.control_plane import ControlPlane, Credentials, Endpoints, make_credentials
from e2e.cluster.errors import BedError
from e2e.cluster.images import PAUSE, ProgramImage, write_archive
from e2e.cluster.kube_api import Json, KubeApi
from e2e.cluster.network import Attempt, SiteNetwork
from e2e.cluster.pki import write_kubeconfig
from e2e.cluster.process import Daemon, wait_until
from e2e.cluster.state import new_owner, remove_stale_folders

__all__ = ["AGNHOST", "Cluster"]

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.56"

_T = TypeVar("_T")
_ADDONS = Path(__file__).with_name("addons.yaml")
_COREDNS = "registry.k8s.io/coredns/coredns:v1.14.7"
_READY_SECONDS = 120.0
# Where the objects of each kind of the add-ons live, below the API's root.
_COLLECTIONS = {
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ConfigMap": "api/v1/namespaces/kube-system/configmaps",
    "Deployment": "apis/apps/v1/namespaces/kube-system/deployments",
    "Service": "api/v1/namespaces/kube-system/services",
    "ServiceAccount": "api/v1/namespaces/kube-system/serviceaccounts",
    "StorageClass": "apis/storage.k8s.io/v1/storageclasses",
}


class Cluster:
    """One cluster; ``up`` and ``down``, or a ``with`` block."""

    def __init__(self, programs: Path, state_root: Path = CACHE / "state") -> None:
        """Choose where things are; nothing is started yet.

        Args:
            programs: The folder with the built programs.
            state_root: Where each cluster has a folder of its own, on a file system that overlays can be made on
                (not itself an overlay).
        """
        self._programs = programs
        self._owner = new_owner()
        self._state_root = state_root
        self.state = state_root / self._owner
        self._stack = ExitStack()
        self._network: SiteNetwork | None = None
        self._node: node.Node | None = None
        self._credentials: Credentials | None = None
        self._own_images: set[str] = set()
        # How long each step of the last start took to come about, counted from its beginning, in seconds.
        self.timings: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Bring it up."""
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it down."""
        self.down()

    def up(self) -> None:
        """Start everything; return when the node is Ready and the cluster's name service answers.

        Raises:
            BedError: A part did not start. What had been started is taken down again.
        """
        if os.geteuid() != 0:
            raise BedError("a cluster needs root: it makes network, mount and process namespaces")
        cgroups.remove_stale()
        remove_stale_folders(self._state_root)
        try:
            self._start()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End everything and remove every trace. Can be called at any time, also twice."""
        self._network = self._node = self._credentials = None
        self._stack.close()

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig for the administrator; it holds good inside the site only."""
        return self._running()[2].admin_kubeconfig

    @property
    def api_url(self) -> str:
        """The API server's URL inside the site."""
        return f"https://{SiteNetwork.node_address}:6443"

    @property
    def node_address(self) -> str:
        """The one address of the site: the node's, and so that of everything run in the site."""
        return SiteNetwork.node_address

    @property
    def node_namespace(self) -> Path:
        """The site's network namespace, for ``nsenter --net=``."""
        return self._running()[0].site.path

    @property
    def first_process(self) -> int:
        """The id, on the machine, of the node's first process, for ``nsenter --target=``."""
        return self._running()[1].first_process

    @property
    def logs(self) -> Path:
        """The folder with the log of each program."""
        return self.state / "log"

    def site_command(self, *argv: str | Path) -> list[str]:
        """Return the command line that runs ``argv`` on the site's network, with the machine's own files."""
        return self._running()[0].site.command(*argv)

    def node_command(self, *argv: str | Path) -> list[str]:
        """Return the command line that runs ``argv`` on the node: its network, files and processes.

        The working directory is the root. Of ``/run``, ``/tmp``, ``/var/lib`` and ``/var/log`` only the project's own
        tree is the machine's.
        """
        return self._running()[1].command(*argv)

    def run_in_site(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run a program on the site's network and return what it printed; :class:`BedError` if it fails."""
        return self._running()[0].site.run(*argv, stdin=stdin)

    def run_in_node(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run a program on the node and return what it printed; :class:`BedError` if it fails."""
        return self._running()[1].run(*argv, stdin=stdin)

    def start_on_node(self, name: str, *argv: str | Path) -> Daemon:
        """Start a program on the node that goes on running until it is stopped, or the node ends."""
        return self._running()[1].start(name, argv)

    def stop_on_node(self, name: str) -> None:
        """Kill a program that :meth:`start_on_node` started."""
        self._running()[1].stop(name)

    def call(self, function: Callable[[KubeApi], _T]) -> _T:
        """Call ``function`` on the site's network with a client for the cluster's API, as its administrator."""
        network, _, credentials = self._running()
        api = KubeApi(SiteNetwork.node_address, 6443, credentials.authority.certificate, credentials.admin)
        return network.site.call(lambda: function(api))

    def get(self, path: str) -> Json | None:
        """Return one object or list of the API, ``None`` if there is none."""
        return self.call(lambda api: api.get(path))

    def apply(self, collection: str, body: Json) -> Json:
        """Apply one object, as :meth:`KubeApi.apply` does."""
        return self.call(lambda api: api.apply(collection, body))

    def delete(self, path: str) -> None:
        """Ask for one object to be deleted."""
        self.call(lambda api: api.request("DELETE", path))

    def remove_namespace(self, name: str) -> None:
        """Delete a namespace of the API, and wait until it and all in it is gone. Does nothing if there is none."""
        path = f"/api/v1/namespaces/{name}"
        if self.get(path) is not None:
            self.delete(path)
        wait_until(lambda: self.get(path) is None, f"the namespace {name} to go", timeout_seconds=_READY_SECONDS)

    def escaped_packets(self) -> int:
        """Count the packets that tried to leave the site since it was made."""
        return self._running()[0].escaped_packets()

    def escape_attempts(self) -> list[Attempt]:
        """Tell where those packets were going."""
        return self._running()[0].attempts()

    def pulled_images(self) -> dict[str, str]:
        """Return reference and digest of every image on the node that did not come with the cluster."""
        images = self._running()[1].images()
        return {reference: digest for reference, digest in images.items() if reference not in self._own_images}

    def pulled_content(self) -> set[str]:
        """Return the digest of everything that containerd has: manifests, configurations and layers."""
        return set(self.run_in_node("ctr", "--namespace", "k8s.io", "content", "list", "--quiet").split())

    def import_images(self, images: Sequence[ProgramImage]) -> None:
        """Put images straight into the node's containerd, as if they had always been there."""
        archive = self.state / "import.tar"
        write_archive(archive, list(images))
        references = [image.reference for image in images]
        self._running()[1].import_archive(archive, references)
        self._own_images.update(references)
        archive.unlink()

    def forget_images(self) -> None:
        """Remove every image that did not come with the cluster, with its content."""
        references = sorted(self.pulled_images())
        if references:
            self.run_in_node("ctr", "--namespace", "k8s.io", "images", "remove", "--sync", *references)

    def restart_containerd(self) -> None:
        """Kill containerd and start it again; the pods run on meanwhile."""
        running = self._running()[1]
        running.stop("containerd")
        running.start_containerd()

    def _running(self) -> tuple[SiteNetwork, node.Node, Credentials]:
        if self._network is None or self._node is None or self._credentials is None:
            raise BedError("the cluster is not up")
        return self._network, self._node, self._credentials

    def _start(self) -> None:
        started = time.monotonic()

        def done(step: str) -> None:
            self.timings[step] = time.monotonic() - started

        self.state.mkdir(parents=True)
        self._stack.callback(shutil.rmtree, self.state)
        cgroup = cgroups.create(self._owner)
        self._stack.callback(cgroups.remove, self._owner)
        self._network = SiteNetwork(self.logs / "network.log")
        self._stack.callback(self._network.close)
        self._node = node.Node(self._network.site, self._programs, self.state / "node", self.logs)
        self._stack.callback(self._node.close)
        endpoints = Endpoints(
            SiteNetwork.node_address, 6443, 2379, 2380, SiteNetwork.service_range, SiteNetwork.api_service_address
        )
        self._credentials = make_credentials(self.state / "pki", endpoints)
        done("namespaces")
        plane = ControlPlane(self._programs, endpoints, self._credentials)
        watched = [
            self._node.start("etcd", plane.etcd(self.state / "node" / "etcd")),
            self._node.start("kube-apiserver", plane.api_server()),
        ]
        self._node.start_containerd()
        self.import_images(self._images())
        done("containerd")
        wait_until(
            lambda: self.call(KubeApi.is_ready), "the API server", timeout_seconds=_READY_SECONDS, watching=watched
        )
        done("API server")
        watched += self._start_node(plane, cgroup)
        wait_until(self._is_node_ready, "the node to be Ready", timeout_seconds=_READY_SECONDS, watching=watched)
        done("node")
        self._apply_addons()
        wait_until(self._has_dns, "CoreDNS to be ready", timeout_seconds=_READY_SECONDS, watching=watched)
        done("add-ons")

    def _images(self) -> list[ProgramImage]:
        return [
            ProgramImage(PAUSE, self._programs / "pause", user="65535:65535"),
            ProgramImage(_COREDNS, self._programs / "coredns"),
            ProgramImage(AGNHOST, self._programs / "agnhost", arguments=("pause",)),
        ]

    def _start_node(self, plane: ControlPlane, cgroup: str) -> list[Daemon]:
        """Start what needs the API server. The Node object comes first, so that its pod range is known."""
        _, running, made = self._running()
        body: Json = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.NAME},
            "spec": {"podCIDR": SiteNetwork.pod_range, "podCIDRs": [SiteNetwork.pod_range]},
        }
        self.call(lambda api: api.request("POST", "/api/v1/nodes", body))
        kubelet = made.authority.client("kubelet", f"system:node:{node.NAME}", "system:nodes")
        proxy = made.authority.client("kube-proxy", "system:kube-proxy")
        pki = self.state / "pki"
        return [
            running.start("kube-controller-manager", plane.controller_manager()),
            running.start("kube-scheduler", plane.scheduler()),
            running.start_kubelet(
                made.authority,
                write_kubeconfig(pki / "kubelet.kubeconfig", self.api_url, made.authority, kubelet),
                cgroup,
            ),
            running.start_storage(made.authority, made.admin),
            running.start_kube_proxy(
                write_kubeconfig(pki / "kube-proxy.kubeconfig", self.api_url, made.authority, proxy)
            ),
        ]

    def _is_node_ready(self) -> bool:
        found = self.get(f"/api/v1/nodes/{node.NAME}") or {}
        conditions = found.get("status", {}).get("conditions", ())
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    def _apply_addons(self) -> None:
        for document in yaml.safe_load_all(_ADDONS.read_text()):
            collection = f"/{_COLLECTIONS[document['kind']]}"
            self.apply(collection, document)

    def _has_dns(self) -> bool:
        found = self.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns") or {}
        return bool(found.get("status", {}).get("readyReplicas"))
