"""Running programs and measuring all of it: wall time, processor time, peak memory, bytes written, space used."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.results import Sample
from bench.room import Room
from bench.space import SpaceWatch, allocated

__all__ = ["Command", "Job", "measure", "remove", "run_quietly"]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_KIB = 1024
_OUTPUT_BLOCK = 512
_TAIL = 2000

Command = list[str]


@dataclass(frozen=True, slots=True)
class Job:
    """Command lines that are one job together: some programs take one image at a time."""

    commands: Sequence[Command]
    product: Path | None = None
    """What the job makes, in the room's ``out``."""


@dataclass(frozen=True, slots=True)
class _Used:
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    written_bytes: int


def measure(job: Job, room: Room) -> Sample:
    """Run all command lines of a job to their ends, one after the other.

    Raises:
        BenchError: One of them did not end well.
    """
    room.make()
    # What the one before has written must not be on its way to the disk while this one is measured.
    os.sync()
    with SpaceWatch(room.folder) as watch:
        used = [_run(command, room) for command in job.commands]
    return Sample(
        wall_seconds=sum(one.wall_seconds for one in used),
        cpu_seconds=sum(one.cpu_seconds for one in used),
        peak_bytes=max(one.peak_bytes for one in used),
        written_bytes=sum(one.written_bytes for one in used),
        space_bytes=max(0, watch.most_bytes - allocated(room.out)),
        sync_seconds=_sync(room.folder) if job.product is not None else 0.0,
        product_bytes=_size(job.product),
    )


def run_quietly(job: Job, room: Room) -> None:
    """Run a job that only prepares another one.

    Raises:
        BenchError: A command did not end well.
    """
    room.make()
    for command in job.commands:
        _run(command, room)


def _run(command: Command, room: Room) -> _Used:
    log, result = room.folder / "measured.log", room.folder / "measured.txt"
    with log.open("wb") as output:
        subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(result), *command],
            cwd=room.desk,
            env=room.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
        )
    code, wall, cpu, peak, written = map(float, result.read_text().split())
    if code != 0:
        tail = log.read_text(errors="replace")[-_TAIL:].strip()
        raise BenchError(f"{' '.join(command)} ended with {code:.0f}:\n{tail}")
    return _Used(wall, cpu, int(peak) * _KIB, int(written) * _OUTPUT_BLOCK)


def _sync(folder: Path) -> float:
    begun = time.monotonic()
    subprocess.run(["sync", "--file-system", str(folder)], check=True)
    return time.monotonic() - begun


def remove(product: Path) -> None:
    """Remove what a job has made."""
    if product.is_dir():
        shutil.rmtree(product)
    else:
        product.unlink(missing_ok=True)


def _size(product: Path | None) -> int:
    if product is None or not product.exists():
        return 0
    return allocated(product) if product.is_dir() else product.stat().st_size
