"""Runs the targets one after the other, each in a process of its own that may die."""

import argparse
import os
import pkgutil
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fuzz import targets

ROOT = Path(__file__).parent.parent


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(module.name for module in pkgutil.iter_modules(targets.__path__))


def main(arguments: Sequence[str]) -> int:
    """Fuzz, or run kept inputs again; return 1 when a target failed."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Feed broken input to the readers.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, help="makes the same inputs again")
    parser.add_argument("--replay", type=Path, action="append", default=[], help="run this kept input instead")
    parser.add_argument("target", nargs="*", help=f"of {', '.join(names())}; all where none is named")
    options = parser.parse_args(arguments)
    unknown = set(options.target) - set(names())
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    chosen = options.target or names()
    seed = options.seed if options.seed is not None else secrets.randbelow(2**32)
    failed = []
    for name in chosen:
        settings = ["--seconds", str(options.seconds / len(chosen)), "--seed", str(seed)]
        for path in options.replay:
            settings += ["--replay", str(path.absolute())]
        # Hash order is part of what makes the same inputs again.
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-m", "fuzz.worker", name, *settings]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if done.returncode != 0:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
