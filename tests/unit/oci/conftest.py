"""A registry on the loopback address, clients of it that do not wait between tries, and certificates."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from packhorse.oci.distribution_client import RegistryClient, Repository
from packhorse.oci.registry_settings import RegistrySettings, Timeouts
from packhorse.oci.retry import Pacing
from tests.support.registry import Registry, serving


@dataclass
class Clients:
    """Makes clients, and closes them in the end; the pauses that they would have made are kept."""

    pauses: list[float] = field(default_factory=list)
    made: list[RegistryClient] = field(default_factory=list)

    def client(self, **settings: Any) -> RegistryClient:
        """A client with these settings."""
        chosen = RegistrySettings(timeouts=Timeouts(connect_seconds=5, answer_seconds=10), **settings)
        client = RegistryClient(chosen, Pacing(sleep=self.pauses.append, chance=lambda: 1.0))
        self.made.append(client)
        return client

    def repository(self, name: str, *, direct: bool = False, **settings: Any) -> Repository:
        """A repository of a client of its own."""
        return self.client(**settings).repository(name, direct=direct)


@pytest.fixture
def clients() -> Iterator[Clients]:
    made = Clients()
    yield made
    for client in made.made:
        client.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as running:
        yield running


@pytest.fixture
def other_registry() -> Iterator[Registry]:
    with serving() as running:
        yield running


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, and its certificates for 127.0.0.1, for another server, and for a client."""

    authority: Path
    server: tuple[Path, Path]
    stranger: tuple[Path, Path]
    client: tuple[Path, Path]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificates, is not on PATH")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority", *authority)
    for name, extension in (
        ("server", "subjectAltName=IP:127.0.0.1"),
        ("stranger", "subjectAltName=DNS:stranger.example"),
        ("client", "keyUsage=digitalSignature"),
    ):
        (folder / f"{name}.ext").write_text(extension)
        openssl("req", *key[:5], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signed)
    return Certificates(
        folder / "ca.crt",
        (folder / "server.crt", folder / "server.key"),
        (folder / "stranger.crt", folder / "stranger.key"),
        (folder / "client.crt", folder / "client.key"),
    )


@pytest.fixture
def patient(clients: Clients) -> Callable[[float], RegistryClient]:
    """A client that gives up on a stalling server after so many seconds of real time."""

    def make(seconds: float) -> RegistryClient:
        timeouts = Timeouts(connect_seconds=5, answer_seconds=seconds, stall_seconds=seconds, stall_bytes=4096)
        client = RegistryClient(replace(RegistrySettings(), timeouts=timeouts), Pacing(sleep=clients.pauses.append))
        clients.made.append(client)
        return client

    return make
