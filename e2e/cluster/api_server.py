"""A bare Kubernetes API on loopback, for everything that needs no node: apply, prune, drift, watches, admission.

::

    with ApiServer(bin_dir, state_dir) as api:
        client = lightkube.Client(config=lightkube.KubeConfig.from_file(api.kubeconfig))

``bin_dir`` is what ``e2e.cluster.build.ensure_programs()`` returns; ``state_dir`` may be pytest's ``tmp_path``. It is
ready in two to five seconds, needs no root, listens on free ports, and several can run at once.

Nothing ever runs on it. With ``controllers=True`` the controller manager is there too: namespaces really go away,
owners' dependents are collected, Deployments get their ReplicaSets and Pods (which stay Pending), service accounts and
quotas work. Without it none of that happens, and a deleted namespace stays in Terminating.
"""

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from e2e.cluster.control_plane import ControlPlane, Credentials, Endpoints, make_credentials
from e2e.cluster.kube_api import KubeApi
from e2e.cluster.process import Daemon, wait_until

__all__ = ["ApiServer"]

_READY_SECONDS = 60.0


class ApiServer:
    """Etcd and kube-apiserver, up inside a ``with`` block."""

    def __init__(self, bin_dir: Path, state_dir: Path, *, controllers: bool = False) -> None:
        """Choose where things are; nothing is started or written yet.

        Args:
            bin_dir: The folder with the built programs.
            state_dir: A folder of this server's own; what it writes there is removed at the end, but for the logs.
            controllers: Whether to run the controller manager too.
        """
        self._programs = bin_dir
        self._state = state_dir
        self._controllers = controllers
        self._stack = ExitStack()
        etcd, peer, api, manager = _free_ports(4)
        self._endpoints = Endpoints("127.0.0.1", api, etcd, peer, "10.96.0.0/16", "10.96.0.1")
        self._manager_port = manager
        self._credentials: Credentials | None = None

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._endpoints.url

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file for the cluster's administrator. There from the start of the ``with`` block."""
        return self._state / "pki" / "admin.kubeconfig"

    @property
    def api(self) -> KubeApi:
        """A plain client, as the administrator, to look at the server with."""
        if self._credentials is None:
            message = "the API server is up only inside its with block"
            raise RuntimeError(message)
        made = self._credentials
        return KubeApi("127.0.0.1", self._endpoints.api_port, made.authority.certificate, made.admin)

    def __enter__(self) -> Self:
        """Start everything, and return when the API answers that it is ready.

        Raises:
            BedError: A program ended, or it took more than a minute.
        """
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything at once; nothing is worth a graceful stop."""
        self._stack.close()

    def _start(self) -> None:
        data = self._state / "etcd"
        self._stack.callback(shutil.rmtree, data, ignore_errors=True)
        self._credentials = make_credentials(self._state / "pki", self._endpoints)
        plane = ControlPlane(self._programs, self._endpoints, self._credentials)
        etcd = self._run("etcd", plane.etcd(data))
        # No service account controller means no default account, which the admission plugin would demand of each pod.
        without_controllers = ("--disable-admission-plugins=ServiceAccount",) if not self._controllers else ()
        server = self._run(
            "kube-apiserver",
            plane.api_server("--bind-address=127.0.0.1", "--endpoint-reconciler-type=none", *without_controllers),
        )
        wait_until(
            self.api.is_ready,
            "kube-apiserver to answer /readyz with ok",
            timeout_seconds=_READY_SECONDS,
            watching=(etcd, server),
        )
        if self._controllers:
            self._run("kube-controller-manager", plane.controller_manager(f"--secure-port={self._manager_port}"))

    def _run(self, name: str, argv: list[str]) -> Daemon:
        daemon = Daemon(name, argv, self._state / "log" / f"{name}.log")
        self._stack.callback(daemon.kill)
        return daemon


def _free_ports(count: int) -> list[int]:
    """Find loopback ports that nobody listens on now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
