"""What a server spends when all is pulled from it once: Packhorse from its bundle, registries from their stores."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.cases.model import Contestant, Course, Samples
from bench.measure import Job, run_quietly
from bench.programs import PACKHORSE
from bench.programs.packhorse import EXECUTABLE
from bench.pulling import Pulled, blobs_by_repository, pull_blobs, pull_first_byte
from bench.results import Sample
from bench.scene import Scene
from bench.servers import free_address, running, until_answered, usage_of

__all__ = ["SERVE", "serving"]

SERVE = "serve everything once"

Starter = Callable[[Scene, Path, str], list[str]]


def _zot(scene: Scene, folder: Path, address: str) -> list[str]:
    host, _, port = address.partition(":")
    settings = folder / "zot.json"
    settings.write_text(
        f'{{"storage": {{"rootDirectory": "{folder}/zot", "gc": false}},'
        f' "http": {{"address": "{host}", "port": "{port}", "compat": ["docker2s2"]}}, "log": {{"level": "error"}}}}'
    )
    return [scene.programs["zot"], "serve", str(settings)]


def _olareg(scene: Scene, folder: Path, address: str) -> list[str]:
    port = address.rpartition(":")[2]
    store = ["--store-type", "dir", "--dir", str(folder / "olareg"), "--gc-frequency", "-1s"]
    return [scene.programs["olareg"], "serve", "--addr", "127.0.0.1", "--port", port, *store]


_REGISTRIES: Mapping[str, Starter] = {"olareg": _olareg, "zot": _zot}


@contextmanager
def serving(scene: Scene) -> Iterator[Course]:
    """Start every server and fill it, so that only pulls are measured while the block runs."""
    room = scene.room(PACKHORSE.name)
    blobs = blobs_by_repository(scene.source.address, scene.first)
    contestants = {}
    with ExitStack() as stack:
        if PACKHORSE.serve is not None:
            own = PACKHORSE.serve(scene, room, scene.first)
            server = stack.enter_context(running(own.server, room.desk, room.environment()))
            repository, _, tag = scene.first.images[0].name.rpartition(":")
            until_answered(partial(pull_first_byte, own.address, repository, tag), server)
            contestants[PACKHORSE.name] = _contestant(own.address, server.pid, blobs)
        contestants["distribution"] = _contestant(scene.source.address, scene.source.pid, blobs)
        for name, starter in _REGISTRIES.items():
            if name in scene.programs:
                place = scene.room(name)
                address = free_address()
                command = starter(scene, place.desk, address)
                server = stack.enter_context(running(command, place.desk, place.environment()))
                run = _contestant(address, server.pid, blobs).run
                contestants[name] = Contestant(run, partial(_fill, scene, address))
        yield Course("serving", contestants)


def _fill(scene: Scene, address: str) -> None:
    room = scene.room(PACKHORSE.name)
    bundle = PACKHORSE.build(scene, room, scene.first).product
    run_quietly(Job([[EXECUTABLE, "--quiet", "push", str(bundle), address]]), room)


def _contestant(address: str, pid: int, blobs: list[Pulled]) -> Contestant:
    def run() -> Samples:
        before = usage_of(pid)
        wall = pull_blobs(address, blobs)
        after = usage_of(pid)
        yield (
            SERVE,
            Sample(wall_seconds=wall, cpu_seconds=after.cpu_seconds - before.cpu_seconds, peak_bytes=after.peak_bytes),
        )

    return Contestant(run)
