"""How long the program takes to say anything at all."""

from bench.cases.model import Contestant, Course, Samples
from bench.measure import Job, measure
from bench.programs.packhorse import EXECUTABLE, PACKHORSE
from bench.scene import Scene

__all__ = ["STARTS", "starting"]

STARTS = ("--version", "--help")


def starting(scene: Scene) -> Course:
    """Packhorse alone."""
    room = scene.room("start")

    def run() -> Samples:
        for option in STARTS:
            yield option, measure(Job([[EXECUTABLE, option]]), room)

    return Course("starting", {PACKHORSE.name: Contestant(run)})
