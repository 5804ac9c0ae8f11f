"""One run: opens the scene, goes through all courses round by round, and keeps what was measured."""

import compileall
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cases.arriving import arriving
from bench.cases.building import building
from bench.cases.growing import Growth, Plan, inspecting
from bench.cases.model import Course
from bench.cases.serving import serving
from bench.cases.starting import starting
from bench.cases.verifying import verifying
from bench.errors import BenchError
from bench.limits import measure_limits
from bench.machine import describe, version_of
from bench.peers.find import find_peers
from bench.peers.install import pinned_version
from bench.programs import PACKHORSE, PROGRAMS, Program
from bench.programs.packhorse import EXECUTABLE
from bench.results import Point, Results, Sample
from bench.scene import Scene, Wish, open_scene

__all__ = ["Wanted", "run"]

_BEGUN = time.monotonic()
_TREE = Path(__file__).parents[1]
_CACHE = _TREE / ".cache"
_REGISTRY_VERSIONS = {"olareg": ("version",), "zot": ("--version",)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    sets: Sequence[str]
    series: Sequence[str]
    rounds: int
    growth: Plan
    without: Sequence[str] = ()
    """Programs that take no part."""


@dataclass(slots=True)
class _Taken:
    """What has been measured so far."""

    jobs: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)
    growth: list[Point] = field(default_factory=list)


def run(wanted: Wanted) -> Iterator[Results]:
    """Measure everything; yield what there is after each course, so that a failure at the end loses only the end.

    Raises:
        BenchError: Packhorse could not do a job, or the scene could not be made.
    """
    date, machine = datetime.now(UTC), describe()
    here, missing = find_peers()
    for name in wanted.without:
        if here.pop(name, None) is not None:
            missing[name] = "left out on the command line"
    for name, reason in missing.items():
        _tell(f"{name} takes no part: {reason}")
    programs = [program for program in PROGRAMS if program is PACKHORSE or program.executable in here]
    # As pip does when it installs a package: no start that is measured compiles anything.
    compileall.compile_dir(_TREE / "src", quiet=1)
    used = {program.executable for program in programs} | (_REGISTRY_VERSIONS.keys() & here.keys())
    wish = Wish(wanted.sets, wanted.series, here)
    with _empty_folder() as folder, open_scene(folder, _CACHE / "corpus", wish) as scene:
        _tell("limits")
        taken, limits = _Taken(), measure_limits(scene)
        for _ in _courses(scene, programs, wanted, taken):
            yield Results(
                date=date.isoformat(timespec="seconds"),
                rounds=wanted.rounds,
                machine=machine,
                registry=_registry_name(here),
                content=scene.content,
                programs=_versions(here, used),
                missing=missing,
                left_out=taken.left_out,
                jobs=taken.jobs,
                growth=taken.growth,
                limits=limits,
            )


@contextmanager
def _empty_folder() -> Iterator[Path]:
    """Give a folder on the tree's own disk that is gone afterwards: what is built in it is large."""
    place = _CACHE / "bench"
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place, prefix="scene-") as folder:
        yield Path(folder)


def _courses(scene: Scene, programs: Sequence[Program], wanted: Wanted, taken: _Taken) -> Iterator[None]:
    for course in (building, verifying, arriving):
        _go_through(course(scene, programs), wanted.rounds, taken)
        yield
    with serving(scene) as served:
        _go_through(served, wanted.rounds, taken)
    _go_through(starting(scene), wanted.rounds, taken)
    yield
    _grow(scene, programs, wanted, taken)
    yield


def _grow(scene: Scene, programs: Sequence[Program], wanted: Wanted, taken: _Taken) -> None:
    for program in programs:
        scene.room(program.name).empty()
    left_out: dict[str, str] = {}
    growth = Growth(scene, programs, wanted.growth)
    taken.growth += growth.points(_tell, left_out)
    if left_out:
        taken.left_out["growth"] = left_out
    able = [program for program in programs if program.name not in left_out]
    _go_through(inspecting(scene, growth, able), wanted.rounds, taken)


def _go_through(course: Course, rounds: int, taken: _Taken) -> None:
    able = dict(course.contestants)
    for number in range(-1, rounds):
        _tell(f"{course.name}: {f'round {number + 1} of {rounds}' if number >= 0 else 'preparing'}")
        for name, contestant in list(able.items()):
            if number > 0 and contestant.slow:
                continue
            try:
                if number < 0:
                    contestant.prepare()
                    continue
                for job, sample in contestant.run():
                    taken.jobs.setdefault(job, {}).setdefault(name, []).append(sample)
            except BenchError as error:
                if name == PACKHORSE.name:
                    raise
                # A peer that cannot do a job is left out of what follows, and said so.
                _tell(f"{name} is left out of {course.name}: {error}")
                taken.left_out.setdefault(course.name, {})[name] = str(error)
                del able[name]


def _versions(here: Mapping[str, str], used: set[str]) -> dict[str, str]:
    options = {**_REGISTRY_VERSIONS, **{program.executable: program.version for program in PROGRAMS}}
    paths = {**here, PACKHORSE.executable: EXECUTABLE}
    return {name: _version(name, paths[name], options[name]) for name in sorted(used)}


def _registry_name(here: Mapping[str, str]) -> str:
    program = here.get("registry", "docker-registry")
    return f"distribution {_version('registry', program, ['--version'])}"


def _version(name: str, path: str, options: Sequence[str]) -> str:
    """Give the pin of what was built from it: a program that Go builds from a module often does not know its own."""
    return pinned_version(name, path) or version_of([path, *options])


def _tell(message: str) -> None:
    print(f"{time.monotonic() - _BEGUN:6.0f} s  {message}", file=sys.stderr, flush=True)
