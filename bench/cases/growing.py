"""Memory and temporary space as the content grows, in bytes and in number; and a look into the largest bundle."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.cases.arriving import serve_until_pull
from bench.cases.model import Contestant, Course, Samples
from bench.editions import Edition, write_edition
from bench.errors import BenchError
from bench.measure import measure, run_quietly
from bench.programs import PACKHORSE, Program
from bench.results import Point, Sample
from bench.room import Room
from bench.scene import FIRST, Scene, lock
from bench.synthetic import SyntheticImage, push_images

__all__ = ["GROWTH_JOBS", "INSPECT", "Growth", "Plan", "inspecting"]

INSPECT = "inspect the largest synthetic bundle"
GROWTH_JOBS = ("build", "verify", "serve until the first pull", "push")

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """How far it grows."""

    base_bytes: int
    factors: Sequence[int]
    counts: Sequence[int]
    """Numbers of small images."""

    def contents(self) -> Iterator[list[SyntheticImage]]:
        """Yield the images for each point: first by number, then by size, the largest last."""
        for count in self.counts:
            yield [SyntheticImage(f"registry.example.com/small/one-{number}:1", 2, 4096) for number in range(count)]
        for factor in self.factors:
            # Twice the content is twice as many images, and layers of the same size.
            yield [
                SyntheticImage(f"registry.example.com/growth/part-{number}:1", 4, self.base_bytes // 4)
                for number in range(factor)
            ]


class Growth:
    """Builds what grows, one point after the other, with every program.

    What is built goes again at once, for it is large; but that of the last point stays with those who can look into it.
    """

    def __init__(self, scene: Scene, programs: Sequence[Program], plan: Plan) -> None:
        self._scene = scene
        self._programs = [program for program in programs if not program.slow]
        self._plan = plan
        self.largest: Edition | None = None

    def room(self, program: Program) -> Room:
        """Return where a program keeps what it built of the largest content."""
        return self._scene.room(f"{program.name}-growth")

    def points(self, told: Callable[[str], None], left_out: dict[str, str]) -> Iterator[Point]:
        """Measure all points.

        Args:
            told: Is told what is being measured.
            left_out: Gets the programs that failed, with the reason.
        """
        for number, images in enumerate(self._plan.contents()):
            named, size = push_images(self._scene.source.address, images)
            folder = self._scene.folder / "editions" / f"growth-{number}"
            self.largest = edition = write_edition(FIRST, named, self._scene.source.address, folder)
            lock(edition)
            told(f"growth: {len(images)} images, {size / _MIB:.0f} MiB")
            for program in self._programs:
                if program.name in left_out:
                    continue
                try:
                    for job, sample in self._point(program, edition):
                        yield Point(
                            job=job, program=program.name, images=len(images), content_bytes=size, samples=[sample]
                        )
                except BenchError as error:
                    if program is PACKHORSE:
                        raise
                    left_out[program.name] = str(error)
                if program.inspect is None:
                    self.room(program).empty()

    def _point(self, program: Program, edition: Edition) -> Iterator[tuple[str, Sample]]:
        scene, room = self._scene, self.room(program)
        room.empty()
        yield "build", measure(program.build(scene, room, edition), room)
        if program is not PACKHORSE or program.verify is None or program.push is None or program.serve is None:
            return
        yield "verify", measure(program.verify(scene, room, edition), room)
        served = serve_until_pull(program.serve(scene, room, edition), room, program.first_image(scene, edition))
        yield "serve until the first pull", served
        scene.target.clear()
        yield "push", measure(program.push(scene, room, edition), room)
        scene.target.clear()


def inspecting(scene: Scene, growth: Growth, programs: Sequence[Program]) -> Course:
    """Look into what each program built of the largest content."""
    edition = growth.largest
    if edition is None:
        return Course("inspecting")
    able = [program for program in programs if program.inspect is not None]
    return Course(
        "inspecting", {program.name: _inspector(scene, program, edition, growth.room(program)) for program in able}
    )


def _inspector(scene: Scene, program: Program, edition: Edition, room: Room) -> Contestant:
    def prepare() -> None:
        if program.inspect_needs is not None:
            run_quietly(program.inspect_needs(scene, room, edition), room)

    def run() -> Samples:
        if program.inspect is not None:
            yield INSPECT, measure(program.inspect(scene, room, edition), room)

    return Contestant(run, prepare)
