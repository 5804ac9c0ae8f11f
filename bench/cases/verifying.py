"""Reading a whole bundle and checking it."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial

from bench.cases.model import Contestant, Course, Samples
from bench.measure import Job, measure
from bench.programs import PACKHORSE, Program
from bench.programs.model import JobMaker
from bench.room import Room
from bench.scene import Scene

__all__ = ["VERIFY", "verifying"]

VERIFY = "verify"
_HASHERS = {"two sha256sum": "sha256sum", "two openssl dgst": "openssl dgst -sha256"}


def verifying(scene: Scene, programs: Sequence[Program]) -> Course:
    """The programs with what comes nearest; and two that only hash, each with one half of the bundle on its core."""
    contestants = {
        program.name: _contestant(scene, program, program.verify) for program in programs if program.verify is not None
    }
    halves = scene.room("halves")
    for name, command in _HASHERS.items():
        if shutil.which(command.partition(" ")[0]) is not None:
            contestants[name] = Contestant(_hashing(halves, command), partial(_split, scene, halves))
    return Course("verifying", contestants)


def _contestant(scene: Scene, program: Program, verify: JobMaker) -> Contestant:
    room = scene.room(program.name)

    def run() -> Samples:
        yield VERIFY, measure(verify(scene, room, scene.first), room)

    return Contestant(run)


def _hashing(room: Room, command: str) -> Callable[[], Samples]:
    def run() -> Samples:
        script = f"{command} {room.out}/half-1 & {command} {room.out}/half-2 & wait"
        yield VERIFY, measure(Job([["sh", "-c", script]]), room)

    return run


def _split(scene: Scene, halves: Room) -> None:
    bundle = PACKHORSE.build(scene, scene.room(PACKHORSE.name), scene.first).product
    if bundle is None or (halves.out / "half-1").exists():
        return
    size = bundle.stat().st_size
    for half, cut in (("half-1", ["head", f"-c{size // 2}"]), ("half-2", ["tail", f"-c+{size // 2 + 1}"])):
        with (halves.out / half).open("wb") as file:
            subprocess.run([*cut, str(bundle)], stdout=file, check=True)
