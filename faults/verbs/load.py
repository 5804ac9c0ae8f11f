"""``load``: what a store shows is whole, and is there to stay.

Holds after each round: every file under ``blobs`` hashes to its name; every name in the database leads to content that
is all there; a bundle with a wrong byte gives no names; the second run copies exactly what was missing, and after it
the store has what it should, and nothing in ``incoming``.
"""

import json
import re
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from faults import messages, trouble
from faults.command import Ended, packhorse
from faults.disk import Disk
from faults.rounds import Broken, Round
from faults.stage import PackageStage
from faults.trouble import Trouble

__all__ = ["LoadRounds", "blobs_in", "check_store", "names_in"]

_BUNDLE = "shop-1.0.0.bundle.tar"
_ITEMS = (re.escape(_BUNDLE), r"sha256:[0-9a-f]{8}", r"the store \S+", r"/store\b")
_USUAL_SECONDS = 0.45


class LoadRounds:
    """Rounds of ``packhorse load``."""

    def __init__(self, folder: Path) -> None:
        self._stage = PackageStage(folder)
        self._bundle = self._stage.prepare()
        self._content = self._bundle.read_bytes()
        store = folder / "store"
        messages.must_succeed(packhorse(["load", str(self._bundle), "--store", str(store)], folder), "the first load")
        self._names = names_in(store)
        self._blobs = blobs_in(store)

    def play(self, turn: Round) -> str:
        """Load with faults, look, load without."""
        random = turn.random()
        store, bundle = turn.folder / "store", turn.folder / _BUNDLE
        content, is_good = self._content, True
        if random.random() < 0.2:  # noqa: PLR2004 - now and then the bundle is damaged
            content, is_good = _flipped(random, content), False
        bundle.write_bytes(content)
        harm = self._trouble(turn, random, is_good=is_good)
        ended = self._run(turn.folder, harm)
        check_store(store)
        self._check_refused(ended, store, is_good=is_good)
        if is_good:
            messages.check_harmless(ended, harm.disk.rules)
        messages.check(ended, _ITEMS, disk=bool(harm.disk.rules))
        bundle.write_bytes(self._content)
        before = blobs_in(store)
        second = self._run(turn.folder)
        messages.must_succeed(second, "the second run")
        self._check_done(store, json.loads(second.out), before)
        damaged = "" if is_good else "a damaged bundle; "
        return f"{damaged}{harm.describe()}: exit {ended.code}, {len(before)} blobs were there"

    def close(self) -> None:
        """Let go of the servers."""
        self._stage.close()

    def _trouble(self, turn: Round, random: Random, *, is_good: bool) -> Trouble:
        root = turn.folder
        kind = random.randrange(8)
        if kind < 3 and is_good:  # noqa: PLR2004 - three in eight
            return Trouble(trouble.disk_at(root, trouble.writing_disk(random, len(self._content), syncs=60, calls=600)))
        if kind == 3:  # noqa: PLR2004
            return Trouble(trouble.disk_at(root, trouble.reading_disk(random, _BUNDLE, len(self._content))))
        if kind == 4:  # noqa: PLR2004
            return Trouble(trouble.disk_at(root, jumps=trouble.clock_jumps(random)))
        if is_good:
            return Trouble(trouble.disk_at(root), None, trouble.endings(random, _USUAL_SECONDS))
        return Trouble(trouble.disk_at(root))

    @staticmethod
    def _run(folder: Path, harm: Trouble | None = None) -> Ended:
        arguments = ["load", str(folder / _BUNDLE), "--store", str(folder / "store"), "--output", "json"]
        disk: Disk | None = harm.disk if harm is not None else None
        return packhorse(arguments, folder, disk, harm.ending if harm is not None else None)

    @staticmethod
    def _check_refused(ended: Ended, store: Path, *, is_good: bool) -> None:
        if not is_good and (ended.code == 0 or names_in(store)):
            raise Broken(f"a damaged bundle was taken; exit {ended.code}, names {sorted(names_in(store))}")

    def _check_done(self, store: Path, told: dict[str, object], before: dict[str, int]) -> None:
        check_store(store)
        if blobs_in(store) != self._blobs or names_in(store) != self._names:
            raise Broken("after the second run the store has not what it should")
        left = list((store / "incoming").iterdir())
        if left:
            raise Broken(f"{len(left)} files are left in incoming")
        missing = sum(size for digest, size in self._blobs.items() if digest not in before)
        results = told.get("results") or told.get("loaded") or [told]
        copied = _copied_bytes(results)
        if copied > missing:
            raise Broken(f"{missing} bytes were missing, {copied} were copied")


def _copied_bytes(results: object) -> int:
    items = results if isinstance(results, list) else [results]
    return sum(int(item.get("blobBytes", 0)) for item in items if isinstance(item, dict))


def check_store(store: Path) -> None:
    """Hold what a store shows against what it must be.

    Raises:
        Broken: A blob is not whole, or a name leads to what is not there.
    """
    for path in (store / "blobs" / "sha256").glob("*"):
        if sha256(path.read_bytes()).hexdigest() != path.name:
            raise Broken(f"{path.name} stands in the store, and is not what it should be")
    there = blobs_in(store)
    for digest, size in _members(store):
        if there.get(digest) != size:
            raise Broken(f"a repository of the store has {digest}, which is not there, or with another size")
    for name, digest in names_in(store).items():
        if digest not in there:
            raise Broken(f"{name} stands for {digest}, which is not there")
    for name in ("index.json", "oci-layout"):
        if (store / name).exists():
            json.loads((store / name).read_bytes())


def blobs_in(store: Path) -> dict[str, int]:
    """All content of a store with its size."""
    return {f"sha256:{path.name}": path.stat().st_size for path in (store / "blobs" / "sha256").glob("*")}


def names_in(store: Path) -> dict[str, str]:
    """All names of a store with the digest that they stand for."""
    rows = _query(
        store,
        "SELECT registry || '/' || path || ':' || target, descriptor FROM names JOIN repositories ON repository = id",
    )
    names = {str(name): str(json.loads(content)["digest"]) for name, content in rows}
    roots = _query(store, "SELECT digest, digest FROM bundles")
    return names | {f"bundle {digest}": str(digest) for digest, _ in roots}


def _members(store: Path) -> list[tuple[str, int]]:
    return [(str(digest), int(size)) for digest, size in _query(store, "SELECT digest, size FROM members")]


def _query(store: Path, query: str) -> list[tuple[Any, ...]]:
    path = store / "packhorse.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise Broken("the store's database is damaged")
        if not connection.execute("PRAGMA user_version").fetchone()[0]:
            return []
        return connection.execute(query).fetchall()


def _flipped(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    # Behind the front of manifests, in the blobs: damage in the front is for verify's rounds.
    changed[random.randrange(len(content) // 4, len(content) - 2048)] ^= 1 << random.randrange(8)
    return bytes(changed)
