"""One HTTP exchange with one server: connections, TLS, proxies and limits of time. No logins, retries or redirects.

urllib3 keeps the connections. Bodies are received by :mod:`http.client` straight into the caller's buffer: that spares
a copy and a buffer per read, and shows whether a body ended or its connection did.
"""

import http.client
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import urllib3

from packhorse.base.errors import ConfigError
from packhorse.base.units import MIB
from packhorse.oci.distribution_failures import TransportFailure, translate
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import Pacing
from packhorse.oci.watched_connections import watched_pools

__all__ = ["Answer", "Body", "Request", "Transport", "Upload"]

_MAX_DRAINED_BYTES = 64 * 1024

Body = Callable[[], Iterable[bytes | memoryview]]
"""Begins to give the body, from its start each time it is called."""


class Upload(msgspec.Struct, frozen=True):
    """A request's body with its exact length in bytes."""

    length: int
    blocks: Body


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes to the wire."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    answer_seconds: float | None = None
    """How long to wait for the answer, where the client's own limit is too short."""
    insecure: bool = False
    """Do not check the certificate."""


class Answer:
    """An answer whose body is still to be read. Used by one thread; closed by whoever got it."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str) -> None:
        self.status = response.status
        self.headers = response.headers
        self.url = url
        self._response = response
        self._is_abandoned = False
        # The body below urllib3's own buffers (see the module's docstring).
        self._body = cast("http.client.HTTPResponse", response._original_response)  # type: ignore[attr-defined]  # noqa: SLF001

    @property
    def content_length(self) -> int | None:
        """The length of the body in bytes as the header says; None when it says nothing of use."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004

    def readinto(self, buffer: memoryview) -> int:
        """Fill ``buffer`` as far as the body goes; 0 at its end, or where the connection was closed early.

        Raises:
            TransportFailure: The connection broke or stalled.
        """
        try:
            count = self._body.readinto(buffer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._abandon()
            raise translate(error) from error
        if not count and len(buffer) and self._body.length:
            self._abandon()
        return count

    def read(self, max_bytes: int) -> bytes:
        """Read the body to its end, or to ``max_bytes``, and close.

        Raises:
            TransportFailure: The connection broke or stalled, or gave less than its header says.
        """
        buffer = bytearray(min(max_bytes, self.content_length if self.content_length is not None else 64 * 1024))
        filled = 0
        expected = self.content_length
        try:
            while filled < max_bytes:
                if filled == len(buffer):
                    if expected is not None:
                        break
                    buffer.extend(bytes(min(len(buffer) or 1024, max_bytes - filled)))
                with memoryview(buffer) as view:
                    count = self.readinto(view[filled:])
                if not count:
                    break
                filled += count
        finally:
            self.close()
        if expected is not None and filled < min(expected, max_bytes):
            message = f"the connection was closed after {filled} of {expected} bytes"
            raise TransportFailure(message)
        return bytes(buffer[:filled])

    def close(self) -> None:
        """Let go of the connection: kept for the next request when next to nothing is left to read, else closed."""
        if self._is_abandoned:
            return
        left = self._body.length
        try:
            if not self._body.isclosed() and left is not None and left <= _MAX_DRAINED_BYTES:
                self._body.read()
        except (OSError, http.client.HTTPException, ValueError):
            self._abandon()
            return
        if self._body.isclosed():
            self._response.release_conn()
        else:
            self._abandon()

    def _abandon(self) -> None:
        """Close the connection: nobody knows what the next bytes on it belong to."""
        self._is_abandoned = True
        self._response.close()


class Transport:
    """Sends requests. One is shared by all threads of a client."""

    def __init__(self, settings: RegistrySettings, pacing: Pacing) -> None:
        self._settings = settings
        self._managers: dict[tuple[str, str, int, bool], urllib3.PoolManager] = {}
        self._pools = watched_pools(settings.timeouts, pacing.clock)
        self._lock = threading.Lock()

    def send(self, request: Request) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises:
            TransportFailure: There is none.
            ConfigError: A certificate or key in the settings can't be used.
        """
        timeouts = self._settings.timeouts
        timeout = urllib3.Timeout(
            connect=timeouts.connect_seconds, read=request.answer_seconds or timeouts.answer_seconds
        )
        headers = {"User-Agent": self._settings.user_agent, "Accept-Encoding": "identity", **request.headers}
        body = None
        if request.upload is not None:
            headers["Content-Length"] = str(request.upload.length)
            body = request.upload.blocks() if request.upload.length else b""
        try:
            response = self._manager(request).urlopen(
                request.method,
                request.url,
                body=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise translate(error) from error
        return Answer(response, request.url)

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            managers = list(self._managers.values())
            self._managers.clear()
        for manager in managers:
            manager.clear()

    def _manager(self, request: Request) -> urllib3.PoolManager:
        parts = urlsplit(request.url)
        hostname, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        insecure = request.insecure or not self._settings.insecure_hosts.isdisjoint({"*", parts.netloc})
        key = (parts.scheme, hostname, port, insecure)
        with self._lock:
            manager = self._managers.get(key)
            if manager is None:
                manager = self._managers[key] = self._make_manager(key, parts.netloc)
            return manager

    def _make_manager(self, key: tuple[str, str, int, bool], netloc: str) -> urllib3.PoolManager:
        scheme, hostname, port, insecure = key
        options: dict[str, Any] = {"maxsize": self._settings.connections, "blocksize": MIB}
        if scheme == "https":
            options["ssl_context"] = self._tls_context(netloc, insecure=insecure)
        proxy = self._settings.proxies.proxy_for(scheme, hostname, port)
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(**options)
        else:
            manager = urllib3.ProxyManager(proxy, proxy_headers=_proxy_headers(proxy), **options)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def _tls_context(self, netloc: str, *, insecure: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if insecure:
            # The user asked for it by the host's name; urllib3 would warn with every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._settings.ca_file is not None:
            _load(context.load_verify_locations, self._settings.ca_file)
        for folder in self._settings.certificate_folders:
            _load_folder(context, folder / netloc)
        return context


def _load_folder(context: ssl.SSLContext, folder: Path) -> None:
    """Read ``*.crt`` as authorities, and ``*.cert`` with ``*.key`` as what the client shows, as Docker does."""
    if not folder.is_dir():
        return
    for authority in sorted(folder.glob("*.crt")):
        _load(context.load_verify_locations, authority)
    for certificate in sorted(folder.glob("*.cert")):
        _load(lambda path: context.load_cert_chain(path, path.with_suffix(".key")), certificate)


def _load(load: Callable[[Path], None], path: Path) -> None:
    try:
        load(path)
    except OSError as error:  # ssl.SSLError is one
        message = f"{path} is not a certificate that can be used: {error.strerror or error}"
        raise ConfigError(
            message, hint="it must be a PEM file, with its key beside it where it is the client's"
        ) from error


def _proxy_headers(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    return dict(urllib3.make_headers(proxy_basic_auth=f"{parts.username}:{parts.password or ''}"))
