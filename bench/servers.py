"""Servers on loopback: started, waited for, asked what they used, ended."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from bench.errors import BenchError
from e2e.registries import free_address

__all__ = ["Registry", "Usage", "free_address", "registry", "running", "until_answered", "usage_of"]

_READY_SECONDS = 60
_POLL_SECONDS = 0.002
_TICKS = os.sysconf("SC_CLK_TCK")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it began."""

    cpu_seconds: float
    peak_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that keeps its content in a folder."""

    address: str
    folder: Path
    pid: int

    def clear(self) -> None:
        """Throw away all that it has."""
        shutil.rmtree(self.folder, ignore_errors=True)


def usage_of(pid: int) -> Usage:
    """Ask the kernel what a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    io = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return Usage(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        peak_bytes=int(status["VmHWM"].split()[0]) * _KIB,
        written_bytes=int(io["write_bytes"]),
    )


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a folder while the block runs; its output goes to ``server.log`` there."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield server
    finally:
        server.kill()
        server.wait()


@contextmanager
def registry(program: str, folder: Path) -> Iterator[Registry]:
    """Run a registry (distribution's ``registry``, or ``docker-registry`` of Debian) with its content in a folder."""
    address = free_address()
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "content")}, "delete": {"enabled": True}},
        "http": {"addr": address, "secret": "bench"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "registry.yml"
    path.write_text(yaml.safe_dump(settings))
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with running([program, "serve", str(path)], folder, environment) as server:
        until_answered(lambda: _get(f"http://{address}/v2/"), server)
        yield Registry(address, folder / "content", server.pid)


def until_answered(ask: Callable[[], None], server: subprocess.Popen[bytes]) -> None:
    """Ask again and again until there is an answer.

    Raises:
        BenchError: There was none, or the server ended.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            ask()
        except (URLError, OSError):
            time.sleep(_POLL_SECONDS)
            continue
        return
    raise BenchError(f"expected an answer from {server.args!r}, found none")


def _get(url: str) -> None:
    with urlopen(url, timeout=5):  # noqa: S310 - loopback
        pass
