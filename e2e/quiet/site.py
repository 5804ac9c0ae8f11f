"""Sites that lead nowhere, with what a verb can be told to speak to on loopback: registries and a Kubernetes API."""

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from e2e.cluster.api_server import ApiServer
from e2e.cluster.network import Attempt, NetworkNamespace, SiteNetwork
from e2e.cluster.pki import Authority
from e2e.cluster.registry import start_registry
from e2e.quiet.events import Inet
from e2e.quiet.recorder import Recorder
from e2e.workplace import Workplace

__all__ = ["LOOPBACK", "QuietSite"]

LOOPBACK = "127.0.0.1"
_RECORDS = "packhorse-system"
_PLAIN_PORT, _TLS_PORT = 5001, 5002


class QuietSite:
    """A network namespace, and what is started in it when it is first asked for."""

    def __init__(self, folder: Path, programs: Path, *, has_way_out: bool) -> None:
        """Choose where things are; nothing is started yet.

        Args:
            folder: Of this site's own.
            programs: The folder with the built programs.
            has_way_out: Whether there is a default route, to a border that counts; else there is nothing but loopback,
                where an attempt fails at once.
        """
        self.folder = folder
        self._programs = programs
        self.has_way_out = has_way_out
        self._stack = ExitStack()
        self._network: SiteNetwork | None = None
        self.namespace: NetworkNamespace

    def __enter__(self) -> Self:
        """Make the network."""
        log = self.folder / "namespace.log"
        if self.has_way_out:
            self._network = SiteNetwork(log)
            self._stack.callback(self._network.close)
            self.namespace = self._network.site
        else:
            self.namespace = NetworkNamespace("quiet", log)
            self._stack.callback(self.namespace.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all."""
        self._stack.close()

    def attempts(self) -> list[Attempt]:
        """The packets that tried to leave so far, as the border saw them; none can where there is no way out."""
        return self._network.attempts() if self._network is not None else []

    def recorder(self, folder: Path) -> Recorder:
        """Return a recorder for programs that run here, with ``folder`` as their home."""
        return Recorder(Workplace(f"the site in {folder}", folder, self.namespace.command))

    @cached_property
    def registry(self) -> Inet:
        """A registry over plain HTTP."""
        self._stack.callback(start_registry(self.namespace, self.folder / "plain", _PLAIN_PORT).kill)
        return Inet(LOOPBACK, _PLAIN_PORT)

    @cached_property
    def authority(self) -> Authority:
        """Who signs the site's certificates."""
        return Authority(self.folder / "pki", "site-ca")

    @cached_property
    def tls_registry(self) -> Inet:
        """A registry over TLS."""
        started = start_registry(self.namespace, self.folder / "tls", _TLS_PORT, self.authority)
        self._stack.callback(started.kill)
        return Inet(LOOPBACK, _TLS_PORT)

    @cached_property
    def api(self) -> ApiServer:
        """A Kubernetes API."""
        server = ApiServer(self._programs, self.folder / "api")
        # The thread is inside, and so is what it starts.
        self.namespace.call(server.__enter__)
        self._stack.callback(server.__exit__, None, None, None)
        # A namespace that Packhorse did not make it does not take away, and without controllers none would go.
        records = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _RECORDS}}
        self.namespace.call(lambda: server.api.apply("/api/v1/namespaces", records))
        return server

    @property
    def api_endpoint(self) -> Inet:
        """Where the API listens."""
        return Inet(LOOPBACK, int(self.api.url.rpartition(":")[2]))
