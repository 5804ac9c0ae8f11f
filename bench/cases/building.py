"""Building a bundle from a registry, and building it again when one image has changed."""

from collections.abc import Sequence

from bench.cases.model import Contestant, Course, Samples
from bench.measure import measure, remove
from bench.programs import Program
from bench.scene import ONE_CHANGED, Scene

__all__ = ["BUILD", "BUILD_AGAIN", "building"]

BUILD = "build"
BUILD_AGAIN = "build again, one image changed"


def building(scene: Scene, programs: Sequence[Program]) -> Course:
    """Every program begins with an empty room, without cache or store; the second job finds what the first one left."""
    return Course("building", {program.name: _contestant(scene, program) for program in programs})


def _contestant(scene: Scene, program: Program) -> Contestant:
    room = scene.room(program.name)

    def run() -> Samples:
        room.empty()
        first = program.build(scene, room, scene.first)
        yield BUILD, measure(first, room)
        if program.build_again is not None:
            second = program.build_again(scene, room, scene.editions[ONE_CHANGED])
            yield BUILD_AGAIN, measure(second, room)
            if second.product is not None and second.product != first.product:
                remove(second.product)

    return Contestant(run, slow=program.slow)
