"""Zarf: a package of one architecture; kept uncompressed, which is its fast setting for layers that are compressed."""

from collections.abc import Sequence
from pathlib import Path

from bench.measure import Job
from bench.programs.model import JobMaker, Program
from bench.room import Room
from bench.scene import Edition, Scene

__all__ = ["ZARF", "ZARF_WITH_SBOM"]

_QUIET = ["--no-color", "--log-level", "warn", "--architecture", "amd64", "--plain-http"]


def _package(room: Room, edition: Edition) -> Path:
    return room.out / f"zarf-package-bench-amd64-{edition.name}.tar"


def _create(*options: str) -> JobMaker:
    def build(scene: Scene, room: Room, edition: Edition) -> Job:
        create = [scene.programs["zarf"], "package", "create", str(edition.zarf), "--confirm", "--output"]
        return Job([[*create, str(room.out), *options, *_QUIET]], product=_package(room, edition))

    return build


def _on_package(*verb: str, options: Sequence[str] = ()) -> JobMaker:
    def make(scene: Scene, room: Room, edition: Edition) -> Job:
        package = str(_package(room, edition))
        return Job([[scene.programs["zarf"], "package", *verb, package, *options, *_QUIET]])

    return make


def _push(scene: Scene, room: Room, edition: Edition) -> Job:
    options = ("--images", "--no-img-checksum", "--confirm", "--registry-url", scene.target.address)
    return _on_package("mirror-resources", options=options)(scene, room, edition)


ZARF = Program(
    name="zarf, no SBOM",
    executable="zarf",
    version=("version",),
    build=_create("--skip-sbom"),
    build_again=_create("--skip-sbom"),
    # `package verify` wants a signature; every verb that opens a package unpacks it and checks all of its hashes.
    verify=_on_package("inspect", "definition"),
    push=_push,
    inspect=_on_package("inspect", "images"),
)

ZARF_WITH_SBOM = Program(
    name="zarf, with SBOM",
    executable="zarf",
    version=("version",),
    build=_create(),
    build_again=_create(),
    slow=True,
)
