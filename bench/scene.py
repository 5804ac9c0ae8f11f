"""What is measured on: a registry on loopback with the images, a second one to push to, and a room for each program."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.editions import FIRST, Edition, Named, blobs_of, write_edition
from bench.errors import BenchError
from bench.results import Content
from bench.room import Room
from bench.servers import Registry, free_address, registry
from bench.stock import Stock, choose, stock_of
from corpus.errors import CorpusError
from corpus.layout import Layout
from corpus.maker import Maker
from corpus.model import Image
from corpus.registry import push
from corpus.workshop import Workshop

__all__ = ["FIRST", "FIVE_PERCENT", "ONE_CHANGED", "Edition", "Scene", "Wish", "free_address", "lock", "open_scene"]

ONE_CHANGED = "one-changed"
FIVE_PERCENT = "five-percent"
_FIVE_PERCENT = 0.05


@dataclass(frozen=True, slots=True)
class Wish:
    """What the scene is made of: sets of the corpus, and the programs by name with their paths."""

    sets: Sequence[str]
    series: Sequence[str]
    programs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything is."""

    folder: Path
    programs: Mapping[str, str]
    source: Registry
    target: Registry
    editions: Mapping[str, Edition]
    content: Content
    blobs: Mapping[str, int]
    """What the first edition consists of: sizes by digest."""

    @property
    def first(self) -> Edition:
        """The edition that everything begins with."""
        return self.editions[FIRST]

    def room(self, name: str) -> Room:
        """Return the room of a contestant."""
        letters = "".join(letter if letter.isalnum() else "-" for letter in name)
        return Room(self.folder / "rooms" / letters).make()


@contextmanager
def open_scene(folder: Path, cache: Path, wish: Wish) -> Iterator[Scene]:
    """Make the images, start both registries, fill the first, and write what each program reads, in an empty folder.

    Raises:
        BenchError: There is no registry program, or it does not start, or the images cannot be made.
    """
    program = wish.programs.get("registry") or shutil.which("docker-registry")
    if program is None:
        raise BenchError(
            "expected the program registry (make peers) or docker-registry (Debian's package of that name)"
        )
    stock = stock_of(wish.sets, wish.series)
    with registry(program, folder / "source") as source, registry(program, folder / "target") as target:
        try:
            layouts = _fill(source, stock, Maker(Workshop(cache)))
        except CorpusError as error:
            raise BenchError(str(error)) from error
        yield _arrange(folder, wish, stock, layouts, (source, target))


def _fill(source: Registry, stock: Stock, maker: Maker) -> dict[str, Layout]:
    layouts = {image.reference: maker.make(image) for image in (*stock.first, *stock.updates.values())}
    for layout in layouts.values():
        push(layout, f"http://{source.address}")
    return layouts


def _arrange(
    folder: Path, wish: Wish, stock: Stock, layouts: Mapping[str, Layout], registries: tuple[Registry, Registry]
) -> Scene:
    source, target = registries
    sizes = {reference: blobs_of(layout, [reference]) for reference, layout in layouts.items()}
    before = _together(sizes, [image.reference for image in stock.first])
    changes = {old: _new_bytes(before, sizes[new.reference]) for old, new in stock.updates.items()}
    total = sum(before.values())
    updated = {ONE_CHANGED: (_ordinary(changes),), FIVE_PERCENT: choose(changes, round(total * _FIVE_PERCENT))}
    editions, changed_bytes = {}, {}
    for name, replaced in ((FIRST, ()), *updated.items()):
        images = [stock.updates[image.reference] if image.reference in replaced else image for image in stock.first]
        editions[name] = write_edition(name, _named(images, layouts), source.address, folder / "editions" / name)
        lock(editions[name])
        if name != FIRST:
            after = _together(sizes, [image.reference for image in images])
            changed_bytes[name] = _new_bytes(before, after)
    content = Content(
        sets=[*wish.sets, *wish.series],
        images=len(stock.first),
        blobs=len(before),
        size_bytes=total,
        changed_bytes=changed_bytes,
    )
    return Scene(folder, wish.programs, source, target, editions, content, before)


def lock(edition: Edition) -> None:
    """Lock Packhorse's package; that is no part of any measured job.

    Raises:
        BenchError: It cannot be locked.
    """
    command = [str(Path(sys.executable).with_name("packhorse")), "--quiet", "lock"]
    done = subprocess.run(command, cwd=edition.package, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"packhorse lock ended with {done.returncode}:\n{done.stderr.strip()}")


def _named(images: Sequence[Image], layouts: Mapping[str, Layout]) -> list[Named]:
    digests = {name: str(found["digest"]) for layout in layouts.values() for name, found in layout.named()}
    return [Named(image.reference, digests[image.reference], image.format) for image in images]


def _together(sizes: Mapping[str, Mapping[str, int]], references: Sequence[str]) -> dict[str, int]:
    return {digest: size for reference in references for digest, size in sizes[reference].items()}


def _ordinary(changes: Mapping[str, int]) -> str:
    """Return the update of middle size."""
    return sorted(changes, key=lambda name: (changes[name], name))[(len(changes) - 1) // 2]


def _new_bytes(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    return sum(size for digest, size in after.items() if digest not in before)
