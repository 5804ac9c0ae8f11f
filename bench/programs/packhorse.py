"""Packhorse."""

import sys
from pathlib import Path

from bench.measure import Job
from bench.programs.model import Program, Serving
from bench.room import Room
from bench.scene import FIRST, Edition, Scene, free_address

__all__ = ["EXECUTABLE", "PACKHORSE"]

EXECUTABLE = str(Path(sys.executable).with_name("packhorse"))
_QUIET = [EXECUTABLE, "--quiet"]


def _bundle(room: Room, edition: str) -> Path:
    return room.out / f"{edition}.bundle.tar"


def _build(_scene: Scene, room: Room, edition: Edition) -> Job:
    bundle = _bundle(room, edition.name)
    return Job([[*_QUIET, "build", str(edition.package), "--output", str(bundle)]], product=bundle)


def _build_again(_scene: Scene, room: Room, edition: Edition) -> Job:
    bundle, before = _bundle(room, edition.name), _bundle(room, FIRST)
    build = [*_QUIET, "build", str(edition.package), "--output", str(bundle), "--reuse", str(before)]
    return Job([build], product=bundle)


def _verify(_scene: Scene, room: Room, edition: Edition) -> Job:
    return Job([[*_QUIET, "verify", str(_bundle(room, edition.name))]])


def _push(scene: Scene, room: Room, edition: Edition) -> Job:
    return Job([[*_QUIET, "push", str(_bundle(room, edition.name)), scene.target.address]])


def _serve(_scene: Scene, room: Room, edition: Edition) -> Serving:
    address = free_address()
    server = [*_QUIET, "serve", str(_bundle(room, edition.name)), "--listen", address]
    return Serving([], server, address)


def _inspect(_scene: Scene, room: Room, edition: Edition) -> Job:
    return Job([[*_QUIET, "inspect", str(_bundle(room, edition.name))]])


PACKHORSE = Program(
    name="packhorse",
    executable="packhorse",
    version=("--version",),
    build=_build,
    build_again=_build_again,
    verify=_verify,
    push=_push,
    pushes_again=True,
    serve=_serve,
    inspect=_inspect,
)
