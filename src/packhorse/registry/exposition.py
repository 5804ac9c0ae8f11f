"""Counters, gauges and histograms in Prometheus' text format (version 0.0.4).

Values are kept by one thread. Who makes a family says which labels it has; what their values may be is for its user to
bound, for each combination is a series that never goes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["CONTENT_TYPE", "Counter", "Histogram", "gauge", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Counter:
    """A number for each combination of labels, that only grows."""

    def __init__(self, name: str, description: str, labels: Sequence[str] = ()) -> None:
        self._head = _head(name, description, "counter")
        self._name = name
        self._labels = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, amount: float, *values: str) -> None:
        """Add to the series of these label values."""
        self._values[values] = self._values.get(values, 0) + amount

    def lines(self) -> Iterator[str]:
        """Give the family as text."""
        yield from self._head
        for values, number in sorted(self._values.items()):
            yield _sample(self._name, zip(self._labels, values, strict=True), number)


class Histogram:
    """How many observations were at most so large, for each combination of labels."""

    def __init__(self, name: str, description: str, bounds: Sequence[float], labels: Sequence[str]) -> None:
        """Make a histogram.

        Args:
            name: The family's.
            description: One line.
            bounds: The upper bounds of the buckets, ascending, without infinity.
            labels: Their names.
        """
        self._head = _head(name, description, "histogram")
        self._name = name
        self._bounds = tuple(bounds)
        self._labels = tuple(labels)
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, value: float, *values: str) -> None:
        """Count one observation in the series of these label values."""
        counts = self._counts.get(values)
        if counts is None:
            counts = self._counts[values] = [0] * (len(self._bounds) + 1)
            self._sums[values] = 0.0
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[values] += value

    def lines(self) -> Iterator[str]:
        """Give the family as text."""
        yield from self._head
        for values, counts in sorted(self._counts.items()):
            labels = list(zip(self._labels, values, strict=True))
            total = 0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts, strict=True):
                total += count
                yield _sample(f"{self._name}_bucket", [*labels, ("le", bound)], total)
            yield _sample(f"{self._name}_sum", labels, self._sums[values])
            yield _sample(f"{self._name}_count", labels, total)


def gauge(
    name: str, description: str, value: float | Mapping[str, float] | None, label: str = "", kind: str = "gauge"
) -> Iterator[str]:
    """Give a family whose values are known when they are asked for; nothing where there is no value.

    Args:
        name: The family's.
        description: One line.
        value: One number, or one for each value of ``label``; None where there is none.
        label: The label's name where there are several numbers.
        kind: ``counter`` for what somebody else counts.
    """
    if value is None:
        return
    yield from _head(name, description, kind)
    if not isinstance(value, Mapping):
        yield _sample(name, (), value)
        return
    for labelled, number in sorted(value.items()):
        yield _sample(name, ((label, labelled),), number)


def render(families: Iterable[Iterable[str]]) -> bytes:
    """Put families together into one answer."""
    return "".join(f"{line}\n" for family in families for line in family).encode()


def _head(name: str, description: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {description.translate(_HELP_ESCAPES)}", f"# TYPE {name} {kind}"


def _sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    written = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels)
    return f"{name}{{{written}}} {_number(value)}" if written else f"{name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
