"""``verify``: success means that the file is, byte for byte, what its root says.

Holds after each round: a file with a changed byte, a missing end or more behind its end never passes, and the damaged
blob is named; a medium that can't be read is no success either; the file itself is not touched; once the file and the
medium are well, it passes.
"""

import re
from hashlib import sha256
from pathlib import Path
from random import Random

from faults import messages, trouble
from faults.command import Ended, packhorse
from faults.disk import Rule
from faults.rounds import Broken, Round
from faults.stage import PackageStage
from faults.trouble import Trouble

__all__ = ["VerifyRounds"]

_BUNDLE = "shop-1.0.0.bundle.tar"
_ITEMS = (re.escape(_BUNDLE), r"sha256:[0-9a-f]{8}")
_USUAL_SECONDS = 0.25
_OK, _INTEGRITY = 0, 4


class VerifyRounds:
    """Rounds of ``packhorse verify``."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        self._bundle = self._stage.prepare()
        self._content = self._bundle.read_bytes()

    def play(self, turn: Round) -> str:
        """Verify a damaged file or one on a bad medium, look, verify a good one."""
        random = turn.random()
        path = turn.folder / _BUNDLE
        content, what = self._damaged(random)
        path.write_bytes(content)
        harm = self._trouble(turn, random, good=content == self._content)
        ended = packhorse(["verify", str(path)], turn.folder, harm.disk, harm.ending)
        if sha256(path.read_bytes()).digest() != sha256(content).digest():
            raise Broken("the file was changed")
        self._check(ended, harm, is_good=content == self._content)
        messages.check(ended, _ITEMS)
        path.write_bytes(self._content)
        messages.must_succeed(packhorse(["verify", str(path)], turn.folder), "the second run")
        return f"{what}; {harm.describe()}: exit {ended.code}"

    def close(self) -> None:
        """Let go of the servers."""
        self._stage.close()

    def _damaged(self, random: Random) -> tuple[bytes, str]:
        content = self._content
        at = random.randrange(len(content))
        match random.randrange(6):
            case 0:
                changed = bytearray(content)
                changed[at] ^= 1 << random.randrange(8)
                return bytes(changed), f"bit flipped at {at}"
            case 1:
                return content[:at], f"cut off at {at}"
            case 2:
                return content + random.randbytes(random.choice((1, 512, 10_240))), "goes on after its end"
            case 3:
                size = random.choice((512, 4096, 65_536))
                hole = min(size, len(content) - at)
                return content[:at] + bytes(hole) + content[at + hole :], f"{size} bytes of zeros at {at}"
            case _:
                return content, "a good file"

    def _trouble(self, turn: Round, random: Random, *, good: bool) -> Trouble:
        if good:
            match random.randrange(4):
                case 0:
                    return Trouble(trouble.disk_at(turn.folder), None, trouble.endings(random, _USUAL_SECONDS))
                case 1:
                    return Trouble(trouble.disk_at(turn.folder, jumps=trouble.clock_jumps(random)))
                case _:
                    return Trouble(trouble.disk_at(turn.folder, self._bad_medium(random)))
        rules = self._bad_medium(random) if random.random() < 0.2 else []  # noqa: PLR2004 - now and then both
        return Trouble(trouble.disk_at(turn.folder, rules))

    def _bad_medium(self, random: Random) -> list[Rule]:
        return trouble.reading_disk(random, _BUNDLE, len(self._content))

    @staticmethod
    def _check(ended: Ended, harm: Trouble, *, is_good: bool) -> None:
        sectors = any(rule.kind == "sector" for rule in harm.disk.rules)
        if ended.code == _OK and (not is_good or sectors):
            raise Broken(f"a file that is damaged or can't be read passed\n{ended.out}")
        if ended.code != _OK and is_good and not sectors and harm.ending is None:
            raise Broken(f"a good file was refused\n{ended.err}")
        if ended.code not in {_OK, _INTEGRITY} and harm.ending is None:
            raise Broken(f"exit code {ended.code} where {_INTEGRITY} was expected\n{ended.err}")
