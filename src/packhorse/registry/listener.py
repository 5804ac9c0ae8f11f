"""The server on the network: its socket, TLS, time limits, and an orderly end."""

import asyncio
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packhorse.base.errors import ConfigError, NetworkError, PackhorseError, UsageError
from packhorse.registry.aiohttp_server import HttpProcessingError, web
from packhorse.registry.api import Teller
from packhorse.registry.gate import Gate
from packhorse.registry.ports import Catalog
from packhorse.registry.server import RegistryServer
from packhorse.registry.watching import Watched

__all__ = ["Address", "Listener", "Settings", "TimeLimits", "TlsFiles", "listening", "run"]

_log = logging.getLogger(__name__)

_BACKLOG = 1024
_HANDSHAKE_SECONDS = 15.0
_TLS_CLOSE_SECONDS = 5.0
_MAX_LINE_BYTES = 8190
_HIGHEST_PORT = 65535
_RENEW_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 lets the system choose one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (all addresses).

        Raises:
            UsageError: It has another form.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
            message = f"expected HOST:PORT such as 0.0.0.0:5000 or [::]:5000, found {text!r}"
            raise UsageError(message)
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The server's certificate chain and its private key, in PEM.

    Attributes:
        certificate: Read again at each reload, as is ``key``.
        key: The private key.
        client_ca: Certificates of authorities whose clients are let in without another login; None for no such login.
        renew: Makes a new certificate where it is time to, and says whether it did; asked now and then, in a thread.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    renew: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long the server waits."""

    head_seconds: float = 60.0
    """For a request's head, from the connection or the answer before it; idle connections end then too."""
    stall_seconds: float = 900.0
    """For a client to take a slice of 16 MiB. Less than 19 kB/s is no link that a layer would ever come through."""
    grace_seconds: float = 20.0
    """For answers that have begun, once the server is told to stop."""


_LIMITS = TimeLimits()


@dataclass(frozen=True, slots=True)
class Listener:
    """A server that answers: where, and how to read its certificate again."""

    address: Address
    scheme: str
    reload_certificate: Callable[[], None]

    @property
    def url(self) -> str:
        """The server's own address as a URL."""
        return f"{self.scheme}://{self.address}"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a catalogue is served.

    Attributes:
        tls: Certificate and key; None for plain HTTP.
        limits: How long the server waits.
        tell: Says where a tag or digest of a repository is that is not here.
        gate: Knows who may do what; None where everybody may do everything.
        watched: What those who run it can see beside the catalogue.
    """

    tls: TlsFiles | None = None
    limits: TimeLimits = _LIMITS
    tell: Teller | None = None
    gate: Gate | None = None
    watched: Watched = field(default_factory=Watched)


_PLAIN = Settings()


@asynccontextmanager
async def listening(catalog: Catalog, address: Address, settings: Settings = _PLAIN) -> AsyncIterator[Listener]:
    """Serve a catalogue as long as the context lasts; at its end, answers that have begun are given time to finish.

    Raises:
        ConfigError: The certificate or key cannot be read.
        NetworkError: The address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    tls, limits = settings.tls, settings.limits
    registry = RegistryServer(
        catalog,
        stall_seconds=limits.stall_seconds,
        connections=lambda: len(server.connections),
        tell=settings.tell,
        gate=settings.gate,
        watched=settings.watched,
    )
    server = web.Server(
        registry.handle,
        access_log=None,
        logger=_protocol_log(),
        keepalive_timeout=limits.head_seconds,
        max_line_size=_MAX_LINE_BYTES,
        max_field_size=_MAX_LINE_BYTES,
        lingering_time=1.0,
    )
    context = _tls_context(tls) if tls is not None else None
    try:
        socket_server = await loop.create_server(
            server,
            address.host or None,
            address.port,
            ssl=context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if context is not None else None,
            ssl_shutdown_timeout=_TLS_CLOSE_SECONDS if context is not None else None,
        )
    except OSError as error:
        message = f"cannot listen on {address}: {error.strerror or error}"
        raise NetworkError(message, hint="choose another one with --listen HOST:PORT") from error
    port = socket_server.sockets[0].getsockname()[1]

    def reload_certificate() -> None:
        if context is not None and tls is not None:
            _load_certificate(context, tls)

    scheme = "http" if context is None else "https"
    try:
        yield Listener(Address(address.host or "0.0.0.0", port), scheme, reload_certificate)  # noqa: S104 - shown only
    finally:
        socket_server.close()
        server.pre_shutdown()
        await server.shutdown(limits.grace_seconds)
        registry.close()


def run(catalog: Catalog, address: Address, settings: Settings, ready: Callable[[Listener], None]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the certificate and the access file again.

    Args:
        catalog: What is served.
        address: Where to listen.
        settings: How it is served.
        ready: Called once the server answers.

    Raises:
        ConfigError: The certificate or key cannot be read.
        NetworkError: The address cannot be listened on.
    """
    asyncio.run(_run(catalog, address, settings, ready))


async def _run(catalog: Catalog, address: Address, settings: Settings, ready: Callable[[Listener], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    async with listening(catalog, address, settings) as listener:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, listener, settings.gate)
        renewing = asyncio.ensure_future(_renew(listener, settings.tls))
        ready(listener)
        await stop.wait()
        renewing.cancel()
        # A second signal ends it at once.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _reload(listener: Listener, gate: Gate | None) -> None:
    try:
        listener.reload_certificate()
    except ConfigError as error:
        _log.error("kept the old certificate: %s", error)
    if gate is None:
        return
    try:
        gate.reload()
    except PackhorseError as error:
        _log.error(
            "kept the old access file: %s", "\n".join((error.message, *(each.message for each in error.failures)))
        )
    else:
        _log.warning("read the access file again")


async def _renew(listener: Listener, tls: TlsFiles | None) -> None:
    """Ask now and then for a new certificate, and use it; one that can't be made is tried again."""
    while tls is not None and tls.renew is not None:
        try:
            if await asyncio.to_thread(tls.renew):
                listener.reload_certificate()
                _log.warning("made a new certificate: %s", tls.certificate)
        except PackhorseError as error:
            _log.error("the certificate needs care: %s", error)
        await asyncio.sleep(_RENEW_SECONDS)


class _WithoutBadRequests(logging.Filter):
    """Leaves out what a client did wrong: it got its answer, and a scanner must not fill the log with tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is kept."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _protocol_log() -> logging.Logger:
    logger = logging.getLogger("packhorse.registry.protocol")
    if not logger.filters:
        logger.addFilter(_WithoutBadRequests())
    return logger


def _tls_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_certificate(context, tls)
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot use the authorities of clients {tls.client_ca}: {error}") from error
        # Who has no certificate may log in otherwise.
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _load_certificate(context: ssl.SSLContext, tls: TlsFiles) -> None:
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        message = f"cannot use the certificate {tls.certificate} with the key {tls.key}: {error}"
        raise ConfigError(message) from error
