"""Registries of others, empty, on loopback."""

import http.client
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from corpus.sources import GoProgram
from corpus.workshop import Workshop
from e2e.cluster.process import Daemon, wait_until

__all__ = ["answers", "docker_registry", "free_address", "olareg"]

_WORKSHOP = Workshop(Path(__file__).resolve().parents[1] / ".cache" / "corpus")
_OLAREG = GoProgram(
    "github.com/olareg/olareg/cmd/olareg", "/olareg", module="github.com/olareg/olareg", version="v0.2.2"
)


def free_address() -> str:
    """Find an address on loopback that nobody listens at: other runs on this machine have theirs."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def docker_registry(folder: Path, address: str, *, foreign: bool = True) -> Iterator[str]:
    """Debian's registry (distribution 2.8), empty; it takes foreign layers only where it is told to."""
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": address, "secret": "corpus"},
        "validation": {"manifests": {"urls": {"allow": ["^https://images\\.example\\.com/"]}}} if foreign else {},
    }
    folder.mkdir()
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    with _running(["docker-registry", "serve", folder / "config.yml"], folder / "log", address):
        yield address


@contextmanager
def olareg(folder: Path, address: str) -> Iterator[str]:
    """A registry that lists referrers itself, empty."""
    folder.mkdir()
    host, _, port = address.partition(":")
    where: list[str | Path] = ["--addr", host, "--port", port, "--dir", folder]
    # A layer that no registry has is a missing one to it, until it is told to let that be.
    command: list[str | Path] = [_OLAREG.host_program(_WORKSHOP), "serve", *where, "--api-sparse-image"]
    with _running(command, folder.with_suffix(".log"), address):
        yield address


@contextmanager
def _running(command: Sequence[str | Path], log: Path, address: str) -> Iterator[None]:
    """Run a server until it answers, and then for the block."""
    server = Daemon(str(command[0]), command, log)
    try:
        wait_until(lambda: answers(address), f"{command[0]} to answer", timeout_seconds=30, watching=[server])
        yield
    finally:
        server.kill()


def answers(address: str) -> bool:
    """Whether a registry is there."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
