"""``build``: the bundle has its name only when every byte of it is right, and nothing is fetched twice.

Holds after each round: under the final name there is nothing, or the very bytes that a run without faults makes; what a
run received whole is in the journal, unless it was killed at that very instant; the second run fetches exactly what
the journal lacks; after it, nothing but the bundle is left.
"""

import json
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import Random

from faults import messages, trouble
from faults.command import Ended, packhorse
from faults.proxy.misdeeds import DAMAGE, READS
from faults.proxy.server import Seen
from faults.rounds import Broken, Round
from faults.stage import PackageStage
from faults.trouble import Trouble
from faults.verbs.lock import left_beside

__all__ = ["BuildRounds"]

_BUNDLE = "shop-1.0.0.bundle.tar"
_ITEMS = (r"registry\.example/shop/\w+", r"sha256:[0-9a-f]{8}", re.escape(_BUNDLE), r"packhorse\.(lock|yaml)", "probe")
_FILES = ("packhorse.yaml", "packhorse.lock", "probe")
_USUAL_SECONDS = 0.6
_THREADS = 4
_DAMAGED = 0.2
"""In how many rounds nothing is wrong but bytes of blobs: most other faults end a build before its first blob."""
_BLOB = re.compile(r"GET .*/blobs/(sha256:[0-9a-f]{64})")


class BuildRounds:
    """Rounds of ``packhorse build``."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        bundle = self._stage.prepare()
        self._right = sha256(bundle.read_bytes()).hexdigest()
        self._size = bundle.stat().st_size
        self._sizes = {str(digest): len(content) for digest, content in self._stage.upstream.blobs.content.items()}

    def play(self, turn: Round) -> str:
        """Build with faults, look, build without."""
        random = turn.random()
        folder = self._stage.copy(turn.folder, *_FILES)
        harm = self._trouble(turn, random)
        seen = self._stage.proxy.begin(harm.schedule)
        ended = self._run(folder, harm)
        is_whole = self._check_final(folder)
        if ended.code == 0 and not is_whole:
            raise Broken("it says that it went well, but there is no bundle")
        messages.check_harmless(ended, harm.disk.rules)
        messages.check(ended, _ITEMS, disk=bool(harm.disk.rules))
        kept = self._journal(folder)
        if not is_whole and not harm.disk.rules:
            self._check_kept(seen, kept, ended)
        again = self._stage.proxy.begin()
        second = self._run(folder)
        messages.must_succeed(second, "the second run")
        if not self._check_final(folder):
            raise Broken("after the second run there is no bundle")
        self._check_fetched(again, {} if is_whole else kept, is_whole=is_whole)
        self._check_folder(folder)
        harmed = sum(1 for each in seen if each.kind)
        return f"{harm.describe()}: exit {ended.code}, {harmed} of {len(seen)} requests harmed, {len(kept)} blobs kept"

    def close(self) -> None:
        """Let go of the servers."""
        self._stage.close()

    def _trouble(self, turn: Round, random: Random) -> Trouble:
        if turn.random("damage").random() < _DAMAGED:
            return Trouble(trouble.disk_at(turn.folder), trouble.network(random, turn.key, DAMAGE, "/blobs/"))
        schedule = trouble.network(random, turn.key, READS)
        match random.randrange(10):
            case 0 | 1 | 2:
                return Trouble(
                    trouble.disk_at(turn.folder, trouble.writing_disk(random, self._size, syncs=3, calls=300))
                )
            case 3 | 4:
                ending = trouble.endings(random, _USUAL_SECONDS)
                return Trouble(trouble.disk_at(turn.folder), *trouble.at_request(random, ending, 27))
            case 5:
                return Trouble(
                    trouble.disk_at(turn.folder),
                    *trouble.at_request(random, trouble.endings(random, _USUAL_SECONDS), 27, schedule),
                )
            case 6:
                return Trouble(trouble.disk_at(turn.folder, jumps=trouble.clock_jumps(random)), schedule)
            case _:
                return Trouble(trouble.disk_at(turn.folder), schedule)

    def _run(self, folder: Path, harm: Trouble | None = None) -> Ended:
        arguments = ["build", str(folder), *self._stage.mirror]
        if harm is None:
            return packhorse(arguments, folder)
        return packhorse(arguments, folder, harm.disk, harm.ending)

    def _check_final(self, folder: Path) -> bool:
        """Whether there is a bundle, which must be the right one."""
        path = folder / _BUNDLE
        if not path.exists():
            return False
        if sha256(path.read_bytes()).hexdigest() != self._right:
            raise Broken(f"{_BUNDLE} stands under its name, and is not what it should be")
        return True

    @staticmethod
    def _journal(folder: Path) -> dict[str, int]:
        """Read how many bytes of each blob the journal says are there."""
        path = folder / f"{_BUNDLE}.part.journal"
        kept: dict[str, int] = {}
        for line in path.read_bytes().split(b"\n")[1:] if path.exists() else []:
            try:
                record = json.loads(line)
                kept[record["blob"]] = record["filled"]
            except (ValueError, KeyError, TypeError):
                continue
        return {digest: filled for digest, filled in kept.items() if filled}

    def _check_kept(self, seen: Sequence[Seen], kept: dict[str, int], ended: Ended) -> None:
        """What came whole is kept; a kill may lose what was just in the hands of each thread."""
        came = {
            found[1]
            for each in seen
            if not each.kind and (found := _BLOB.match(each.line)) and each.sent_bytes == self._sizes[found[1]]
        }
        lost = [digest for digest in came if kept.get(digest, 0) < self._sizes[digest]]
        if len(lost) > (_THREADS if ended.code < 0 or ended.was_ended else 0):
            raise Broken(f"{len(lost)} blobs came whole, and are not kept: {', '.join(lost)}\n{ended.err}")

    def _check_fetched(self, seen: Sequence[Seen], kept: dict[str, int], *, is_whole: bool) -> None:
        """The second run asks for what is lacking, and nothing else."""
        fetched: dict[str, int] = {}
        for each in seen:
            if found := _BLOB.match(each.line):
                fetched[found[1]] = fetched.get(found[1], 0) + each.sent_bytes
        for digest, count in fetched.items():
            lacking = 0 if is_whole else self._sizes[digest] - kept.get(digest, 0)
            if count > lacking:
                raise Broken(f"{digest}: {lacking} bytes were lacking, {count} were fetched")

    @staticmethod
    def _check_folder(folder: Path) -> None:
        left = left_beside(folder, *_FILES, _BUNDLE)
        if left:
            raise Broken(f"left in the folder: {', '.join(left)}")
