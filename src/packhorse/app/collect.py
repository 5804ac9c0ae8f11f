"""``store gc``: collect the garbage of a store by the site's rules, loaded bundles of packages included."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from packhorse.app.known_images import Known, known_of_store
from packhorse.oci.digest import Digest
from packhorse.store.collection import Collected, Dropped, Policy
from packhorse.store.directory_collection import collect_directory
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.retention import Dated, Retention, expired_packages

__all__ = ["CollectionResult", "collect_store"]


class CollectionResult(msgspec.Struct, frozen=True):
    """What a collection did, or would do.

    Attributes:
        packages: The loaded bundles that went, each as the packages in it (``shop 1.4.0``).
        collected: Everything else.
    """

    packages: tuple[str, ...]
    collected: Collected


class _Loaded(NamedTuple):
    """A bundle that was loaded once."""

    root: Digest
    added: float
    images: tuple[Known, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """``shop 1.4.0``, of each of its packages."""
        return tuple(dict.fromkeys(image.package for image in self.images))


def collect_store(path: Path, policy: Policy, *, dry_run: bool) -> CollectionResult:
    """Collect the garbage of a store on disk, which may be in use.

    Raises:
        ConfigError: There is no store.
        IntegrityError: What a loaded bundle leads to can't be found out.
        PackhorseError: Another collection is at work, or the store can't be read or written.
    """
    now = time.time()
    gone: list[_Loaded] = []
    if policy.retention.packages:
        with closing(DirectoryStore.open_existing(path)) as store:
            pinned = {digest for _, digest, _ in store.pins()}
            loaded = [
                _Loaded(root.digest, added, tuple(known_of_store(store, [root])))
                for root, added in store.dated_bundles()
            ]
        old = _expired(loaded, policy.retention, now)
        gone = [each for each in old if each.root not in pinned and each.added <= now - policy.grace_seconds]
        policy = msgspec.structs.replace(policy, dropped=_dropped(loaded, gone))
    collected = collect_directory(path, policy, now, dry_run=dry_run)
    return CollectionResult(tuple(title for each in gone for title in each.packages), collected)


def _expired(loaded: Sequence[_Loaded], retention: Retention, now: float) -> list[_Loaded]:
    """Return the bundles all of whose packages no longer stay; of one that can't be read nothing is known."""
    by_package: dict[str, list[Dated]] = defaultdict(list)
    for each in loaded:
        for title in each.packages:
            by_package[title.rpartition(" ")[0]].append(Dated(each.added, each.root))
    surplus = {name: expired_packages(retention.packages, name, bundles, now) for name, bundles in by_package.items()}
    return [
        each
        for each in loaded
        if each.packages and all(each.root in surplus[title.rpartition(" ")[0]] for title in each.packages)
    ]


def _dropped(loaded: Sequence[_Loaded], gone: Sequence[_Loaded]) -> Dropped:
    """Say which names only those brought that are gone."""
    roots = frozenset(each.root for each in gone)
    kept = {_key(image) for each in loaded if each.root not in roots for image in each.images}
    names: dict[str, set[tuple[str, Digest]]] = defaultdict(set)
    for each in gone:
        for image in each.images:
            name, target, digest = _key(image)
            if (name, target, digest) not in kept:
                names[name].add((target, digest))
    return Dropped(roots, {name: frozenset(targets) for name, targets in names.items()})


def _key(image: Known) -> tuple[str, str, Digest]:
    return image.reference.name, image.reference.tag or image.reference.target, image.descriptor.digest
