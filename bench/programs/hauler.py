"""Hauler: a content store that is synchronised, saved into one archive, loaded on the other side, served or copied."""

from pathlib import Path

from bench.measure import Command, Job
from bench.programs.model import Program, Serving
from bench.room import Room
from bench.scene import Edition, Scene, free_address

__all__ = ["HAULER"]


def _store(room: Room) -> str:
    return str(room.home / "store")


def _loaded(room: Room) -> str:
    return str(room.home / "loaded")


def _haul(room: Room, edition: Edition) -> Path:
    return room.out / f"{edition.name}.tar.zst"


def _build(scene: Scene, room: Room, edition: Edition) -> Job:
    hauler, store, haul = scene.programs["hauler"], _store(room), _haul(room, edition)
    sync = [hauler, "store", "sync", "--store", store, "--filename", str(edition.hauler)]
    save = [hauler, "store", "save", "--store", store, "--filename", str(haul)]
    return Job([sync, save], product=haul)


def _load(scene: Scene, room: Room, edition: Edition) -> Command:
    return [
        scene.programs["hauler"],
        "store",
        "load",
        "--store",
        _loaded(room),
        "--filename",
        str(_haul(room, edition)),
    ]


def _verify(scene: Scene, room: Room, edition: Edition) -> Job:
    return Job([["rm", "-rf", _loaded(room)], _load(scene, room, edition)])


def _push(scene: Scene, room: Room, edition: Edition) -> Job:
    copy = [scene.programs["hauler"], "store", "copy", "--store", _loaded(room), "--plain-http"]
    return Job([*_verify(scene, room, edition).commands, [*copy, f"registry://{scene.target.address}"]])


def _serve(scene: Scene, room: Room, edition: Edition) -> Serving:
    address = free_address()
    folder = str(room.home / "served")
    serve = [scene.programs["hauler"], "store", "serve", "registry", "--store", _loaded(room), "--directory", folder]
    commands = [["rm", "-rf", folder], *_verify(scene, room, edition).commands]
    return Serving(commands, [*serve, "--port", address.rpartition(":")[2]], address)


def _first(_scene: Scene, edition: Edition) -> tuple[str, str]:
    # It takes the first part of the path for a host, and leaves it out.
    repository, _, tag = edition.images[0].name.rpartition(":")
    return repository.partition("/")[2], tag


def _inspect(scene: Scene, room: Room, _edition: Edition) -> Job:
    # The archive itself cannot be asked: this is the store that it was loaded into.
    return Job([[scene.programs["hauler"], "store", "info", "--store", _loaded(room)]])


HAULER = Program(
    name="hauler",
    executable="hauler",
    version=("version",),
    build=_build,
    build_again=_build,
    verify=_verify,
    push=_push,
    serve=_serve,
    inspect=_inspect,
    inspect_needs=_verify,
    first_image=_first,
)
