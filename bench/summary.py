"""Several runs in a few figures."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.results import Sample

__all__ = ["Ratio", "Summary", "ratio", "summarise"]


@dataclass(frozen=True, slots=True)
class Summary:
    """The median of each figure, and the extremes of the wall time."""

    runs: int
    wall_seconds: float
    fastest_seconds: float
    slowest_seconds: float
    on_disk_seconds: float
    """Wall time until what was made is on the disk."""
    cpu_seconds: float
    peak_bytes: int
    """Here the largest of all runs: it is what a machine must have."""
    written_bytes: int
    space_bytes: int
    """As with memory, the largest."""
    product_bytes: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """Somebody's wall time as a multiple of ours: of the medians, and the extremes round by round."""

    median: float
    least: float
    most: float


def summarise(samples: Sequence[Sample]) -> Summary:
    """Take the figures of at least one run together."""
    walls = [sample.wall_seconds for sample in samples]
    return Summary(
        runs=len(samples),
        wall_seconds=statistics.median(walls),
        fastest_seconds=min(walls),
        slowest_seconds=max(walls),
        on_disk_seconds=statistics.median(sample.wall_seconds + sample.sync_seconds for sample in samples),
        cpu_seconds=statistics.median(sample.cpu_seconds for sample in samples),
        peak_bytes=max(sample.peak_bytes for sample in samples),
        written_bytes=round(statistics.median(sample.written_bytes for sample in samples)),
        space_bytes=max(sample.space_bytes for sample in samples),
        product_bytes=max(sample.product_bytes for sample in samples),
    )


def ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> Ratio:
    """Compare: medians over all rounds, extremes over the rounds that both have."""
    rounds = [their.wall_seconds / our.wall_seconds for our, their in zip(ours, theirs, strict=False)]
    return Ratio(summarise(theirs).wall_seconds / summarise(ours).wall_seconds, min(rounds), max(rounds))
