"""The jobs that are measured, and who does each."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.measure import BenchError, Sample, measure
from bench.peers import Peer
from bench.scene import Scene

__all__ = ["Case", "all_cases", "prepare"]

_PACKHORSE = str(Path(sys.executable).with_name("packhorse"))
_READY_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One job: its contestants by name, Packhorse first, and what the design asks of the ratio."""

    name: str
    contestants: dict[str, Callable[[], Sample]]


def prepare(scene: Scene) -> None:
    """Lock the package once; locking is no part of any measured job."""
    subprocess.run([_PACKHORSE, "--quiet", "lock"], cwd=scene.package, check=True)


def all_cases(scene: Scene, peers: list[Peer]) -> list[Case]:
    """Return every job that can be measured on this scene, in an order in which each finds what it needs."""
    return [
        _build(scene, peers),
        _verify(scene),
        _push(scene, peers),
        _push_again(scene, peers),
        _first_pull(scene),
        Case("--version", {"packhorse": lambda: measure([_PACKHORSE, "--version"], scene.folder)}),
        Case("--help", {"packhorse": lambda: measure([_PACKHORSE, "--help"], scene.folder)}),
    ]


def _build(scene: Scene, peers: list[Peer]) -> Case:
    def packhorse() -> Sample:
        build = [_PACKHORSE, "--quiet", "build", str(scene.package), "--output", str(scene.bundle)]
        return measure(build, scene.folder, before=lambda: scene.clear(scene.bundle.name))

    contestants = {"packhorse": packhorse}
    for peer in peers:
        if peer.pull is not None:
            commands, clear = peer.pull(scene), partial(_clear_peer, scene, peer)
            contestants[peer.name] = _all(scene, commands, clear)
            # Packhorse ends when its file is safe on the disk; the others leave that to the kernel.
            contestants[f"{peer.name}, on disk"] = _all(scene, [*commands, ["sync", "-f", str(scene.out)]], clear)
    return Case("build", contestants)


def _verify(scene: Scene) -> Case:
    def packhorse() -> Sample:
        return measure([_PACKHORSE, "--quiet", "verify", str(scene.bundle)], scene.folder)

    halves = [scene.folder / "half-1", scene.folder / "half-2"]

    def split() -> None:
        if not halves[0].exists():
            size = scene.bundle.stat().st_size
            data = ["head", f"-c{size // 2}"], ["tail", f"-c+{size // 2 + 1}"]
            for half, program in zip(halves, data, strict=True):
                with half.open("wb") as file:
                    subprocess.run([*program, str(scene.bundle)], stdout=file, check=True)

    def two(program: str) -> Callable[[], Sample]:
        script = f"{program} {halves[0]} & {program} {halves[1]} & wait"
        return lambda: measure(["sh", "-c", script], scene.folder, before=split)

    contestants = {"packhorse": packhorse, "two sha256sum": two("sha256sum")}
    if shutil.which("openssl") is not None:
        contestants["two openssl sha256"] = two("openssl dgst -sha256")
    return Case("verify", contestants)


def _push(scene: Scene, peers: list[Peer]) -> Case:
    push = [_PACKHORSE, "--quiet", "push", str(scene.bundle), scene.target]
    contestants: dict[str, Callable[[], Sample]] = {
        "packhorse": lambda: measure(push, scene.folder, before=scene.clear_target)
    }
    for peer in peers:
        if peer.push is not None:
            contestants[peer.name] = _all(scene, peer.push(scene), partial(_clear_for_push, scene))
    return Case("push", contestants)


def _push_again(scene: Scene, peers: list[Peer]) -> Case:
    push = [_PACKHORSE, "--quiet", "push", str(scene.bundle), scene.target]
    contestants: dict[str, Callable[[], Sample]] = {
        "packhorse": lambda: measure(push, scene.folder, before=lambda: _run_all([push], scene))
    }
    for peer in peers:
        if peer.push is not None and peer.name != "hauler":
            commands = peer.push(scene)
            contestants[peer.name] = _all(scene, commands, partial(_run_all, commands, scene))
    return Case("push again", contestants)


def _first_pull(scene: Scene) -> Case:
    """From the start of ``packhorse serve`` to the first byte of a layer, for a client that asks all the time."""

    def packhorse() -> Sample:
        address = "127.0.0.1:45099"
        begun = time.monotonic()
        server = subprocess.Popen(
            [_PACKHORSE, "--quiet", "serve", str(scene.bundle), "--listen", address], stdout=subprocess.DEVNULL
        )
        try:
            _first_answer(f"http://{address}", scene.images[0].rpartition(":"), server)
            wall = time.monotonic() - begun
        finally:
            server.kill()
            server.wait()
        return Sample(wall, 0.0, 0, 0)

    return Case("first pull", {"packhorse": packhorse})


def _first_answer(base: str, image: tuple[str, str, str], server: subprocess.Popen[bytes]) -> None:
    """Ask until there is an answer, and go on to the first byte of a layer, as a node does."""
    repository, _, target = image
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            manifest = _get(f"{base}/v2/{repository}/manifests/{target}")
        except URLError:
            time.sleep(0.005)
            continue
        found = json.loads(manifest)
        if "manifests" in found:
            found = json.loads(_get(f"{base}/v2/{repository}/manifests/{found['manifests'][0]['digest']}"))
        _get(f"{base}/v2/{repository}/blobs/{found['layers'][0]['digest']}", most=1)
        return
    raise BenchError("packhorse serve did not answer")


def _get(url: str, most: int = -1) -> bytes:
    with urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
        content: bytes = answer.read(most)
        return content


def _all(scene: Scene, commands: list[list[str]], before: Callable[[], None]) -> Callable[[], Sample]:
    """Measure several command lines as one job: some programs take one image at a time."""

    def run() -> Sample:
        before()
        samples = [measure(command, scene.folder) for command in commands]
        return Sample(
            wall_seconds=sum(sample.wall_seconds for sample in samples),
            cpu_seconds=sum(sample.cpu_seconds for sample in samples),
            peak_bytes=max(sample.peak_bytes for sample in samples),
            written_bytes=sum(sample.written_bytes for sample in samples),
        )

    return run


def _clear_peer(scene: Scene, peer: Peer) -> None:
    scene.clear(peer.name, *(["haul.tar"] if peer.name == "hauler" else []))


def _clear_for_push(scene: Scene) -> None:
    scene.clear_target()
    scene.clear("hauler-loaded")


def _run_all(commands: list[list[str]], scene: Scene) -> None:
    for command in commands:
        measure(command, scene.folder)
