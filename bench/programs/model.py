"""What a program can do, as data."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.measure import Command, Job
from bench.room import Room
from bench.scene import Edition, Scene

__all__ = ["JobMaker", "Program", "Serving", "where_it_was"]

JobMaker = Callable[[Scene, Room, Edition], Job]
"""Writes a job's command lines. The scene has the registries, the room is the program's own, and the edition says which
images are meant."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers pulls, started by hand: what runs first, what runs on, and where it listens."""

    commands: list[Command]
    server: Command
    address: str


def where_it_was(_scene: Scene, edition: Edition) -> tuple[str, str]:
    """Return repository and reference of the first image, for programs that keep names."""
    repository, _, tag = edition.images[0].name.rpartition(":")
    return repository, tag


@dataclass(frozen=True, slots=True)
class Program:
    """One contestant; a job that it cannot do, or that is nothing of its own, is None."""

    name: str
    executable: str
    """As in the table of peers; ``packhorse`` is that of this tree."""
    version: tuple[str, ...]
    build: JobMaker
    """All images of an edition into files under the room's ``out``."""
    build_again: JobMaker | None = None
    """The same when the first edition was built in this room before."""
    verify: JobMaker | None = None
    """Read everything and check it, or the step of the program that comes nearest."""
    push: JobMaker | None = None
    """From the file to everything in the target registry."""
    pushes_again: bool = False
    """Whether it is measured at pushing what is there already."""
    serve: Callable[[Scene, Room, Edition], Serving] | None = None
    """Answer pulls without a registry of somebody else."""
    inspect: JobMaker | None = None
    """Show what the file carries."""
    inspect_needs: JobMaker | None = None
    """What must have been done to the file before it can be looked into; not measured with it."""
    slow: bool = False
    """So slow that it is measured once only."""
    first_image: Callable[[Scene, Edition], tuple[str, str]] = where_it_was
    """Where the first image is in the target registry after a push."""

    def named(self, **changes: object) -> "Program":
        """Return a variant."""
        return replace(self, **changes)  # type: ignore[arg-type]
