"""A round, what it is given, and what it is when something that must hold does not."""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

__all__ = ["Broken", "Round", "Verb"]


class Broken(Exception):  # noqa: N818 - it is no error of the program, but what the program looks for
    """Something that must hold does not; the message says what."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        seed: Of the whole run.
        number: Of the round, from 0 on; with the verb and the seed it decides everything.
        folder: An empty one, for this round alone.
    """

    verb: str
    seed: int
    number: int
    folder: Path

    @property
    def key(self) -> str:
        """What the round's faults follow from."""
        return f"{self.seed}/{self.verb}/{self.number}"

    def random(self, what: str = "") -> Random:
        """Chance for one purpose, the same each time."""
        return Random(f"{self.key}/{what}")


class Verb(Protocol):
    """A verb that rounds are run of. Made once for each thread, and used by that thread only."""

    def play(self, turn: Round) -> str:
        """Run a round, and say in a line what happened in it.

        Raises:
            Broken: Something that must hold does not.
        """

    def close(self) -> None:
        """Let go of everything."""
