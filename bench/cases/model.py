"""A course: several jobs that one contestant does in a row, because each finds what the one before has made."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bench.results import Sample

__all__ = ["Contestant", "Course", "Samples"]

Samples = Iterator[tuple[str, Sample]]
"""Jobs by name with what they took, as they are done."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One program in one course."""

    run: Callable[[], Samples]
    """All jobs of the course once."""
    prepare: Callable[[], None] = lambda: None
    """Called once before the first round, and not measured."""
    slow: bool = False
    """Measured in the first round only."""


@dataclass(frozen=True, slots=True)
class Course:
    """Jobs, and who does them; in each round every contestant goes through all of them once."""

    name: str
    contestants: Mapping[str, Contestant] = field(default_factory=dict)
