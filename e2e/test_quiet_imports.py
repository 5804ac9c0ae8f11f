"""Importing Packhorse, or what it is made of, speaks to nobody, starts nothing and writes nothing."""

import os
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

import packhorse
from e2e.cluster.network import NetworkNamespace
from e2e.quiet import importing
from e2e.quiet.events import Event, Kind, Recording
from e2e.quiet.recorder import Recorder
from e2e.quiet.rule import Named, violations
from e2e.workplace import Workplace

_IMPORTER = importing.__file__
_NOTHING_TO_SEE = frozenset({"/dev/null"})
_LEFT_BEHIND = (Kind.WRITE, Kind.PROGRAM, Kind.PROCESS, Kind.THREAD)


def modules_of_packhorse() -> list[str]:
    """Every module but the one that is the program itself."""
    found = [module.name for module in pkgutil.walk_packages(packhorse.__path__, "packhorse.")]
    return ["packhorse", *(name for name in found if not name.endswith("__main__"))]


def dependencies() -> set[str]:
    """The distributions that are installed with Packhorse, itself included, as they name each other."""
    found: set[tuple[str, str]] = set()
    waiting = [("packhorse", "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for wanted in map(Requirement, metadata.requires(name) or ()):
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                waiting += [(_normal(wanted.name), each) for each in ("", *wanted.extras)]
    return {name for name, _ in found}


def modules_of(name: str) -> list[str]:
    """The modules at the top of a distribution, as its list of files has them."""
    tops = {Path(file.parts[0]) for file in metadata.files(name) or () if file.suffix in {".py", ".so"}}
    names = {top.name.partition(".")[0] for top in tops}
    return sorted(each for each in names if each.isidentifier())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """Where there is nothing but loopback, with a home that may be written to."""
    folder = tmp_path_factory.mktemp("imports")
    namespace = NetworkNamespace("imports", folder / "namespace.log")
    # Compiled modules beside the sources are the interpreter's own, and there or not as it was installed.
    own = {"PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    yield Recorder(Workplace("a place for imports", folder, namespace.command, own))
    namespace.close()


def record_imports(recorder: Recorder, modules: Sequence[str]) -> dict[str, list[Event]]:
    """Import each in a process of its own, and give what it did."""
    parts = [modules[first :: os.cpu_count() or 1] for first in range(os.cpu_count() or 1)]
    with ThreadPoolExecutor(len(parts)) as threads:
        done = list(threads.map(lambda part: _record_part(recorder, part), parts))
    return {name: events for part in done for name, events in part.items()}


def _record_part(recorder: Recorder, modules: Sequence[str]) -> dict[str, list[Event]]:
    recording = recorder.run(sys.executable, _IMPORTER, *modules)
    names = {int(line.split()[0]): line.split()[1] for line in recording.stdout.splitlines()}
    found: dict[str, list[Event]] = {name: [] for name in names.values()}
    for event in recording.events:
        # A thread or a process that a module makes is told already by its being made.
        if event.process.thread in names:
            found[names[event.process.thread]].append(event)
    return found


def faults(events: Sequence[Event], home: Path) -> list[str]:
    """Tell what an import did that it should not do."""
    left = [
        f"{event.call}: {event.kind.value} {event.detail}"
        for event in events
        if event.kind in _LEFT_BEHIND
        and event.detail not in _NOTHING_TO_SEE
        and not (event.kind is Kind.WRITE and Path(event.detail).is_relative_to(home))
    ]
    return [*violations(Recording(tuple(events)), Named()), *left]


def test_the_dependencies_are_those_of_the_lock() -> None:
    lock = Path(__file__).resolve().parents[1] / "requirements" / "runtime.lock"
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==\S+(?: ; (.*?))? \\$", lock.read_text(), re.MULTILINE)
    here = {_normal(name) for name, marker in pinned if not marker or Marker(marker).evaluate()}
    assert dependencies() == here | {"packhorse"}


def test_importing_any_module_reaches_nobody_and_leaves_nothing_behind(recorder: Recorder) -> None:
    ours = modules_of_packhorse()
    theirs = sorted({module for name in dependencies() - {"packhorse"} for module in modules_of(name)})
    recorded = record_imports(recorder, [*ours, *theirs])
    assert len(recorded) == len(ours) + len(theirs)
    assert {"aiohttp", "click", "httpx2", "lightkube", "msgspec", "rich", "urllib3", "yaml"} <= set(theirs)
    found = {name: faults(events, recorder.place.folder) for name, events in recorded.items()}
    assert {name: those for name, those in found.items() if those} == {}
