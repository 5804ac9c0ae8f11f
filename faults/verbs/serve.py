"""``serve``: what is answered whole is right, and a server that dies takes no one's work with it.

A client pulls every image as a container runtime does. Meanwhile the medium can't be read, the server is ended and
started again, or the network between them is bad. Holds: a body that comes to its end hashes to what was asked for,
unless the network or the medium changed it, and a manifest never does otherwise; where the medium can't be read, the
answer breaks off, the log names the digest and the cause, and the rest is served; a server that is told to stop ends
well; once all is well the client gets the rest from where it was, and no byte twice.
"""

import re
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from faults import messages, trouble
from faults.command import packhorse
from faults.disk import Disk
from faults.proxy.misdeeds import READS
from faults.proxy.schedule import Schedule
from faults.pull import Puller
from faults.rounds import Broken, Round
from faults.served import Served
from faults.stage import HOST, IMAGES, PackageStage

__all__ = ["ServeRounds"]

_BUNDLE = "shop-1.0.0.bundle.tar"
_ITEMS = (re.escape(_BUNDLE), "store", r"sha256:[0-9a-f]{8}")
_PATIENCE_SECONDS = 20.0
_TRIES = 3
_UNREADABLE = re.compile(r"(cannot serve|broke off) sha256:[0-9a-f]{64}.*(read error|cannot be read)")


@dataclass(frozen=True, slots=True)
class _Harm:
    """What goes wrong in a round."""

    source: Path
    disk: Disk | None = None
    schedule: Schedule | None = None
    ending: signal.Signals | None = None
    after_seconds: float = 0.0
    silent: bool = False
    """Whether the medium gives wrong bytes without a word."""

    def describe(self) -> str:
        """Say it in a line."""
        parts = [self.source.name]
        parts += [self.disk.describe()] if self.disk is not None else []
        parts += [self.schedule.describe()] if self.schedule is not None else []
        parts += [f"{self.ending.name} after {self.after_seconds:.3f} s"] if self.ending is not None else []
        return "; ".join([*parts, *(["a bit flipped"] if self.silent else [])])


class ServeRounds:
    """Rounds of ``packhorse serve``."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        self._bundle = self._stage.prepare()
        self._size = self._bundle.stat().st_size
        self._store = folder / "store"
        load = ["load", str(self._bundle), "--store", str(self._store)]
        messages.must_succeed(packhorse(load, folder), "the first load")
        self._upstream = self._stage.upstream.blobs.content

    def play(self, turn: Round) -> str:
        """Serve and pull with faults, look, serve and pull the rest without."""
        random = turn.random()
        harm = self._harm(turn, random)
        puller = Puller([f"{HOST}/shop/{name}:1" for name in IMAGES])
        ended = self._first_run(turn, harm, puller)
        source = self._bundle if harm.silent else harm.source
        self._second_run(turn, source, puller)
        for digest, content in puller.content.items():
            if self._upstream.get(digest) != content:  # type: ignore[call-overload]
                raise Broken(f"{digest} was pulled, and is not what it should be")
        clean = harm.schedule is None and not harm.silent
        whole = sum(len(content) for digest, content in puller.content.items() if digest not in puller.manifests)
        if clean and puller.received_bytes != whole:
            raise Broken(f"the blobs have {whole} bytes, {puller.received_bytes} were sent")
        return f"{harm.describe()}: {ended}"

    def close(self) -> None:
        """Let go of the servers."""
        self._stage.close()

    def _harm(self, turn: Round, random: Random) -> _Harm:
        source = random.choice((self._bundle, self._store))
        match random.randrange(6):
            case 0 | 1:
                number = random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
                return _Harm(source, ending=number, after_seconds=random.uniform(0, 0.08))
            case 2:
                kinds = random.sample(READS, random.choice((1, 2)))
                return _Harm(source, schedule=Schedule(turn.key, kinds, random.choice((0.1, 0.3))))
            case 3:
                path = turn.folder / _BUNDLE
                content = bytearray(self._bundle.read_bytes())
                content[random.randrange(len(content))] ^= 1 << random.randrange(8)
                path.write_bytes(content)
                return _Harm(path, silent=True)
            case _:
                part = _BUNDLE if source == self._bundle else "/blobs/sha256/"
                size = self._size if source == self._bundle else 100_000
                rules = trouble.reading_disk(random, part, size)
                return _Harm(source, Disk(source.parent.resolve(), rules))

    def _first_run(self, turn: Round, harm: _Harm, puller: Puller) -> str:
        served = Served(turn.folder, [str(harm.source)], harm.disk)
        if not served.port:
            messages.check(served.ended(), _ITEMS)
            if harm.disk is None and not harm.silent:
                raise Broken(f"the server did not start\n{served.log}")
            return f"did not start, exit {served.process.returncode}"
        stop = threading.Event()
        stopper = threading.Thread(target=self._stop_later, args=(served, harm, stop))
        stopper.start()
        try:
            for _ in range(_TRIES if harm.ending is None else 1):
                if puller.pull(self._way(served.port, harm.schedule), stop):
                    break
            if harm.ending is not None:
                stop.wait(_PATIENCE_SECONDS)
        finally:
            stop.set()
            stopper.join()
            code = served.stop(harm.ending or signal.SIGTERM)
        self._check(harm, puller, served, code)
        return f"exit {code}, {len(puller.content)} of {len(self._upstream)} pulled, {len(puller.wrong)} wrong"

    def _second_run(self, turn: Round, source: Path, puller: Puller) -> None:
        served = Served(turn.folder, [str(source)])
        try:
            if not served.port:
                raise Broken(f"the second server did not start\n{served.log}")
            puller.wrong.clear()
            if not puller.pull(served.port, threading.Event()):
                raise Broken(f"without faults, not all was pulled: {puller.failures}\n{served.log}")
        finally:
            code = served.stop(signal.SIGTERM)
        if code:
            raise Broken(f"the second server ended with {code}\n{served.log}")

    def _way(self, port: int, schedule: Schedule | None) -> int:
        """The port that the client speaks to."""
        if schedule is None:
            return port
        self._stage.proxy.upstream = urlsplit(f"http://127.0.0.1:{port}")
        self._stage.proxy.begin(schedule)
        return int(self._stage.proxy.host.rpartition(":")[2])

    @staticmethod
    def _stop_later(served: "Served", harm: _Harm, stop: threading.Event) -> None:
        if harm.ending is not None and not stop.wait(harm.after_seconds):
            served.send(harm.ending)
            stop.set()

    @staticmethod
    def _check(harm: _Harm, puller: Puller, served: "Served", code: int) -> None:
        if "Traceback (most recent call last)" in served.log:
            raise Broken(f"the server's log has a traceback\n{served.log}")
        if code != (-signal.SIGKILL if harm.ending == signal.SIGKILL else 0):
            raise Broken(f"the server ended with {code}\n{served.log}")
        sectors = harm.disk is not None and any(rule.kind == "sector" for rule in harm.disk.rules)
        of_manifests = any(each.is_manifest for each in puller.wrong)
        if harm.schedule is None and puller.wrong and (of_manifests or not harm.silent):
            raise Broken(f"wrong bytes were served to their end: {puller.wrong}\n{served.log}")
        if harm.schedule is None and harm.ending is None and not harm.silent and not sectors and puller.failures:
            raise Broken(f"not all was served: {puller.failures}\n{served.log}")
        if sectors and puller.failures and not _UNREADABLE.search(served.log):
            raise Broken(f"the log does not say what can't be read: {puller.failures}\n{served.log}")
