"""A registry for tests: a real HTTP server on loopback with push, pull, mounts, referrers, ranges, logins and faults.

It keeps everything in memory and checks what it is sent, as a strict registry does. ``faults`` make it misbehave.
"""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Index, Manifest, canonical_json
from tests.support.registry_faults import Fault
from tests.support.registry_handler import RegistryHandler
from tests.support.registry_model import Features, HeldManifest, HeldRepository, LoggedRequest, Login

__all__ = ["Registry", "serving"]


class Registry:
    """The server. Its state may be read and changed while it runs."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> None:
        self.features = Features()
        self.login: Login | None = None
        self.faults: list[Fault] = []
        self.requests: list[LoggedRequest] = []
        self.repositories: dict[str, HeldRepository] = {}
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytearray] = {}
        self.lock = threading.RLock()
        self.problems: list[BaseException] = []
        """What went wrong in the server itself."""
        self._server = _Server((address, 0), self, tls)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="test-registry")
        self._thread.start()

    @property
    def host(self) -> str:
        """``127.0.0.1:port``."""
        return f"{self._server.server_address[0]!s}:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"{self._scheme}://{self.host}"

    def repository(self, name: str) -> HeldRepository:
        """Return a repository, which is made where there is none."""
        with self.lock:
            return self.repositories.setdefault(name, HeldRepository())

    def put_blob(
        self, repository: str, content: bytes, media_type: str = "application/vnd.oci.image.layer.v1.tar"
    ) -> Descriptor:
        """Put a blob in, past the API."""
        digest = Digest.of(content)
        with self.lock:
            self.blobs[digest] = content
            self.repository(repository).blobs.add(digest)
        return Descriptor(media_type=media_type, digest=digest, size=len(content))

    def put_manifest(self, repository: str, node: Manifest | Index, tag: str | None = None) -> Descriptor:
        """Put a manifest in, past the API."""
        default = media_types.OCI_INDEX if isinstance(node, Index) else media_types.OCI_MANIFEST
        content = canonical_json(node)
        return self.put_content(repository, content, node.media_type or default, tag)

    def put_content(self, repository: str, content: bytes, media_type: str, tag: str | None = None) -> Descriptor:
        """Put the exact bytes of a manifest in, past the API."""
        digest = Digest.of(content)
        with self.lock:
            held = self.repository(repository)
            held.manifests[digest] = HeldManifest(content, media_type)
            if tag is not None:
                held.tags[tag] = digest
        return Descriptor(media_type=media_type, digest=digest, size=len(content))

    def put_image(self, repository: str, tag: str | None, *layers: bytes) -> Descriptor:
        """Put an image with these layers in, past the API."""
        config = self.put_blob(
            repository, b'{"os":"linux","architecture":"amd64"}', "application/vnd.oci.image.config.v1+json"
        )
        held = tuple(self.put_blob(repository, layer) for layer in layers)
        image = Manifest(schema_version=2, media_type=media_types.OCI_MANIFEST, config=config, layers=held)
        return self.put_manifest(repository, image, tag)

    def asked(self, pattern: str) -> list[LoggedRequest]:
        """The requests whose line matches a regular expression from its start."""
        with self.lock:
            return [request for request in self.requests if re.match(pattern, request.line)]

    def referrers_of(self, repository: str, subject: str) -> list[dict[str, Any]]:
        """The descriptors of all manifests in a repository with this subject, as the API lists them."""
        found = []
        for digest, held in sorted(self.repository(repository).manifests.items()):
            try:
                parsed = msgspec.json.decode(held.content)
            except msgspec.DecodeError:
                continue
            if not isinstance(parsed, dict) or (parsed.get("subject") or {}).get("digest") != subject:
                continue
            artifact_type = parsed.get("artifactType") or (parsed.get("config") or {}).get("mediaType", "")
            described = {"mediaType": held.media_type, "digest": str(digest), "size": len(held.content)}
            found.append({**described, "artifactType": artifact_type, "annotations": parsed.get("annotations") or {}})
        return found

    def close(self) -> None:
        """Stop serving, and break the connections that are open."""
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], registry: Registry, tls: ssl.SSLContext | None) -> None:
        super().__init__(address, RegistryHandler)
        self.registry = registry
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake is made in the connection's own thread, or a slow client would stop all others.
        if self._tls is not None:
            request = self._tls.wrap_socket(request, server_side=True)
        with self._guard:
            self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            with self._guard:
                self._open.discard(request)
            if self._tls is not None:
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the base class's signature
        import sys  # noqa: PLC0415

        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.registry.problems.append(error)

    def close_connections(self) -> None:
        with self._guard:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@contextmanager
def serving(
    *, certificate: tuple[Path, Path] | None = None, client_authority: Path | None = None
) -> Iterator[Registry]:
    """Run a registry for a while; over TLS where a certificate with its key is given.

    Args:
        certificate: Paths of PEM files.
        client_authority: Who must have signed the client's certificate; without it, none is asked for.
    """
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
        if client_authority is not None:
            tls.load_verify_locations(client_authority)
            tls.verify_mode = ssl.CERT_REQUIRED
    registry = Registry(tls=tls)
    try:
        yield registry
    finally:
        registry.close()
    assert not registry.problems, registry.problems
