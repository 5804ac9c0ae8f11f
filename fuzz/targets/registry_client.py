"""Whatever a server answers, the registry client gives what it should or a PackhorseError that is fit to be shown."""

import io
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import urllib3.util.connection

from packhorse.base.errors import PackhorseError
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_client import RegistryClient, Repository
from packhorse.oci.distribution_errors import parse_error_body
from packhorse.oci.distribution_exchange import settle_location
from packhorse.oci.distribution_pages import next_link
from packhorse.oci.memory_store import MemoryStore
from packhorse.oci.mirrors import parse_mirror
from packhorse.oci.model import Descriptor
from packhorse.oci.registries_conf import parse_registries_conf
from packhorse.oci.registry_settings import Credential, RegistrySettings
from packhorse.oci.retry import Pacing, RetryPolicy, retry_after_seconds
from packhorse.oci.www_authenticate import parse_challenges

_SUBJECT = Descriptor(media_type=media_types.OCI_MANIFEST, digest=Digest.of(b"subject"), size=500)
_BLOB = Descriptor(media_type="application/octet-stream", digest=Digest.of(b"x" * 1000), size=1000)
_CHALLENGE = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
    b'WWW-Authenticate: Bearer realm="http://127.0.0.1:5000/token",service="s"\r\n\r\n'
)
_LONGEST_LINE = 1000

TOKENS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 206 Partial Content\r\n", b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.0 500 x\r\n",
    b"HTTP/1.1 307 x\r\n", b"HTTP/1.1 202 x\r\n", b"HTTP/1.1 401 x\r\n", b"HTTP/1.1 429 x\r\n", b"HTTP/1.1 204 x\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 x\r\n\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b": ", b";", b",",
    b"Content-Length: 0\r\n", b"Content-Length: 1000\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"Connection: close\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Content-Range: bytes 0-999/1000\r\n",
    b"Content-Range: bytes 1-2/*\r\n", b"Location: /v2/a/blobs/uploads/x\r\n", b"Location: file:///etc/passwd\r\n",
    b"Location: http://[::1\r\n", b"Location: //\r\n", b"Location: https://h.example/\r\n", b"Range: 0-5\r\n",
    b"Retry-After: 5\r\n", b'Link: </v2/a/tags/list?last=x>; rel="next"\r\n', b"OCI-Chunk-Min-Length: 5\r\n",
    b'WWW-Authenticate: Basic realm="x"\r\n', b'WWW-Authenticate: Bearer realm="http://127.0.0.1:5000/t"\r\n',
    b"Docker-Content-Digest: sha256:", b"Docker-Content-Digest: md5:0\r\n", b"OCI-Subject: x\r\n",
    b"Content-Type: application/json\r\n", b"Content-Type: application/vnd.oci.image.index.v1+json\r\n",
    b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", b"Content-Type: text/html; charset=x\r\n",
    b'{"token":"x"}', b'{"errors":[{"code":"DENIED","message":"no"}]}', b'{"tags":["a"]}', b'{"schemaVersion":2}',
    b'"mediaType"', b'"manifests":[', b'"digest"', b'"sha256:', b'"size":', b"\x1b[31m", b"\x00", b"\xff",
    b"\xe2\x80\xae",
)  # fmt: skip


def fuzz_one(data: bytes) -> None:
    """Answer with ``data`` what one use of the client asks, or read it as one of the texts that servers send."""
    kind, rest = data[:1], data[1:]
    use = _USES[(kind[0] if kind else 0) % len(_USES)]
    try:
        use(rest)
    except PackhorseError as error:
        _check_message(error)


def seeds() -> Iterator[bytes]:
    """Good answers, for each use."""
    index = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
    good = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\n"
    listed = good + b"Docker-Content-Digest: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        Digest.of(index).encode(), len(index), index,
    )  # fmt: skip
    blob = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    tags = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"tags":["a","b"]}'
    error = b'HTTP/1.1 403 No\r\nContent-Length: 44\r\n\r\n{"errors":[{"code":"DENIED","message":"no"}]}'
    token = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"token":"x"}'
    begun = b"HTTP/1.1 202 Accepted\r\nLocation: /v2/team/app/blobs/uploads/1?a=b\r\nContent-Length: 0\r\n\r\n"
    created = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    texts = b'Bearer realm="https://a.example/token",service="s",scope="repository:a:pull"\n[[registry]]\nprefix="a"'
    for number in range(len(_USES)):
        for answer in (listed, blob, tags, error, token, begun, created, texts):
            yield bytes([number]) + answer


class _Wire:
    """Stands for a socket whose other end has sent ``answer`` and closed."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._null = os.open(os.devnull, os.O_RDONLY)
        self._timeout: float | None = None

    def makefile(self, _mode: str, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._answer))

    def sendall(self, _content: bytes | memoryview) -> None:
        """Lose it."""

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_: Any) -> None:
        """Leave it."""

    def fileno(self) -> int:
        # Readable at once, as a connection is that the other end has closed: it is not used again.
        return self._null

    def shutdown(self, _how: int) -> None:
        """Leave it."""

    def close(self) -> None:
        if self._null >= 0:
            os.close(self._null)
            self._null = -1


@contextmanager
def _repository(*answers: bytes) -> Iterator[Repository]:
    """A repository whose registry gives these answers, the last of them again and again, wherever it is asked."""
    waiting = list(answers)
    wires: list[_Wire] = []

    def connect(*_: Any, **__: Any) -> socket.socket:
        wires.append(_Wire(waiting.pop(0) if waiting[1:] else waiting[0]))
        return wires[-1]  # type: ignore[return-value]  # all of a socket that is used

    settings = RegistrySettings(credentials=_Somebody(), retry=RetryPolicy(tries=2))
    original = urllib3.util.connection.create_connection
    urllib3.util.connection.create_connection = connect
    try:
        with RegistryClient(settings, Pacing(sleep=lambda _: None)) as client:
            yield client.repository("127.0.0.1:5000/team/app", direct=True)
    finally:
        urllib3.util.connection.create_connection = original
        for wire in wires:
            wire.close()


class _Somebody:
    def lookup(self, _registry: str, _repository: str) -> Credential:
        return Credential("user", "secret")


def _resolve(answer: bytes) -> None:
    with _repository(answer) as repository:
        found = repository.resolve("v1")
        assert found.size >= 0


def _read_manifest(answer: bytes) -> None:
    with _repository(answer) as repository:
        described, content = repository.read_manifest("v1")
        assert Digest.of(content, described.digest.algorithm) == described.digest


def _read_blob(answer: bytes) -> None:
    buffer = memoryview(bytearray(300))
    with _repository(answer) as repository, repository.open(_BLOB) as stream:
        total = 0
        while count := stream.readinto(buffer):
            total += count
        assert total == _BLOB.size, "a stream ends where the blob does, or with an error"


def _list_referrers(answer: bytes) -> None:
    with _repository(answer) as repository:
        found = [entry.digest for entry in repository.referrers(_SUBJECT)]
        assert found == sorted(set(found))


def _list_tags(answer: bytes) -> None:
    with _repository(answer) as repository:
        repository.tags()


def _push(answer: bytes) -> None:
    source = MemoryStore()
    blob = source.add(b"content", "application/octet-stream")
    with _repository(answer) as repository:
        repository.push(blob, source)


def _log_in(answer: bytes) -> None:
    with _repository(_CHALLENGE, answer) as repository:
        repository.resolve("v1")


def _read_texts(text: bytes) -> None:
    header = text.decode("latin-1")
    for challenge in parse_challenges([header]):
        assert challenge.scheme == challenge.scheme.lower()
    next_link(header)
    retry_after_seconds(header, 0.0)
    for detail in parse_error_body(text):
        assert detail.code.isprintable()
        assert detail.message.isprintable()
    for read in (_parse_conf, _parse_mirror, _settle):
        try:
            read(text, header)
        except PackhorseError as error:
            _check_message(error)


def _parse_conf(text: bytes, _header: str) -> None:
    parse_registries_conf(text, "registries.conf")


def _parse_mirror(_text: bytes, header: str) -> None:
    parse_mirror(header)


def _settle(_text: bytes, header: str) -> None:
    url = settle_location("https://registry.example/v2/", header, "do it")
    assert url.startswith("https://"), "TLS is never left"


_USES: tuple[Callable[[bytes], None], ...] = (
    _resolve,
    _read_manifest,
    _read_blob,
    _list_referrers,
    _list_tags,
    _push,
    _log_in,
    _read_texts,
)


def _check_message(error: PackhorseError) -> None:
    """A message is short, and cannot steer a terminal."""
    for line in error.message.split("\n"):
        assert line.isprintable(), repr(line[:200])
        assert len(line) < _LONGEST_LINE, len(line)
