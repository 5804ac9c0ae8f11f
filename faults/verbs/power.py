"""Power failures in ``build`` and ``load``: whatever a disk keeps of what was not synced, the next run gets it right.

A run is recorded, call by call. For each round instants are drawn, and for each one of the states in which the disk may
be when the power comes back; in it what must hold of the verb holds. From the last one a run (after another boot)
finishes the work. A round in two begins with a run that was killed, so that what one process left is what another one
goes on with.
"""

from collections.abc import Callable, Sequence
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

__all__ = ["PowerRounds"]

_BUNDLE = "shop-1.0.0.bundle.tar"
_FILES = ("packhorse.yaml", "packhorse.lock", "probe")
_STATES = 20
"""How many states of each recorded run are looked at; the last of them is gone on from."""
_BOOTS = ("11111111-1111-4111-8111-111111111111\n", "22222222-2222-4222-8222-222222222222\n")


def _kill(random: Random) -> Rule:
    """A kill at any call, or just before a sync or a rename."""
    op = random.choice(("any", "any", "sync", "rename"))
    return Rule(op, "kill", skip=random.randrange(20, 500) if op == "any" else random.randrange(60), times=1)


class PowerRounds:
    """Rounds in which the power fails while ``build`` or ``load`` work."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        self._bundle = self._stage.prepare()
        self._right = sha256(self._bundle.read_bytes()).hexdigest()
        store = folder / "store"
        messages.must_succeed(packhorse(["load", str(self._bundle), "--store", str(store)], folder), "the first load")
        self._names, self._blobs = names_in(store), blobs_in(store)

    def play(self, turn: Round) -> str:
        """Record a run, draw a state, and finish from there."""
        random = turn.random()
        if random.random() < 0.5:  # noqa: PLR2004 - as often as not
            arguments = ["build", str(turn.folder / "disk"), *self._stage.mirror]
            return "build: " + self._play(turn, random, arguments, self._check_build)
        arguments = ["load", str(self._bundle), "--store", str(turn.folder / "disk" / "store")]
        return "load: " + self._play(turn, random, arguments, self._check_load)

    def close(self) -> None:
        """Let go of the servers."""
        self._stage.close()

    def _play(self, turn: Round, random: Random, arguments: Sequence[str], check: Callable[[Path, bool], None]) -> str:
        disk = turn.folder / "disk"
        disk.mkdir()
        self._stage.copy(disk, *_FILES)
        start = CrashState({name: (disk / name).read_bytes() for name in _FILES}, frozenset())
        self._stage.proxy.begin()
        was_killed = random.random() < 0.5  # noqa: PLR2004 - as often as not
        if was_killed:
            self._run(turn, arguments, (_kill(random),))
        self._run(turn, arguments)
        changes = read_trace(turn.folder / "trace", disk)
        for _ in range(_STATES):
            told = self._draw(start, changes, random, disk, check)
        (turn.folder / "boot").write_text(_BOOTS[1])
        after = Disk(disk, boot=turn.folder / "boot")
        messages.must_succeed(packhorse(arguments, turn.folder, after), "the run after the power failure")
        check(disk, True)  # noqa: FBT003 - the protocol of the checks
        return f"{told}{' and a kill' if was_killed else ''}, and {_STATES - 1} other states"

    @staticmethod
    def _draw(
        start: CrashState, changes: Sequence[Change], random: Random, disk: Path, check: Callable[[Path, bool], None]
    ) -> str:
        """Leave one of the states in which the power may leave the disk, and look at it."""
        # The instants after a name was given and around the end are the dearest: what is promised must hold from there.
        named = [place + random.randrange(1, 3) for place, change in enumerate(changes) if change.kind == "r"]
        end = len(changes)
        at = min(end, random.choice((random.randrange(end + 1), end - random.randrange(12), end, *named[-3:])))
        loose = random.random() < 0.5  # noqa: PLR2004 - as often as not
        state = crash_state(start, changes, at, random, loose=loose)
        state.write(disk)
        check(disk, at == end)
        # Looking into a database changes its files.
        state.write(disk)
        return f"the power fails before change {at} of {end} on a {'loose' if loose else 'ordered'} disk"

    @staticmethod
    def _run(turn: Round, arguments: Sequence[str], rules: Sequence[Rule] = ()) -> None:
        (turn.folder / "boot").write_text(_BOOTS[0])
        disk = Disk(turn.folder / "disk", rules, boot=turn.folder / "boot", trace=turn.folder / "trace")
        ended = packhorse(arguments, turn.folder, disk)
        if not rules:
            messages.must_succeed(ended, "the run that is recorded")

    def _check_build(self, disk: Path, is_done: bool) -> None:  # noqa: FBT001 - one of two checks of one form
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
