"""What goes wrong in a round: a network, a disk, a clock and an operator, drawn from the round's own chance."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from faults.command import Ending
from faults.disk import CANNOT_WRITE, FULL, Disk, Rule
from faults.proxy.schedule import Schedule

__all__ = [
    "FAST",
    "Trouble",
    "at_request",
    "clock_jumps",
    "disk_at",
    "endings",
    "network",
    "reading_disk",
    "writing_disk",
]

FAST = 30.0
"""How many times as fast time goes in a run with faults, so that waiting for a server that says nothing is short."""

_DAY = 86_400
_JUMPS = (-10 * 365 * _DAY, -_DAY, -3600, -1, 1, 3600, 2 * _DAY, 10 * 365 * _DAY)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Everything that goes wrong in one run."""

    disk: Disk
    schedule: Schedule | None = None
    ending: Ending | None = None

    def describe(self) -> str:
        """Say it in a line."""
        parts = [self.schedule.describe()] if self.schedule is not None and self.schedule.kinds else []
        parts += [self.disk.describe()] if self.disk.rules or self.disk.jumps else []
        parts += [self.ending.describe()] if self.ending is not None else []
        return " | ".join(parts) or "nothing"


def network(random: Random, seed: str, kinds: Sequence[str], lines: str = "") -> Schedule:
    """Draw a network: a single mishap, bad weather, or one thing that fails for good."""
    chosen = random.sample(list(kinds), random.choice((1, 1, 2, 3)))
    match random.randrange(4):
        case 0:
            return Schedule(seed, chosen, 1.0, lines=lines, most=random.choice((1, 1, 2, 3)))
        case 1:
            return Schedule(seed, chosen, random.choice((0.05, 0.1, 0.2)), lines=lines)
        case 2:
            return Schedule(seed, chosen, random.choice((0.1, 0.3)), sticky=True, lines=lines)
        case _:
            return Schedule(seed, chosen, random.choice((0.3, 0.6, 1.0)), lines=lines)


def writing_disk(random: Random, size: int, *, syncs: int, calls: int) -> list[Rule]:
    """Draw a disk that can't be written as it should.

    Args:
        random: The round's chance.
        size: About how many bytes the run writes.
        syncs: How many times it syncs.
        calls: How many calls it makes on files.
    """
    fails, times = random.choice((FULL, CANNOT_WRITE)), random.choice((1, 1, -1))
    few = random.randrange(4)
    drawn = [
        Rule("write", "full", random.randrange(size)),
        Rule("write", "errno", fails, skip=random.randrange(max(4, calls // 8)), times=times),
        Rule("write", "short", random.choice((1, 100, 5000, 100_000)), skip=random.randrange(10)),
        Rule("sync", "errno", CANNOT_WRITE, skip=random.randrange(syncs), times=times),
        # The first sync is of a whole bundle, or of the first blob.
        Rule("sync", "lose", CANNOT_WRITE, times=times),
        Rule("sync", "lose", CANNOT_WRITE, skip=random.randrange(syncs), times=times),
        Rule("rename", "errno", fails, skip=few, times=times),
        Rule("create", "errno", fails, skip=few, times=times),
        Rule(random.choice(("truncate", "unlink", "mkdir", "open")), "errno", fails, skip=few, times=times),
        Rule("any", "kill", skip=random.randrange(calls), times=1),
        Rule("any", "kill", skip=random.randrange(calls), times=1),
    ]
    return [random.choice(drawn)]


def reading_disk(random: Random, part: str, size: int) -> list[Rule]:
    """Draw a medium that can't be read as it should.

    Args:
        random: The round's chance.
        part: A piece of the file's name.
        size: How many bytes it has.
    """
    if random.random() < 0.3:  # noqa: PLR2004 - the rarer case
        return [Rule("read", "short", random.choice((1, 7, 512, 4097)), part, skip=random.randrange(20), times=200)]
    where = [random.randrange(size) for _ in range(random.choice((1, 1, 3)))]
    return [Rule("read", "sector", at, part) for at in where]


def clock_jumps(random: Random) -> list[tuple[int, int]]:
    """Draw jumps of the wall clock: minutes, days and years, forth and back."""
    return sorted((random.randrange(800), random.choice(_JUMPS)) for _ in range(random.choice((1, 2, 4))))


def endings(random: Random, usual_seconds: float, *, alone: bool = False) -> Ending:
    """Draw an end: mostly SIGKILL, at any instant of a run that takes so long."""
    number = random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    # An interpreter that is just starting answers to Ctrl-C in its own way.
    earliest = 0.5 * usual_seconds if number == signal.SIGINT else 0.05
    after = random.uniform(earliest, max(earliest, usual_seconds * 1.1))
    return Ending(number, after, group=not (alone and random.random() < 0.5))  # noqa: PLR2004 - as often as not


def at_request(
    random: Random, ending: Ending, requests: int, schedule: Schedule | None = None
) -> tuple[Schedule, Ending]:
    """Let an end come with a request rather than with a time, as often as not: that is the same on any machine.

    Args:
        random: The round's chance.
        ending: Whose time is left aside then.
        requests: About how many the run makes.
        schedule: What else the network does.
    """
    schedule = schedule or Schedule()
    if random.random() < 0.3:  # noqa: PLR2004 - now and then by the clock
        return schedule, ending
    schedule.alarm_at = random.randrange(1, requests)
    return schedule, replace(ending, alarm=schedule.alarm)


def disk_at(root: Path, rules: Sequence[Rule] = (), jumps: Sequence[tuple[int, int]] = ()) -> Disk:
    """A disk for a run with faults."""
    return Disk(root, rules, FAST, jumps)
