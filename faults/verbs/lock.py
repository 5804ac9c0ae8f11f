"""``lock``: the lock file is the old one or the right one, whatever happens while it is made.

Holds after each round: ``packhorse.lock`` is as it was, or byte for byte what a run without faults writes; success
means the latter; nothing else is left in the folder but what a kill leaves, and the next run takes that away.
"""

from pathlib import Path
from random import Random

from faults import messages, trouble
from faults.command import Ended, packhorse
from faults.disk import CANNOT_WRITE, FULL, Rule
from faults.proxy.misdeeds import READS
from faults.rounds import Broken, Round
from faults.stage import PackageStage
from faults.trouble import Trouble

__all__ = ["LOCK", "LOCK_FILES", "LockRounds", "kill_while_writing", "lacking_lock", "left_beside"]

LOCK = "packhorse.lock"
_ITEMS = (r"registry\.example/shop/\w+", r"sha256:[0-9a-f]{8}", r"packhorse\.(lock|yaml)", "probe")
_USUAL_SECONDS = 0.5
LOCK_FILES = ("packhorse.yaml", "probe")
"""What the command reads."""


class LockRounds:
    """Rounds of ``packhorse lock``."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        self._stage.prepare()
        self._right = (self._stage.package / LOCK).read_bytes()

    def play(self, turn: Round) -> str:
        """Lock with faults, look, lock without."""
        random = turn.random()
        folder = self._stage.copy(turn.folder, *LOCK_FILES)
        before = self._before(random, folder)
        harm = self._trouble(turn, random)
        seen = self._stage.proxy.begin(harm.schedule)
        more = ("--update", "*") if before is not None else ()
        ended = self._run(folder, harm, *more)
        after = self._content(folder)
        if after not in (before, self._right):
            raise Broken(
                f"{LOCK} is neither what it was nor what it should be:\n{(after or b'')[:2000]!r}\n{ended.err}"
            )
        if ended.code == 0 and after != self._right:
            raise Broken(f"it says that it went well, but {LOCK} is not what it should be")
        messages.check_harmless(ended, harm.disk.rules)
        messages.check(ended, _ITEMS, disk=bool(harm.disk.rules))
        if not ended.killed:
            self._check_folder(folder)
        self._stage.proxy.begin()
        messages.must_succeed(self._stage.lock(folder, *more), "the second run")
        if self._content(folder) != self._right:
            raise Broken(f"the second run's {LOCK} is not what it should be")
        self._check_folder(folder)
        harmed = sum(1 for each in seen if each.kind)
        return f"{harm.describe()}: exit {ended.code}, {harmed} of {len(seen)} requests harmed"

    def close(self) -> None:
        """Let go of the servers."""
        self._stage.close()

    def _before(self, random: Random, folder: Path) -> bytes | None:
        """Leave no lock, the right one, or one that has only some of the images."""
        before = random.choice([None, self._right, lacking_lock(self._right)])
        if before is not None:
            (folder / LOCK).write_bytes(before)
        return before

    def _trouble(self, turn: Round, random: Random) -> Trouble:
        schedule = trouble.network(random, turn.key, READS)
        match random.randrange(10):
            case 0:
                # More than the lock has, so that the room may end with whatever is written after it.
                rules = trouble.writing_disk(random, 3 * len(self._right), syncs=1, calls=20)
                return Trouble(trouble.disk_at(turn.folder, rules))
            case 1:
                return Trouble(trouble.disk_at(turn.folder, [self._while_writing(random)]))
            case 2:
                ending = trouble.endings(random, _USUAL_SECONDS)
                return Trouble(trouble.disk_at(turn.folder), *trouble.at_request(random, ending, 45))
            case 3:
                return Trouble(trouble.disk_at(turn.folder, jumps=trouble.clock_jumps(random)), schedule)
            case 4:
                return Trouble(trouble.disk_at(turn.folder, trouble.reading_disk(random, "probe", 150_000)))
            case _:
                return Trouble(trouble.disk_at(turn.folder), schedule)

    def _while_writing(self, random: Random) -> Rule:
        """Let something end the few calls that write the lock: a kill, a disk that is full, one that is broken."""
        drawn = [
            kill_while_writing(random),
            kill_while_writing(random),
            Rule("write", "full", random.randrange(len(self._right))),
            Rule("write", "errno", random.choice((FULL, CANNOT_WRITE))),
        ]
        return random.choice(drawn)

    def _run(self, folder: Path, harm: Trouble, *more: str) -> Ended:
        arguments = ["lock", str(folder), *self._stage.mirror, *more]
        return packhorse(arguments, folder, harm.disk, harm.ending)

    @staticmethod
    def _content(folder: Path) -> bytes | None:
        path = folder / LOCK
        return path.read_bytes() if path.exists() else None

    @staticmethod
    def _check_folder(folder: Path) -> None:
        left = left_beside(folder, *LOCK_FILES, LOCK)
        if left:
            raise Broken(f"left in the folder: {', '.join(left)}")


def kill_while_writing(random: Random) -> Rule:
    """A kill at one of the few calls that write the lock file."""
    return Rule(random.choice(("create", "write", "sync", "rename")), "kill", times=1)


def lacking_lock(right: bytes) -> bytes:
    """The lock with all but one of its images."""
    lines = right.split(b"\n  - name: ")
    return b"\n  - name: ".join([*lines[:2], *lines[3:]])


def left_beside(folder: Path, *names: str) -> list[str]:
    """What is in a folder besides what should be, and the command's own caches."""
    return sorted(path.name for path in folder.iterdir() if path.name not in {*names, ".cache", ".config"})
