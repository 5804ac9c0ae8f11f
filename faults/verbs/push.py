"""``push``: what a registry shows is whole, however the way there fails.

The registry behind the proxy is strict: it takes no blob of another digest, and no manifest before its parts. Holds
after each round: a tag in it leads to content that is all there; success means that all of it is; the second run sends
exactly the blobs that were missing, and after it the registry has everything under its name.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

from faults import messages, trouble
from faults.command import Ended, packhorse
from faults.proxy import misdeeds
from faults.proxy.misdeeds import WRITES
from faults.proxy.server import Proxy, Seen
from faults.rounds import Broken, Round
from faults.stage import HOST, IMAGES, PackageStage
from faults.trouble import Trouble
from packhorse.oci.digest import Digest
from tests.support.registry import Registry

__all__ = ["PushRounds"]

_BUNDLE = "shop-1.0.0.bundle.tar"
_ITEMS = (r"sha256:[0-9a-f]{8}", r"registry\.example/shop/\w+", r"127\.0\.0\.1:\d+/", re.escape(_BUNDLE))
_USUAL_SECONDS = 0.5
_SENDS = re.compile(r"(PUT|PATCH) .*/blobs/uploads/")


class PushRounds:
    """Rounds of ``packhorse push``."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        self._bundle = self._stage.prepare()
        self._target = Registry()
        self._proxy: Proxy = Proxy(self._target.url, misdeeds.MISDEEDS, trust=None, tls=None)
        self._roots = {name: self._digest_of(name) for name in IMAGES}
        self._blobs = {str(digest): len(content) for digest, content in self._stage.upstream.blobs.content.items()}

    def play(self, turn: Round) -> str:
        """Push with faults, look, push without."""
        random = turn.random()
        with self._target.lock:
            self._target.repositories.clear()
            self._target.blobs.clear()
            self._target.uploads.clear()
        harm = self._trouble(turn, random)
        seen = self._proxy.begin(harm.schedule)
        ended = self._run(turn.folder, harm)
        # A network that answers in the registry's place can say that all is there.
        lies = any(each.kind in misdeeds.LIES for each in seen)
        self._check_whole(lies=lies)
        if ended.code == 0 and not lies:
            self._check_done()
        messages.check(ended, _ITEMS)
        there = set(self._target.blobs)
        again = self._proxy.begin()
        messages.must_succeed(self._run(turn.folder), "the second run")
        self._check_whole(lies=False)
        self._check_done()
        self._check_sent(again, there)
        harmed = sum(1 for each in seen if each.kind)
        return (
            f"{harm.describe()}: exit {ended.code}, {harmed} of {len(seen)} requests harmed, {len(there)} blobs there"
        )

    def close(self) -> None:
        """Let go of the servers."""
        self._proxy.close()
        self._target.close()
        self._stage.close()

    def _digest_of(self, name: str) -> str:
        return self._stage.registry.repository(f"{HOST}/shop/{name}").tags["1"]

    def _trouble(self, turn: Round, random: Random) -> Trouble:
        schedule = trouble.network(random, turn.key, WRITES)
        disk = trouble.disk_at(turn.folder)
        match random.randrange(8):
            case 0 | 1:
                ending = trouble.endings(random, _USUAL_SECONDS)
                return Trouble(disk, *trouble.at_request(random, ending, 85))
            case 2:
                return Trouble(disk, *trouble.at_request(random, trouble.endings(random, _USUAL_SECONDS), 85, schedule))
            case 3:
                return Trouble(trouble.disk_at(turn.folder, jumps=trouble.clock_jumps(random)), schedule)
            case 4:
                rules = trouble.reading_disk(random, _BUNDLE, self._bundle.stat().st_size)
                return Trouble(trouble.disk_at(self._bundle.parent, rules))
            case _:
                return Trouble(disk, schedule)

    def _run(self, folder: Path, harm: Trouble | None = None) -> Ended:
        arguments = ["push", str(self._bundle), self._proxy.host]
        if harm is None:
            return packhorse(arguments, folder)
        return packhorse(arguments, folder, harm.disk, harm.ending)

    def _check_whole(self, *, lies: bool) -> None:
        """Every manifest has what is below it, and every blob its digest.

        A list of signatures, which a client keeps for registries that keep none, may name one that a lie said is there.
        """
        for digest, content in list(self._target.blobs.items()):
            if Digest.of(content) != digest:
                raise Broken(f"the registry has other bytes under {digest}")
        for name, held in list(self._target.repositories.items()):
            for tag, digest in held.tags.items():
                if lies and tag.startswith("sha256-"):
                    continue
                self._check_tree(name, tag, digest, lies=lies)

    def _check_tree(self, name: str, tag: str, digest: str, *, lies: bool) -> None:
        held = self._target.repositories[name]
        if digest not in held.manifests:
            raise Broken(f"{name}:{tag} leads to {digest}, which is not there")
        node = json.loads(held.manifests[digest].content)
        for blob in (*node.get("layers", ()), *([node["config"]] if "config" in node else ())):
            if blob["digest"] not in held.blobs:
                raise Broken(f"{name}:{tag} needs {blob['digest']}, which is not there")
        for child in node.get("manifests", ()):
            # The registry takes an index that is sparse: it cannot tell that a child is missing for a lie.
            if child["digest"] in self._blobs and not (lies and child["digest"] not in held.manifests):
                self._check_tree(name, tag, child["digest"], lies=lies)

    def _check_done(self) -> None:
        for name, digest in self._roots.items():
            held = self._target.repositories.get(f"shop/{name}")
            if held is None or held.tags.get("1") != digest:
                raise Broken(f"it says that it went well, but {name} is not in the registry as it should be")

    def _check_sent(self, seen: Sequence[Seen], there: set[str]) -> None:
        sent = sum(each.received_bytes for each in seen if _SENDS.match(each.line))
        missing = sum(self._blobs[digest] for digest in self._target.blobs if digest not in there)
        if sent > missing:
            raise Broken(f"{missing} bytes were missing, {sent} were sent")
