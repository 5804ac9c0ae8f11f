"""Fuzzes one target in this process: ``python -m fuzz.worker TARGET --seconds N --seed S``."""

import argparse
import faulthandler
import hashlib
import importlib
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType, ModuleType

from fuzz.mutations import LARGEST_INPUT, Mutator
from packhorse.base.errors import PackhorseError

ROOT = Path(__file__).parent.parent
KEPT = ROOT / ".cache" / "fuzz"
SECONDS_PER_INPUT = 5.0
MEMORY_PER_INPUT = 200 * 1024 * 1024
_SECONDS_BEFORE_GIVING_UP = 3 * SECONDS_PER_INPUT
_POOL_SIZE = 2000
_NUMBERS = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"")
_SHORT = 80
_OWN_MUTATION = 0.5


class TooSlowError(Exception):
    """An input took longer than it may."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that broke the rule, and how."""

    data: bytes
    reason: str
    trace: str


def run_one(target: ModuleType, data: bytes) -> tuple[str, Failure | None]:
    """Run one input.

    Returns:
        What came of it, in a form that is alike for like causes, and the failure if it is one.
    """
    try:
        with _limited_time():
            target.fuzz_one(data)
    except PackhorseError as error:
        first = error.message.partition("\n")[0]
        return f"{type(error).__name__} {_NUMBERS.sub('', first)[:_SHORT]}", None
    except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        return reason, Failure(data, reason, traceback.format_exc())
    return "read", None


@contextmanager
def _limited_time() -> Iterator[None]:
    def too_slow(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlowError(f"more than {SECONDS_PER_INPUT:.0f} seconds")

    before = signal.signal(signal.SIGALRM, too_slow)
    # A C function that does not come back gets no signal: then this ends the process, with a trace of where it is.
    faulthandler.dump_traceback_later(_SECONDS_BEFORE_GIVING_UP, exit=True)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_INPUT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def limit_memory() -> None:
    """Let this process grow by no more than one input may take."""
    # Private writable memory: what a thread's allocator only reserves is not counted.
    used = _data_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_PER_INPUT, hard))


def _data_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmData:\s+([0-9]+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found is not None else 0


def seeds_of(target: ModuleType, folder: Path) -> list[bytes]:
    """Return the inputs to start from: files, and what the target makes; at least an empty one."""
    found = [path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()] if folder.is_dir() else []
    made: Iterable[bytes] = target.seeds() if hasattr(target, "seeds") else ()
    return [*found, *made] or [b""]


def fuzz(target: ModuleType, seeds: Sequence[bytes], random: Random, seconds: float, current: Path) -> Failure | int:
    """Run mutated inputs for ``seconds``; return how many, or the first failure.

    Inputs that come to something new join those that later ones are made from.
    """
    mutator = Mutator(random, getattr(target, "TOKENS", ()))
    own = getattr(target, "mutate", None)
    pool = list(seeds)
    outcomes: set[str] = set()
    count = 0
    end = time.monotonic() + seconds
    waiting = list(seeds)
    with current.open("wb", buffering=0) as file:
        while waiting or time.monotonic() < end:
            if waiting:
                data = waiting.pop()
            else:
                data = random.choice(pool)
                if own is not None and random.random() < _OWN_MUTATION:
                    data = own(data, random)[:LARGEST_INPUT]
                data = mutator.mutate(data, random.choice(pool))
            # Kept first, because the process may not live to tell.
            file.seek(0)
            file.truncate()
            file.write(data)
            outcome, failure = run_one(target, data)
            if failure is not None:
                return failure
            count += 1
            if outcome not in outcomes and len(pool) < _POOL_SIZE:
                outcomes.add(outcome)
                pool.append(data)
    return count


def keep(name: str, data: bytes) -> Path:
    """Write an input to a file of its own."""
    path = KEPT / "failures" / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def main(arguments: Sequence[str]) -> int:
    """Fuzz one target; return 1 when an input failed."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.worker")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=Path, action="append", default=[])
    options = parser.parse_args(arguments)
    target = importlib.import_module(f"fuzz.targets.{options.target}")
    invariant = getattr(target, "INVARIANT", None) or (target.__doc__ or "").partition("\n")[0]
    print(f"{options.target}: {invariant}", flush=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    seeds = [path.read_bytes() for path in options.replay]
    seeds = seeds or seeds_of(target, ROOT / "fuzz" / "seeds" / options.target)
    run_one(target, seeds[0])  # what is loaded on first use is no input's fault
    limit_memory()
    current = KEPT / f"{options.target}.current"
    seconds = 0.0 if options.replay else options.seconds
    result = fuzz(target, seeds, Random(options.seed), seconds, current)
    if isinstance(result, int):
        print(f"{options.target}: {result:,} inputs, nothing broke (seed {options.seed})", flush=True)
        return 0
    path = keep(options.target, result.data)
    print(result.trace, file=sys.stderr)
    print(f"{options.target}: {result.reason} (seed {options.seed}, {len(result.data):,} bytes)", file=sys.stderr)
    print(f"hint: python -m fuzz --replay {path.relative_to(ROOT)} {options.target}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
