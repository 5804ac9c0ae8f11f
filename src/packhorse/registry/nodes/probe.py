"""The proof: the runtime is asked for an image that can't exist, and nobody but the mirror may be asked for it.

What the runtime says when it fails is no proof. containerd 2 asks the mirror, then the registry itself, and reports the
mirror's "not found" alone. So the image is named after a registry that is a trap: a socket of ours on this machine's
loopback address. A runtime that is set up well takes that name to the mirror, which remembers that it was asked, and
never touches the trap.

CRI-O and Podman must be told of each registry that they mirror, and a trap's port is different each time. They are
asked for an image of a registry under ``.invalid`` that their settings have, and they do report every attempt.
"""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from packhorse.registry.api import PROBE_REGISTRY, PROBE_REPOSITORY
from packhorse.registry.nodes.model import Runtime

__all__ = ["Commands", "Completed", "MirrorWitness", "Outcome", "ProbeResult", "ProbeTarget", "probe", "pull_command"]

_WENT_OUT = re.compile(rf"(?:https?://|lookup ){re.escape(PROBE_REGISTRY)}\b")
_NOT_FOUND = re.compile(r"not found|manifest unknown|name unknown", re.IGNORECASE)
_SHOWN_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended: its exit code, and all it printed."""

    code: int
    output: str


class Commands(Protocol):
    """The programs of the node."""

    def find(self, name: str) -> str | None:
        """Return the path of a program; None when it is not there."""

    def run(self, command: Sequence[str]) -> Completed:
        """Run a program to its end, or until it takes too long; then the code is not 0."""


class MirrorWitness(Protocol):
    """The mirror, asked what it has seen."""

    def probes_seen(self, name: str) -> int | None:
        """Return how often the probe's repository was asked for; None when the mirror does not keep count."""


class Outcome(Enum):
    """What a probe shows."""

    PROVEN = "proven"
    """The mirror was asked, and nobody else."""
    WENT_OUT = "went out"
    """The runtime tried to reach the registry that the image names."""
    NOT_ASKED = "mirror not asked"
    """The mirror was not asked: it can't be reached, or the settings are not read."""
    PULLED = "pulled"
    """The runtime says that it has the image, which does not exist: something answers for every name."""
    NO_RUNTIME = "no runtime"
    """There is no program here to ask the runtime with."""


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """How to ask a runtime."""

    runtime: Runtime
    certs_folder: Path
    """containerd's ``certs.d``."""
    socket: str | None = None
    """Where the runtime listens; its usual place where it is left out."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe shows, the command that was run, and what it said."""

    outcome: Outcome
    command: tuple[str, ...] = ()
    said: str = ""


def probe(target: ProbeTarget, name: str, commands: Commands, witness: MirrorWitness) -> ProbeResult:
    """Ask the runtime for an image that can't exist.

    Args:
        target: Which runtime, and where.
        name: A repository that nobody has asked for before.
        commands: The node's programs.
        witness: The mirror.
    """
    with _trap() as trap:
        registry = PROBE_REGISTRY if target.runtime in (Runtime.CRIO, Runtime.PODMAN) else trap.address
        command = pull_command(target, f"{registry}/{PROBE_REPOSITORY}/{name}:latest", commands.find)
        if command is None:
            return ProbeResult(Outcome.NO_RUNTIME)
        done = commands.run(command)
        went_out = trap.was_touched() or _WENT_OUT.search(done.output) is not None
    outcome = Outcome.WENT_OUT if went_out else _judge(done, witness.probes_seen(name))
    return ProbeResult(outcome, tuple(command), done.output.strip()[-_SHOWN_CHARACTERS:])


def pull_command(target: ProbeTarget, image: str, find: Callable[[str], str | None]) -> list[str] | None:
    """Return the command that makes a runtime pull an image; None when no program for it is there."""
    runtime = target.runtime
    if runtime is Runtime.PODMAN:
        return [podman, "pull", "--quiet", image] if (podman := find("podman")) else None
    if runtime is Runtime.K3S:
        return [k3s, "crictl", "pull", image] if (k3s := find("k3s")) else None
    if runtime is Runtime.RKE2:
        settings = "/var/lib/rancher/rke2/agent/etc/crictl.yaml"
        crictl = find("/var/lib/rancher/rke2/bin/crictl") or find("crictl")
        return [crictl, "--config", settings, "pull", image] if crictl else None
    usual = "/run/containerd/containerd.sock" if runtime is Runtime.CONTAINERD else "/var/run/crio/crio.sock"
    address = target.socket or usual
    if crictl := find("crictl"):
        return [crictl, "--runtime-endpoint", f"unix://{address}", "pull", image]
    if runtime is Runtime.CONTAINERD and (ctr := find("ctr")):
        # It reads the folder itself; whether the CRI plugin does is seen from containerd's configuration.
        options = ("--namespace", "packhorse-probe", "images", "pull", "--hosts-dir", str(target.certs_folder))
        return [ctr, "--address", address, *options, image]
    return None


def _judge(done: Completed, seen: int | None) -> Outcome:
    if done.code == 0:
        return Outcome.PULLED
    if seen is None:
        # Another registry than ours keeps no count: that it was asked is seen from its answer alone.
        seen = int(_NOT_FOUND.search(done.output) is not None)
    return Outcome.PROVEN if seen else Outcome.NOT_ASKED


class _Trap:
    """A registry's address at which nothing may ever arrive."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._touched = threading.Event()
        host, port = listening.getsockname()[:2]
        self.address = f"{host}:{port}"

    def watch(self) -> None:
        """Note each connection, and close it at once, so that nobody waits for an answer."""
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._touched.set()
            connection.close()

    def was_touched(self) -> bool:
        """Whether anything has connected."""
        return self._touched.is_set()


@contextmanager
def _trap() -> Iterator[_Trap]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        trap = _Trap(listening)
        watcher = threading.Thread(target=trap.watch, name="probe-trap", daemon=True)
        watcher.start()
        try:
            yield trap
        finally:
            # Closing a socket does not wake who waits in accept() on Linux; shutting it down does.
            listening.shutdown(socket.SHUT_RDWR)
            watcher.join()
