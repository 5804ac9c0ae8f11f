"""Power failures in ``lock``, ``build`` and ``load``: whatever of it a disk keeps, the next run gets it right.

A run is recorded, call by call. For each round instants are drawn, and for each one of the states in which the disk may
be when the power comes back; in it what must hold of the verb holds. From the last one a run (after another boot)
finishes the work, and leaves nothing beside it. A round in two begins with a run that was killed, so that what one
process left is what another one goes on with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from faults import messages
from faults.command import packhorse
from faults.disk import Disk, Rule
from faults.disk.crash import CrashState, crash_state
from faults.disk.trace import Change, read_trace
from faults.rounds import Broken, Round
from faults.stage import PackageStage
from faults.verbs.load import blobs_in, check_store, names_in
from faults.verbs.lock import LOCK, LOCK_FILES, kill_while_writing, lacking_lock, left_beside

__all__ = ["PowerRounds"]

_BUNDLE = "shop-1.0.0.bundle.tar"
_BUILD_FILES = (*LOCK_FILES, LOCK)
_BLOBS = "store/blobs/sha256"
_DATABASE = "store/packhorse.db"
_STATES = 20
"""How many states of each recorded run are looked at; the last of them is gone on from."""
_BOOTS = ("11111111-1111-4111-8111-111111111111\n", "22222222-2222-4222-8222-222222222222\n")
_LOCKS = 0.25
"""How many of the rounds are of ``lock``, whose few changes are soon looked at from all sides."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done while the power fails.

    Attributes:
        arguments: The command line.
        before: The files that are there first.
        check: Holds a folder against what must be so at any instant; and, where it is told that the work was done,
            against all that was to be done.
        left: Names what is left of the work after it was done, where nothing should be.
        kill: Draws where a run is killed.
    """

    arguments: Sequence[str]
    before: dict[str, bytes]
    check: Callable[[Path, bool], None]
    left: Callable[[Path], list[str]]
    kill: Callable[[Random], Rule]


class PowerRounds:
    """Rounds in which the power fails while ``lock``, ``build`` or ``load`` work."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        self._bundle = self._stage.prepare()
        self._right = sha256(self._bundle.read_bytes()).hexdigest()
        self._files = {name: (self._stage.package / name).read_bytes() for name in _BUILD_FILES}
        store = folder / "store"
        loading = ["load", str(self._bundle), "--store", str(store)]
        recorded = Disk(folder, trace=folder / "trace")
        messages.must_succeed(packhorse(loading, folder, recorded), "the first load")
        self._names, self._blobs = names_in(store), blobs_in(store)
        syncs = [change.path for change in read_trace(folder / "trace", folder) if change.kind == "s"]
        self._last_blob = max(place for place, path in enumerate(syncs) if path == _BLOBS)

    def play(self, turn: Round) -> str:
        """Record a run, draw a state, and finish from there."""
        # By a chance of its own: the other rounds are what they were before there were these.
        if turn.random("lock").random() < _LOCKS:
            return "lock: " + self._play(turn, self._lock(turn))
        # The first number of the round's chance, which all that follows goes on with.
        if turn.random().random() < 0.5:  # noqa: PLR2004 - as often as not
            return "build: " + self._play(turn, self._build(turn))
        return "load: " + self._play(turn, self._load(turn))

    def close(self) -> None:
        """Let go of the servers."""
        self._stage.close()

    def _lock(self, turn: Round) -> _Work:
        disk = turn.folder / "disk"
        before = {name: self._files[name] for name in LOCK_FILES}
        earlier = turn.random("earlier").choice([None, lacking_lock(self._files[LOCK])])
        if earlier is not None:
            before[LOCK] = earlier
        more = ("--update", "*") if earlier is not None else ()

        def check(folder: Path, is_done: bool) -> None:  # noqa: FBT001 - one of three checks of one form
            path = folder / LOCK
            found = path.read_bytes() if path.exists() else None
            if found not in (earlier, self._files[LOCK]):
                raise Broken(f"after the power failure {LOCK} is neither what it was nor what it should be: {found!r}")
            if is_done and found != self._files[LOCK]:
                raise Broken(f"a run said that it went well, and {LOCK} is not what it should be")

        return _Work(
            ["lock", str(disk), *self._stage.mirror, *more],
            before,
            check,
            lambda folder: left_beside(folder, *LOCK_FILES, LOCK),
            _kill_lock,
        )

    def _build(self, turn: Round) -> _Work:
        return _Work(
            ["build", str(turn.folder / "disk"), *self._stage.mirror],
            self._files,
            self._check_build,
            lambda folder: left_beside(folder, *_BUILD_FILES, _BUNDLE),
            _kill,
        )

    def _load(self, turn: Round) -> _Work:
        return _Work(
            ["load", str(self._bundle), "--store", str(turn.folder / "disk" / "store")],
            self._files,
            self._check_load,
            lambda folder: [path.name for path in (folder / "store" / "incoming").iterdir()],
            self._kill_load,
        )

    def _kill_load(self, random: Random) -> Rule:
        """A kill anywhere, or where the last blob has its name, and nobody but the next run can make that last."""
        if random.random() < 0.5:  # noqa: PLR2004 - as often as not
            return _kill(random)
        return Rule("sync", "kill", skip=max(0, self._last_blob - random.randrange(3)), times=1)

    def _play(self, turn: Round, work: _Work) -> str:
        random = turn.random()
        random.random()  # It has decided which verb it is.
        disk = turn.folder / "disk"
        start = CrashState(work.before, frozenset())
        start.write(disk)
        self._stage.proxy.begin()
        was_killed = random.random() < 0.5  # noqa: PLR2004 - as often as not
        if was_killed:
            self._run(turn, work, (work.kill(random),))
        self._run(turn, work)
        changes = read_trace(turn.folder / "trace", disk)
        for _ in range(_STATES):
            told = self._draw(start, changes, random, disk, work)
        (turn.folder / "boot").write_text(_BOOTS[1])
        after = Disk(disk, boot=turn.folder / "boot")
        messages.must_succeed(packhorse(work.arguments, turn.folder, after), "the run after the power failure")
        work.check(disk, True)  # noqa: FBT003 - the protocol of the checks
        if left := work.left(disk):
            raise Broken(f"left after the run after the power failure: {', '.join(left)}")
        return f"{told}{' and a kill' if was_killed else ''}, and {_STATES - 1} other states"

    @staticmethod
    def _draw(start: CrashState, changes: Sequence[Change], random: Random, disk: Path, work: _Work) -> str:
        """Leave one of the states in which the power may leave the disk, and look at it."""
        # The instants after a name was given and around the end are the dearest: what is promised must hold from there.
        named = [place + random.randrange(1, 3) for place, change in enumerate(changes) if change.kind == "r"]
        # So are those when a database says that something is there.
        told = [place + 1 for place, change in enumerate(changes) if change.kind == "s" and _DATABASE in change.path]
        end = len(changes)
        usual = (random.randrange(end + 1), max(0, end - random.randrange(12)), end)
        at = min(end, random.choice((*usual, *named[-3:], *told[-3:])))
        loose = random.random() < 0.5  # noqa: PLR2004 - as often as not
        state = crash_state(start, changes, at, random, loose=loose)
        state.write(disk)
        work.check(disk, at == end)
        # Looking into a database changes its files.
        state.write(disk)
        return f"the power fails before change {at} of {end} on a {'loose' if loose else 'ordered'} disk"

    @staticmethod
    def _run(turn: Round, work: _Work, rules: Sequence[Rule] = ()) -> None:
        (turn.folder / "boot").write_text(_BOOTS[0])
        disk = Disk(turn.folder / "disk", rules, boot=turn.folder / "boot", trace=turn.folder / "trace")
        ended = packhorse(work.arguments, turn.folder, disk)
        if not rules:
            messages.must_succeed(ended, "the run that is recorded")

    def _check_build(self, disk: Path, is_done: bool) -> None:  # noqa: FBT001 - as above
        path = disk / _BUNDLE
        if path.exists() and sha256(path.read_bytes()).hexdigest() != self._right:
            raise Broken("after the power failure the bundle's name shows other bytes")
        if is_done and not path.exists():
            raise Broken("a run said that it went well, and its bundle is not there")

    def _check_load(self, disk: Path, is_done: bool) -> None:  # noqa: FBT001 - as above
        store = disk / "store"
        check_store(store)
        if is_done and (blobs_in(store) != self._blobs or names_in(store) != self._names):
            raise Broken("a run said that it went well, and the store has not what it should")


def _kill(random: Random) -> Rule:
    """A kill at any call, or just before a sync or a rename."""
    op = random.choice(("any", "any", "sync", "rename"))
    return Rule(op, "kill", skip=random.randrange(20, 500) if op == "any" else random.randrange(60), times=1)


def _kill_lock(random: Random) -> Rule:
    """A kill at any call, or at one of the few that write the lock file."""
    if random.random() < 0.5:  # noqa: PLR2004 - as often as not
        return Rule("any", "kill", skip=random.randrange(20), times=1)
    return kill_while_writing(random)
