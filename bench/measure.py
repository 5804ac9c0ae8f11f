"""Running one program and measuring all of it: wall time, processor time, peak memory, bytes written."""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BenchError", "Sample", "Summary", "measure", "summarise"]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_KIB = 1024
_OUTPUT_BLOCK = 512


class BenchError(Exception):
    """A program that is measured failed; its output is in the message."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one program, its children included."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    """The largest resident set of any one of its processes."""
    written_bytes: int
    """What it gave to the file system to write, as the kernel counts it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Several runs: the median, and the extremes of the wall time."""

    wall_seconds: float
    fastest_seconds: float
    slowest_seconds: float
    cpu_seconds: float
    peak_bytes: int
    written_bytes: int


def measure(arguments: Sequence[str], folder: Path, *, before: Callable[[], None] | None = None) -> Sample:
    """Run a program to its end in a folder, and measure it.

    Args:
        arguments: The program and its arguments.
        folder: Where it runs; its output goes to a file there.
        before: Called first, and not measured: removes what an earlier run left.

    Raises:
        BenchError: It did not end well.
    """
    if before is not None:
        before()
    # What the one before has written must not be on its way to the disk while this one is measured.
    os.sync()
    log, result = folder / "measured.log", folder / "measured.txt"
    with log.open("wb") as output:
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(result), *arguments]
        subprocess.run(
            launcher, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=True
        )
    code, wall, cpu, peak, written = map(float, result.read_text().split())
    if code != 0:
        tail = log.read_text(errors="replace")[-2000:]
        raise BenchError(f"{' '.join(arguments)} ended with {code:.0f}:\n{tail}")
    return Sample(wall, cpu, int(peak) * _KIB, int(written) * _OUTPUT_BLOCK)


def summarise(samples: Sequence[Sample]) -> Summary:
    """Take the median of each figure."""
    walls = [sample.wall_seconds for sample in samples]
    return Summary(
        wall_seconds=statistics.median(walls),
        fastest_seconds=min(walls),
        slowest_seconds=max(walls),
        cpu_seconds=statistics.median(sample.cpu_seconds for sample in samples),
        peak_bytes=max(sample.peak_bytes for sample in samples),
        written_bytes=round(statistics.median(sample.written_bytes for sample in samples)),
    )
