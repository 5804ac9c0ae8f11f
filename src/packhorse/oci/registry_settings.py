"""All that a registry client is told from outside, as one frozen value; :mod:`packhorse.cli` fills it."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from packhorse.oci.mirrors import MirrorTable
from packhorse.oci.retry import RetryPolicy

__all__ = [
    "Anonymous",
    "Credential",
    "CredentialSource",
    "ProxySettings",
    "RegistrySettings",
    "Timeouts",
    "is_loopback",
]


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves to a registry who asks: a user with a password, or a token that is exchanged for others."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """An OAuth 2 refresh token."""
    registry_token: str = field(default="", repr=False)
    """A bearer token that is sent as it is."""


class CredentialSource(Protocol):
    """Where credentials come from. Called from several threads."""

    def lookup(self, registry: str, repository: str) -> Credential | None:
        """Return what to present to ``registry`` (a host, with the port where one is given) for one repository."""


class Anonymous:
    """Nobody's credentials."""

    def lookup(self, registry: str, repository: str) -> Credential | None:  # noqa: ARG002  part of the Protocol
        """Return None."""
        return None


class ProxySettings(msgspec.Struct, frozen=True):
    """HTTP proxies, as ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` give them."""

    http: str | None = None
    https: str | None = None
    no_proxy: tuple[str, ...] = ()
    """Hosts and domains that are asked directly; ``*`` for all."""

    def proxy_for(self, scheme: str, hostname: str, port: int) -> str | None:
        """Return the proxy's URL for a connection; None to connect directly. Loopback is always direct."""
        proxy = self.https if scheme == "https" else self.http
        if not proxy or is_loopback(hostname):
            return None
        return None if any(_covers(entry, hostname, port) for entry in self.no_proxy) else proxy


class Timeouts(msgspec.Struct, frozen=True):
    """How long the client waits for a registry."""

    connect_seconds: float = 15.0
    answer_seconds: float = 30.0
    """For the first byte of an answer."""
    commit_seconds: float = 900.0
    """For the answer to an upload that is complete: the registry may hash and move it first."""
    send_seconds: float = 120.0
    """For the registry to take one block of 1 MiB."""
    stall_seconds: float = 30.0
    """Less than :attr:`stall_bytes` in this time of waiting, and the connection is given up."""
    stall_bytes: int = 16 * 1024


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How to reach registries, and as whom.

    Hosts are written as in references, with a port where it is not the scheme's own; ``*`` stands for every host.
    """

    credentials: CredentialSource = field(default_factory=Anonymous)
    mirrors: MirrorTable = field(default_factory=MirrorTable)
    ca_file: Path | None = None
    """PEM certificates to trust besides the system's."""
    certificate_folders: tuple[Path, ...] = ()
    """As ``/etc/docker/certs.d``: each has one folder per host, with ``*.crt``, and ``*.cert`` beside ``*.key``."""
    insecure_hosts: frozenset[str] = frozenset()
    """Hosts whose certificate is not checked."""
    plain_http_hosts: frozenset[str] = frozenset()
    """Hosts that are spoken to without TLS."""
    proxies: ProxySettings = field(default_factory=ProxySettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connections: int = 8
    """How many connections are kept open to one host: at least the number of threads that use the client."""
    user_agent: str = "packhorse"


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine by its very name: ``localhost``, an address in 127.0.0.0/8, or ``::1``."""
    try:
        return hostname == "localhost" or ipaddress.ip_address(hostname.strip("[]")).is_loopback
    except ValueError:
        return False


def _covers(entry: str, hostname: str, port: int) -> bool:
    entry, _, wanted_port = entry.strip().lower().partition(":") if entry.count(":") == 1 else (entry.lower(), "", "")
    if wanted_port and wanted_port != str(port):
        return False
    domain = entry.removeprefix("*").removeprefix(".")
    if entry == "*":
        return True
    return bool(domain) and (hostname.lower() == domain or hostname.lower().endswith("." + domain))
