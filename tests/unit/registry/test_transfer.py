"""Bytes on their way to clients: by sendfile, over TLS, from cold disks, to clients that stall or go away."""

import asyncio
import errno
import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError, NetworkError, UsageError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, Extent
from packhorse.registry import listener, transfer
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.listener import Address, TimeLimits, TlsFiles
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.layout_source import LayoutSource
from tests.support.layouts import write_layout
from tests.support.packages import Upstream
from tests.support.serving import Server, running

SIZE = 40 * 1024 * 1024 + 12345
REPOSITORY = "/v2/library/big"


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    """An image with one large layer."""
    upstream = Upstream()
    upstream.shared = upstream.layer(SIZE)
    return upstream


@pytest.fixture(scope="module")
def layout(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image in a folder."""
    folder = tmp_path_factory.mktemp("big") / "layout"
    return write_layout(folder, upstream.blobs.content, [("docker.io/library/big:1", upstream.manifest())])


class Catalog(GraphCatalog):
    """A catalogue whose content can be taken out of its file."""

    in_files = True

    def locate(self, descriptor: Descriptor) -> Extent | None:
        """Say where it lies, or that it lies nowhere."""
        return super().locate(descriptor) if self.in_files else None

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Open."""
        return super().open(descriptor, offset=offset)


@pytest.fixture
def catalog(layout: Path) -> Iterator[Catalog]:
    """The image as a catalogue."""
    source = LayoutSource.at(str(layout))
    yield Catalog(source)
    source.close()


@pytest.fixture
def server(catalog: Catalog) -> Iterator[Server]:
    """Serves it."""
    with running(catalog) as server:
        yield server


def blob(upstream: Upstream) -> str:
    """The path of the large layer."""
    return f"{REPOSITORY}/blobs/{upstream.shared.digest}"


def count_sendfile(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count what the kernel sends."""
    sent: list[int] = []
    real = os.sendfile

    def sendfile(*arguments: int) -> int:
        count = real(*arguments)
        sent.append(count)
        return count

    monkeypatch.setattr(os, "sendfile", sendfile)
    return sent


def metric(server: Server, name: str) -> int:
    """Read one counter."""
    lines = server.ask("/metrics").body.decode().splitlines()
    return next(int(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def wait_for(server: Server, name: str, value: int) -> None:
    """Wait until a counter has a value."""
    deadline = time.monotonic() + 20
    while metric(server, name) != value:
        assert time.monotonic() < deadline, f"{name} is {metric(server, name)}, expected {value}"
        time.sleep(0.02)


def drain(client: socket.socket) -> int:
    """Take what comes until nothing does, and return how much."""
    count = 0
    try:
        while block := client.recv(1 << 20):
            count += len(block)
    except (ConnectionError, ssl.SSLError):
        return count
    return count


def test_the_kernel_sends_a_blob(server: Server, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = count_sendfile(monkeypatch)
    reply = server.ask(blob(upstream))
    assert Digest.of(reply.body) == upstream.shared.digest
    assert sum(sent) == SIZE


@pytest.mark.parametrize("start", [0, 1, 16 * 1024 * 1024 - 1, SIZE - 1])
def test_any_part_is_sent_as_it_is(server: Server, upstream: Upstream, start: int) -> None:
    reply = server.ask(blob(upstream), Range=f"bytes={start}-")
    assert reply.status == 206
    assert reply.body == upstream.blobs.content[upstream.shared.digest][start:]


def test_a_cold_disk_is_read_by_a_thread(server: Server, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    readers: set[str] = set()
    real = os.preadv

    def preadv(fd: int, buffers: list[bytearray], offset: int, flags: int = 0) -> int:
        if flags:
            raise BlockingIOError
        readers.add(threading.current_thread().name)
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    sent = count_sendfile(monkeypatch)
    reply = server.ask(blob(upstream))
    assert Digest.of(reply.body) == upstream.shared.digest
    assert sum(sent) == SIZE
    assert readers
    assert all(name.startswith("registry") for name in readers)


def test_where_the_kernel_cannot_blocks_are_sent(
    server: Server, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sendfile(*_: int) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", sendfile)
    assert Digest.of(server.ask(blob(upstream)).body) == upstream.shared.digest


@pytest.mark.parametrize("cold", [False, True])
def test_over_tls_blocks_are_sent(
    catalog: Catalog, upstream: Upstream, tls_files: TlsFiles, monkeypatch: pytest.MonkeyPatch, *, cold: bool
) -> None:
    sent = count_sendfile(monkeypatch)
    if cold:
        monkeypatch.setattr(transfer, "_read_cached", lambda *_: None)
    with running(catalog, tls_files) as server:
        context = ssl.create_default_context(cafile=str(tls_files.certificate))
        connection = http.client.HTTPSConnection(server.host, server.port, context=context, timeout=30)
        connection.request("GET", blob(upstream))
        response = connection.getresponse()
        assert Digest.of(response.read()) == upstream.shared.digest
        connection.request("GET", blob(upstream), headers={"Range": "bytes=5-1000000"})
        response = connection.getresponse()
        assert response.status == 206
        assert response.read() == upstream.blobs.content[upstream.shared.digest][5:1000001]
        connection.close()
    assert sent == []


def test_content_that_lies_in_no_file_is_streamed(catalog: Catalog, upstream: Upstream) -> None:
    catalog.in_files = False
    with running(catalog) as server:
        assert Digest.of(server.ask(blob(upstream)).body) == upstream.shared.digest
        reply = server.ask(blob(upstream), Range="bytes=-7")
        assert reply.body == upstream.blobs.content[upstream.shared.digest][-7:]
        head = server.ask(blob(upstream), "HEAD")
        assert (head.status, head.headers["Content-Length"]) == (200, str(SIZE))


def test_many_clients_at_once_get_the_same(server: Server, upstream: Upstream) -> None:
    digests: list[str] = []

    def pull() -> None:
        digests.append(hashlib.sha256(server.ask(blob(upstream)).body).hexdigest())

    threads = [threading.Thread(target=pull) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [upstream.shared.digest.hex] * 12


def test_clients_that_go_away_leave_nothing_behind(
    server: Server, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for reset in (False, True) * 10:
        client = socket.create_connection((server.host, server.port))
        client.sendall(f"GET {blob(upstream)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(100000)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    wait_for(server, "packhorse_registry_connections", 1)
    assert metric(server, "packhorse_registry_aborted_total") == 20
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4
    assert server.ask("/healthz").status == 200
    assert caplog.records == []


def test_a_client_that_takes_nothing_is_dropped(catalog: Catalog, upstream: Upstream) -> None:
    with running(catalog, limits=TimeLimits(stall_seconds=0.3)) as server:
        client = socket.create_connection((server.host, server.port))
        client.sendall(f"GET {blob(upstream)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for(server, "packhorse_registry_aborted_total", 1)
        client.settimeout(10)
        with client:
            assert drain(client) < SIZE


def test_a_client_that_takes_nothing_over_tls_is_dropped(
    catalog: Catalog, upstream: Upstream, tls_files: TlsFiles
) -> None:
    with running(catalog, tls_files, TimeLimits(stall_seconds=0.3)) as server:
        context = ssl.create_default_context(cafile=str(tls_files.certificate))
        with socket.create_connection((server.host, server.port)) as plain:
            client = context.wrap_socket(plain, server_hostname="127.0.0.1")
            client.sendall(f"GET {blob(upstream)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            client.settimeout(20)
            assert client.recv(100)
            threading.Event().wait(1.0)
            with client:
                assert drain(client) < SIZE


@pytest.mark.parametrize("sent", [b"", b"GET /v2/ HTTP/1.1\r\nHost:"])
def test_a_client_that_does_not_ask_is_dropped(catalog: Catalog, sent: bytes) -> None:
    with running(catalog, limits=TimeLimits(head_seconds=0.3)) as server:
        client = socket.create_connection((server.host, server.port))
        client.settimeout(10)
        client.sendall(sent)
        assert client.recv(100) == b""
        client.close()


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + "y" * 20_000 + "\r\n\r\n",
        "GET /" + "y" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x00\x01\x02\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{n}: y\r\n" for n in range(500)) + "\r\n",
    ],
)
def test_malformed_requests_are_refused(server: Server, request_text: str, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection((server.host, server.port)) as client:
        client.settimeout(10)
        client.sendall(request_text.encode())
        assert client.recv(1000).split()[1] == b"400"
    assert server.ask("/healthz").status == 200
    # A scanner must not fill the log.
    assert caplog.records == []


def test_a_file_that_is_cut_short_breaks_the_answer_off(tmp_path: Path) -> None:
    upstream = Upstream()
    layer = upstream.shared = upstream.layer(3_000_000)
    folder = write_layout(
        tmp_path / "layout", upstream.blobs.content, [("docker.io/library/big:1", upstream.manifest())]
    )
    source = LayoutSource.at(str(folder))
    assert source.locate(layer) is not None
    os.truncate(folder / "blobs/sha256" / layer.digest.hex, 1_000_000)
    catalog = Catalog(source)
    for catalog.in_files in (True, False):
        with running(catalog) as server, pytest.raises(http.client.IncompleteRead):
            server.ask(blob(upstream))
    source.close()


@pytest.mark.parametrize("call", ["preadv", "sendfile"])
def test_a_medium_that_cannot_be_read_breaks_the_answer_off_and_is_logged(
    catalog: Catalog,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: str,
) -> None:
    sendfile = os.sendfile

    def broken(*given: int) -> int:
        # asyncio takes a first call that fails for a file that the kernel cannot send.
        if call == "sendfile" and given[2] < SIZE // 2:
            return sendfile(given[0], given[1], given[2], min(given[3], SIZE // 2))
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(transfer, "_is_cached", lambda *_: call == "sendfile")
    monkeypatch.setattr(os, call, broken)
    with running(catalog) as server:
        digest = upstream.shared.digest
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            server.ask(f"{REPOSITORY}/blobs/{digest}")
        monkeypatch.undo()
        assert server.ask(f"{REPOSITORY}/blobs/{digest}").status == 200
        while b"packhorse_registry_suspect_sources 1\n" not in server.ask("/metrics").body:
            time.sleep(0.01)
    assert f"catalog is suspect: it could not give {digest}" in caplog.text
    assert f"broke off {digest}: the file cannot be read from byte" in caplog.text
    assert "Input/output error" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_a_damaged_manifest_is_not_served(tmp_path: Path) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    folder = write_layout(tmp_path / "layout", upstream.blobs.content, [("docker.io/library/big:1", image)])
    source = LayoutSource.at(str(folder))
    store = DirectoryStore.create(tmp_path / "store")
    for content in (*source.graph.blobs, image):
        store.push(content, source)
    store.tag(image, "docker.io/library/big:1")
    path = tmp_path / "store/blobs/sha256" / image.digest.hex
    path.write_bytes(path.read_bytes().replace(b"layers", b"lAyers"))
    (tmp_path / "store/blobs/sha256" / upstream.shared.digest.hex).unlink()
    with running(store) as server:
        reply = server.ask(f"{REPOSITORY}/manifests/1")
        assert reply.status == 500
        assert "cannot be read" in json.loads(reply.body)["errors"][0]["message"]
        assert server.ask(blob(upstream)).status == 500
    store.close()


def test_a_store_that_is_served_shows_what_comes(tmp_path: Path) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    source = LayoutSource.at(str(write_layout(tmp_path / "layout", upstream.blobs.content, [("1", image)])))
    writer = DirectoryStore.create(tmp_path / "store")
    reader = DirectoryStore.open_existing(tmp_path / "store")
    with running(reader) as server:
        assert server.ask(f"{REPOSITORY}/manifests/1").status == 404
        for content in (*source.graph.blobs, image):
            writer.push(content, source)
        writer.tag(image, "docker.io/library/big:1")
        assert server.ask(f"{REPOSITORY}/manifests/1").body == upstream.blobs.content[image.digest]
        assert server.ask(blob(upstream)).body == upstream.blobs.content[upstream.shared.digest]
    reader.close()
    writer.close()


def test_an_answer_that_has_begun_is_finished_before_the_end(catalog: Catalog, upstream: Upstream) -> None:
    with running(catalog) as server:
        client = http.client.HTTPConnection(server.host, server.port, timeout=20)
        client.request("GET", blob(upstream))
        response = client.getresponse()
        content = response.read(1000)
        finished: list[bytes] = []
        reading = threading.Thread(target=lambda: finished.append(response.read()))
        threading.Timer(0.3, reading.start).start()
        # Leaving the block stops the server while the answer is on its way.
    while not finished:
        threading.Event().wait(0.01)
    assert Digest.of(content + finished[0]) == upstream.shared.digest
    with pytest.raises(ConnectionError):
        socket.create_connection((server.host, server.port)).close()
    client.close()


# --- Addresses, certificates, the process ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.0.0.0:5000", Address("0.0.0.0", 5000)), (":80", Address("", 80)), ("[::1]:0", Address("::1", 0))],
)
def test_addresses_are_read(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "5000", "host", "host:", "host:x", "host:70000", "host:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected HOST:PORT"):
        Address.parse(text)


def test_an_address_in_use_is_named(server: Server, catalog: Catalog) -> None:
    async def listen() -> None:
        async with listener.listening(catalog, Address(server.host, server.port)):
            raise AssertionError

    with pytest.raises(NetworkError, match=f"cannot listen on {server.host}:{server.port}"):
        asyncio.run(listen())


def test_a_certificate_that_is_none_is_named(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no certificate")

    async def listen(files: TlsFiles) -> None:
        async with listener.listening(catalog, Address("127.0.0.1", 0), listener.Settings(files)):
            raise AssertionError

    for name in ("x", "missing"):
        with pytest.raises(ConfigError, match=f"cannot use the certificate .*{name}"):
            asyncio.run(listen(TlsFiles(tmp_path / name, tmp_path / name)))


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start the program, and return it with the URL that it answers at."""
    process = subprocess.Popen(
        [sys.executable, "-m", "packhorse", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Serving 1 source at http"), line
    return process, line.split()[4]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_serves_until_it_is_told_to_stop(layout: Path, upstream: Upstream, number: signal.Signals) -> None:
    process, url = start(str(layout), "--listen", "127.0.0.1:0", "--verbose")
    host, _, port = url.removeprefix("http://").rpartition(":")
    server = Server(url, host, int(port))
    assert Digest.of(server.ask(blob(upstream)).body) == upstream.shared.digest
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"GET {blob(upstream)} 200 {SIZE} bytes" in said
    assert said.endswith("Stopped.\n")


def test_the_certificate_is_read_again_on_request(layout: Path, tls_files: TlsFiles, tmp_path: Path) -> None:
    mine = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    for old, new in ((tls_files.certificate, mine.certificate), (tls_files.key, mine.key)):
        new.write_bytes(old.read_bytes())
    process, url = start(
        *(str(layout), "--listen", "127.0.0.1:0", "--tls-cert", str(mine.certificate), "--tls-key", str(mine.key))
    )
    port = int(url.rpartition(":")[2])
    before = ssl.get_server_certificate(("127.0.0.1", port))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(mine.key), "-out", str(mine.certificate), "-days", "2", "-subj", "/CN=other"),
        ],
        check=True,
        capture_output=True,
    )
    process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while ssl.get_server_certificate(("127.0.0.1", port)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    mine.certificate.write_text("broken")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert ssl.get_server_certificate(("127.0.0.1", port)) != before
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
