"""A client that pulls as container runtimes do: hashed to the last byte, and taken up again where it broke."""

import http.client
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

__all__ = ["Puller", "Wrong"]

_MANIFEST = ("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_CONNECTIONS = 3
_PIECE = 32 * 1024
_TIMEOUT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
"""For all of an answer: the timeout of a socket starts anew with every byte that drips."""
_PARTIAL, _OK = 206, 200


@dataclass(frozen=True, slots=True)
class Wrong:
    """A body that came to its end, and does not hash to what was asked for."""

    digest: str
    is_manifest: bool


@dataclass
class Puller:
    """What one client has got so far. :meth:`pull` may be called again, and goes on."""

    images: Iterable[str]
    """``registry/path:tag``."""
    content: dict[str, bytes] = field(default_factory=dict)
    """All that is whole and right, by digest."""
    fronts: dict[str, bytearray] = field(default_factory=dict)
    """What has come of blobs that broke off."""
    manifests: set[str] = field(default_factory=set)
    """Which of it are manifests and indexes."""
    received_bytes: int = 0
    """Of blobs, over all runs."""
    wrong: list[Wrong] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def pull(self, port: int, stop: threading.Event) -> bool:
        """Ask once for everything that is missing; whether it all is there then."""
        self.failures.clear()
        blobs: dict[str, tuple[str, int]] = {}
        for image in self.images:
            repository, _, tag = image.rpartition(":")
            self._tree(port, repository, tag, None, blobs)
        missing = [(digest, *where) for digest, where in blobs.items() if digest not in self.content]
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for done in [pool.submit(self._blob, port, *each) for each in missing if not stop.is_set()]:
                done.result()
        return not self.failures

    def _tree(
        self, port: int, repository: str, target: str, expected: str | None, blobs: dict[str, tuple[str, int]]
    ) -> None:
        content = self.content.get(expected or "") or self._manifest(port, repository, target, expected)
        if content is None:
            return
        try:
            node = json.loads(content)
        except ValueError:
            self._fail(f"{repository}:{target} is no JSON")
            return
        for child in node.get("manifests", ()):
            if child["platform"]["architecture"] != "s390x":
                self._tree(port, repository, child["digest"], child["digest"], blobs)
        for blob in (*node.get("layers", ()), *([node["config"]] if "config" in node else ())):
            blobs[blob["digest"]] = (repository, blob["size"])

    def _manifest(self, port: int, repository: str, target: str, expected: str | None) -> bytes | None:
        path = f"/v2/{repository}/manifests/{target}"
        try:
            with _Connection(port) as connection:
                connection.request("GET", path, headers={"Accept": ", ".join(_MANIFEST)})
                answer = connection.getresponse()
                content = b"".join(_pieces(answer))
        except (OSError, http.client.HTTPException) as error:
            self._fail(f"{path}: {error!r}")
            return None
        if answer.status != _OK:
            self._fail(f"{path}: HTTP {answer.status}")
            return None
        found = f"sha256:{sha256(content).hexdigest()}"
        wanted = expected or str(answer.headers.get("Docker-Content-Digest"))
        if found != wanted:
            self._differs(Wrong(wanted, is_manifest=True))
            return None
        self.content[found] = content
        self.manifests.add(found)
        return content

    def _blob(self, port: int, digest: str, repository: str, size: int) -> None:
        front = self.fronts.setdefault(digest, bytearray())
        path = f"/v2/{repository}/blobs/{digest}"
        try:
            with _Connection(port) as connection:
                headers = {"Range": f"bytes={len(front)}-"} if front else {}
                connection.request("GET", path, headers=headers)
                self._receive(connection.getresponse(), path, front, size)
        except (OSError, http.client.HTTPException) as error:
            self._fail(f"{path}: {error!r}")
        if len(front) < size:
            self._fail(f"{path}: {len(front)} of {size} bytes")
            return
        del self.fronts[digest]
        if f"sha256:{sha256(front).hexdigest()}" != digest:
            self._differs(Wrong(digest, is_manifest=False))
            return
        with self._lock:
            self.content[digest] = bytes(front)

    def _receive(self, answer: http.client.HTTPResponse, path: str, front: bytearray, size: int) -> None:
        start = _start_of(answer.status, dict(answer.headers), size)
        if start is None or start > len(front):
            self._fail(f"{path}: HTTP {answer.status}, {answer.headers.get('Content-Range')}")
            return
        del front[start:]
        for piece in _pieces(answer):
            taken = piece[: size - len(front)]
            front += taken
            with self._lock:
                self.received_bytes += len(taken)
            if len(front) == size:
                break

    def _differs(self, wrong: Wrong) -> None:
        with self._lock:
            self.wrong.append(wrong)
        self._fail(f"{wrong.digest}: wrong bytes")

    def _fail(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)


class _Connection(http.client.HTTPConnection):
    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    end = time.monotonic() + _ANSWER_SECONDS
    while piece := answer.read1(_PIECE):
        yield piece
        if time.monotonic() > end:
            raise TimeoutError(f"not all came in {_ANSWER_SECONDS:.0f} s")


def _start_of(status: int, headers: Mapping[str, str], size: int) -> int | None:
    """At which byte of the blob a body begins; None where it is of no use."""
    if status == _OK:
        return 0
    found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if status != _PARTIAL or found is None or int(found[3]) != size:
        return None
    return int(found[1])
