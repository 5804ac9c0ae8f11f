"""A real server on the loopback address, and images to serve."""

import asyncio
import http.client
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from packhorse.app.build import build
from packhorse.base.events import NullReporter
from packhorse.bundle.reader import Bundle
from packhorse.registry.api import Teller
from packhorse.registry.gate import Gate
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.listener import Address, Settings, TimeLimits, TlsFiles, listening
from packhorse.registry.ports import Catalog
from packhorse.registry.watching import Watched
from tests.support.packages import Upstream, materials, sample


@dataclass
class Reply:
    """An answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A server that runs in a thread."""

    url: str
    host: str
    port: int

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """Send one request; underscores in the names of headers stand for dashes."""
        return self.send(path, method, None, headers)

    def send(self, path: str, method: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send one request with a body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def put(self, path: str, content: bytes, media_type: str) -> int:
        """Send something, and return the status of the answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request("PUT", path, body=content, headers={"Content-Type": media_type})
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def running(
    catalog: Catalog,
    tls: TlsFiles | None = None,
    limits: TimeLimits | None = None,
    tell: Teller | None = None,
    gate: Gate | None = None,
    watched: Watched | None = None,
) -> Iterator[Server]:
    """Serve a catalogue from a thread with its own event loop."""
    loop = asyncio.new_event_loop()
    started: list[Server] = []
    ready = threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        settings = Settings(tls, limits or TimeLimits(), tell, gate, watched or Watched())
        async with listening(catalog, Address("127.0.0.1", 0), settings) as listener:
            started.append(Server(listener.url, listener.address.host, listener.address.port))
            ready.set()
            await stop.wait()

    def work() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(main())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(20)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()


@dataclass
class Served:
    """A bundle that is served, and where its images came from."""

    server: Server
    bundle: Bundle
    upstream: Upstream

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """Send one request."""
        return self.server.ask(path, method, **headers)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A sample bundle, served."""
    what, upstream = sample(tmp_path_factory.mktemp("bundle"))
    build(what, materials(upstream), NullReporter())
    with Bundle.open_file(what.output) as bundle, running(GraphCatalog(bundle)) as server:
        yield Served(server, bundle, upstream)


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A certificate for 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    files = TlsFiles(folder / "tls.crt", folder / "tls.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(files.key), "-out", str(files.certificate), "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return files
