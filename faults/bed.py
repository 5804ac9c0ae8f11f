"""A real API server for rounds that deploy: started when the first of them comes, shared by all, gone at the end."""

import base64
import json
import ssl
import threading
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from e2e.cluster.api_server import ApiServer
from e2e.cluster.kube_api import KubeApi
from tests.support.api_server import program_folder, why_not

__all__ = ["Bed"]


class Bed:
    """Etcd, kube-apiserver and its controllers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._server: ApiServer | None = None

    @cached_property
    def why_not(self) -> str:
        """Why there is none here; empty where there is."""
        return why_not()

    @property
    def api(self) -> KubeApi:
        """A plain client, past any proxy."""
        return self._running().api

    @property
    def url(self) -> str:
        """The server's own URL."""
        return self._running().url

    def trust(self) -> ssl.SSLContext:
        """How the administrator speaks to it."""
        config = json.loads(self._running().kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        files = []
        for name in ("client-certificate-data", "client-key-data"):
            path = self._folder / f"{name}.pem"
            path.write_bytes(base64.b64decode(user[name]))
            path.chmod(0o600)
            files.append(path)
        context.load_cert_chain(files[0], files[1])
        return context

    def close(self) -> None:
        """Stop it, where it was started."""
        self._stack.close()

    def _running(self) -> ApiServer:
        with self._lock:
            if self._server is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                server = ApiServer(program_folder(), self._folder, controllers=True)
                self._server = self._stack.enter_context(server)
            return self._server
