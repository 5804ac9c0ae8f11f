"""``python -m faults``: rounds of the verbs, several at a time; see :mod:`faults`."""

import argparse
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from faults.bed import Bed
from faults.rounds import Broken, Round, Verb
from faults.verbs import VERBS, why_not

_ROOT = Path(__file__).parents[1]
_SEED = 1
_ROUNDS = 100
_THREADS = 2


@dataclass
class Tally:
    """What came of the rounds so far; shared by the threads."""

    played: dict[str, int] = field(default_factory=dict)
    failed: list[Round] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Games:
    """Hands out rounds to threads, the verbs in turn, until all are played or time is up."""

    def __init__(self, names: Sequence[str], numbers: Sequence[int], seconds: float) -> None:
        self._waiting = [(name, number) for number in numbers for name in names]
        self._waiting.reverse()
        self._end = time.monotonic() + seconds if seconds else float("inf")
        self._lock = threading.Lock()

    def next(self) -> tuple[str, int] | None:
        """Return the verb and number of the next round."""
        with self._lock:
            if not self._waiting or time.monotonic() >= self._end:
                return None
            return self._waiting.pop()


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return 1 when something did not hold."""
    asked = _parser().parse_args(arguments)
    folder: Path = asked.folder
    bed = Bed(folder / "cluster")
    wanted = asked.only or list(VERBS)
    missing = {name: reason for name in wanted if (reason := why_not(name, bed))}
    names = [name for name in wanted if name not in missing]
    numbers = [asked.round] if asked.round is not None else list(range(asked.rounds))
    if not all(number >= 0 for number in numbers):
        print(f"python -m faults: expected the number of a round, found {asked.round}", file=sys.stderr)
        return 2
    shutil.rmtree(folder, ignore_errors=True)
    games, tally = Games(names, numbers, asked.seconds), Tally()
    threads = [
        threading.Thread(target=_play_all, args=(games, tally, asked, (folder / f"{index}", bed)))
        for index in range(min(_THREADS, len(numbers) * len(names)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bed.close()
    for name, reason in missing.items():
        print(f"{name:8} not run: {reason}")
    return _report(names, tally, asked.seed) or (1 if missing and asked.all_verbs else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m faults", description="Run the verbs while everything fails.")
    parser.add_argument("--seed", type=int, default=_SEED, help="makes the same faults again")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each verb")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no round after so long; 0 for no limit")
    parser.add_argument("--only", action="append", choices=sorted(VERBS), metavar="VERB", help="only these verbs")
    parser.add_argument("--round", type=int, help="only the round of this number")
    parser.add_argument("--verbose", action="store_true", help="a line for each round")
    parser.add_argument("--keep-going", action="store_true", help="go on after a round that did not hold")
    parser.add_argument("--all-verbs", action="store_true", help="fail where a verb can't be run here")
    parser.add_argument("--folder", type=Path, default=_ROOT / ".cache" / "faults" / "rounds", help="where files go")
    return parser


def _play_all(games: Games, tally: Tally, asked: argparse.Namespace, place: tuple[Path, Bed]) -> None:
    folder, bed = place
    verbs: dict[str, Verb] = {}
    with ExitStack() as stack:
        while (chosen := games.next()) is not None and (asked.keep_going or not tally.failed):
            name, number = chosen
            if name not in verbs:
                stage = folder / name / "stage"
                stage.mkdir(parents=True)
                verbs[name] = stack.enter_context(closing(VERBS[name](stage, bed)))
            turn = Round(name, asked.seed, number, folder / name / f"round-{number}")
            turn.folder.mkdir()
            _play(verbs[name], turn, tally, verbose=asked.verbose)


def _play(verb: Verb, turn: Round, tally: Tally, *, verbose: bool) -> None:
    try:
        told = verb.play(turn)
    except Exception as error:  # noqa: BLE001 - whatever it is, the round is to be told of
        with tally.lock:
            tally.failed.append(turn)
            print(f"\n{turn.verb} {turn.number}: {error}", file=sys.stderr, flush=True)
            if not isinstance(error, Broken):
                traceback.print_exc()
            print(f"hint: {_again(turn)}; its files are in {turn.folder}", file=sys.stderr, flush=True)
        return
    shutil.rmtree(turn.folder)
    with tally.lock:
        tally.played[turn.verb] = tally.played.get(turn.verb, 0) + 1
        if verbose:
            print(f"{turn.verb} {turn.number}: {told}", flush=True)


def _again(turn: Round) -> str:
    return f"python -m faults --seed {turn.seed} --only {turn.verb} --round {turn.number} --verbose"


def _report(names: Sequence[str], tally: Tally, seed: int) -> int:
    for name in names:
        broken = sum(1 for turn in tally.failed if turn.verb == name)
        held = f"{tally.played.get(name, 0)} rounds held"
        print(f"{name:8} {held}" + (f", {broken} did not" if broken else "") + f" (seed {seed})")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
