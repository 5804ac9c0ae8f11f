"""On the far side: from the file to the first pull, and to everything in a registry; and the next deliveries."""

import time
from collections.abc import Sequence
from functools import partial

from bench.cases.model import Contestant, Course, Samples
from bench.measure import Job, measure, run_quietly
from bench.programs import Program
from bench.programs.model import Serving
from bench.pulling import pull_first_byte
from bench.results import Sample
from bench.room import Room
from bench.scene import FIVE_PERCENT, Scene
from bench.servers import running, until_answered, usage_of
from bench.space import SpaceWatch, allocated

__all__ = ["FIRST_PULL", "PUSH", "PUSH_AGAIN", "PUSH_FIVE_PERCENT", "arriving", "serve_until_pull"]

FIRST_PULL = "from file to first pull"
PUSH = "from file to everything in a registry"
PUSH_AGAIN = "push again, nothing changed"
PUSH_FIVE_PERCENT = "push, 5 % changed"


def arriving(scene: Scene, programs: Sequence[Program]) -> Course:
    """A program that serves pulls itself does so for the first one; the others push everything before it."""
    able = [program for program in programs if program.push is not None]
    return Course("arriving", {program.name: _contestant(scene, program) for program in able})


def _contestant(scene: Scene, program: Program) -> Contestant:
    room = scene.room(program.name)
    return Contestant(partial(_run, scene, program, room), partial(_prepare, scene, program, room))


def _prepare(scene: Scene, program: Program, room: Room) -> None:
    """Build what is carried over: the first edition where it is not there any more, and the later one."""
    first = program.build(scene, room, scene.first)
    if first.product is None or not first.product.exists():
        run_quietly(first, room)
    if program.pushes_again and program.build_again is not None:
        run_quietly(program.build_again(scene, room, scene.editions[FIVE_PERCENT]), room)


def _run(scene: Scene, program: Program, room: Room) -> Samples:
    if program.push is None:
        return
    if program.serve is not None:
        image = program.first_image(scene, scene.first)
        yield FIRST_PULL, serve_until_pull(program.serve(scene, room, scene.first), room, image)
    scene.target.clear()
    pushed = measure(program.push(scene, room, scene.first), room)
    yield PUSH, pushed
    if program.serve is None:
        yield FIRST_PULL, _then_pull(scene, program, pushed)
    if program.pushes_again:
        yield PUSH_AGAIN, measure(program.push(scene, room, scene.first), room)
        yield PUSH_FIVE_PERCENT, measure(program.push(scene, room, scene.editions[FIVE_PERCENT]), room)


def _then_pull(scene: Scene, program: Program, pushed: Sample) -> Sample:
    begun = time.monotonic()
    pull_first_byte(scene.target.address, *program.first_image(scene, scene.first))
    wall = pushed.wall_seconds + time.monotonic() - begun
    return Sample(
        wall_seconds=wall,
        cpu_seconds=pushed.cpu_seconds,
        peak_bytes=pushed.peak_bytes,
        written_bytes=pushed.written_bytes,
        space_bytes=pushed.space_bytes,
    )


def serve_until_pull(serving: Serving, room: Room, image: tuple[str, str]) -> Sample:
    """Do what comes before, start the server, and ask until the first byte of a layer comes.

    Args:
        serving: The server.
        room: Whose it is.
        image: Repository and reference.

    Raises:
        BenchError: A command failed, or the server gave no answer.
    """
    before = Sample(wall_seconds=0.0)
    if serving.commands:
        before = measure(Job(serving.commands), room)
    begun = time.monotonic()
    with SpaceWatch(room.folder) as watch, running(serving.server, room.desk, room.environment()) as server:
        until_answered(partial(pull_first_byte, serving.address, *image), server)
        wall = time.monotonic() - begun
        used = usage_of(server.pid)
    return Sample(
        wall_seconds=before.wall_seconds + wall,
        cpu_seconds=before.cpu_seconds + used.cpu_seconds,
        peak_bytes=max(before.peak_bytes, used.peak_bytes),
        written_bytes=before.written_bytes + used.written_bytes,
        space_bytes=max(before.space_bytes, watch.most_bytes - allocated(room.out)),
    )
