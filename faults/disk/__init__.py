"""A disk and a clock that fail: a small C library that is loaded before the C library, and told what to do."""

import errno
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Lock

__all__ = ["CANNOT_WRITE", "FULL", "Disk", "Rule", "library"]

_SOURCE = Path(__file__).with_name("faulty_disk.c")
_CACHE = Path(__file__).parents[2] / ".cache" / "faults"

FULL = errno.ENOSPC
CANNOT_WRITE = errno.EIO

_compiling = Lock()


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which calls fail; ``faulty_disk.c`` says what the fields mean."""

    op: str
    kind: str
    arg: int = 0
    part: str = "*"
    skip: int = 0
    times: int = -1

    def __str__(self) -> str:
        return f"{self.op},{self.part},{self.skip},{self.times},{self.kind},{self.arg}"


@dataclass(frozen=True, slots=True)
class Disk:
    """How the disk under one folder, and the clock, behave for one process."""

    root: Path
    rules: Sequence[Rule] = ()
    speed: float = 1.0
    jumps: Sequence[tuple[int, int]] = ()
    """Milliseconds since the start, and by how many seconds the wall clock is wrong from then on."""
    boot: Path | None = None
    trace: Path | None = None
    hits: Path | None = None

    def environment(self) -> dict[str, str]:
        """The variables that make it so."""
        found = {
            "LD_PRELOAD": str(library()),
            "FAULTY_ROOT": str(self.root),
            "FAULTY_RULES": ";".join(map(str, self.rules)),
            "FAULTY_SPEED": str(self.speed),
            "FAULTY_CLOCK": ",".join(f"{at}@{by}" for at, by in self.jumps),
        }
        files = {"FAULTY_BOOT": self.boot, "FAULTY_TRACE": self.trace, "FAULTY_HITS": self.hits}
        found.update({name: str(path) for name, path in files.items() if path is not None})
        return {name: value for name, value in found.items() if value}

    def describe(self) -> str:
        """Say it in a line."""
        parts = [str(rule) for rule in self.rules]
        parts += [f"clock {by:+} s at {at} ms" for at, by in self.jumps]
        return "; ".join(parts) or "a good disk"


def library() -> Path:
    """Compile the library, once for each state of its source; of several threads the first does it.

    Raises:
        RuntimeError: There is no C compiler, or it refuses.
    """
    with _compiling:
        return _library()


@cache
def _library() -> Path:
    source = _SOURCE.read_bytes()
    made = _CACHE / f"faulty_disk-{sha256(source).hexdigest()[:16]}.so"
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    temporary = made.with_suffix(f".{os.getpid()}")
    command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(temporary), str(_SOURCE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RuntimeError("there is no C compiler (Debian: apt-get install gcc libc6-dev)") from error
    if done.returncode:
        raise RuntimeError(f"cc failed:\n{done.stderr}")
    temporary.replace(made)
    return made
