"""Garbage collection: what nothing leads to is taken away, while others push and pull.

What stays is marked from the names, the pins and the loaded bundles; from what is young, since somebody may be about to
name it; and from what refers to something that stays. What is not marked leaves its repository, parents before their
parts, in small transactions each of which marks again what it is about to take. Content goes once no repository has it.

The stores differ in how they do that; what they decide is here, and pure but for the port.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from packhorse.base.errors import IntegrityError, PackhorseError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.store.retention import Dated, Retention, expired

__all__ = [
    "DEFAULT_GRACE_SECONDS",
    "CollectableStore",
    "Collected",
    "Dropped",
    "Member",
    "Name",
    "Policy",
    "Removal",
    "RepositoryContent",
    "Swept",
    "collect",
]

_SUBJECT_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(?:\.[a-z]{1,16})?", re.ASCII)

DEFAULT_GRACE_SECONDS = 24 * 3600.0
"""As long as an upload may take that is not finished: what was pushed before it must still be there then."""


class Name(msgspec.Struct, frozen=True):
    """A tag, or a digest that is a name, with what it stands for and since when."""

    target: str
    digest: Digest
    added: float


class Member(msgspec.Struct, frozen=True):
    """Content that a repository has, and when it came, or was asked for by somebody who pushes."""

    descriptor: Descriptor
    is_manifest: bool
    added: float


class RepositoryContent(msgspec.Struct, frozen=True):
    """All that a store knows of one repository, as of one instant.

    Attributes:
        names: Its names.
        members: What can be read through it.
        referrers: Of a subject, what refers to it; the subject need not be there.
        pinned: What must stay whatever the names say; digests that the repository does not have are of no account.
    """

    names: tuple[Name, ...]
    members: Mapping[Digest, Member]
    referrers: Mapping[Digest, Sequence[Digest]]
    pinned: frozenset[Digest]


class Removal(msgspec.Struct, frozen=True):
    """What leaves a repository: names, and content, parents before their parts."""

    targets: tuple[str, ...] = ()
    digests: tuple[Digest, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.targets or self.digests)


class Swept(msgspec.Struct, frozen=True):
    """Content that is gone from the store."""

    blobs: int = 0
    freed_bytes: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(self.blobs + other.blobs, self.freed_bytes + other.freed_bytes)


class CollectableStore(Protocol):
    """A store whose garbage can be collected."""

    def collecting(self) -> AbstractContextManager[None]:
        """Be the only collection of this store as long as the context lasts.

        Raises:
            PackhorseError: Another one is at work.
        """

    def repositories(self) -> Sequence[str]:
        """Return the full names of all repositories."""

    def content(self, name: str) -> RepositoryContent:
        """Return what a repository has now."""

    def links(self, manifest: Descriptor) -> frozenset[Digest]:
        """Return what a manifest is made of, or lists.

        Raises:
            IntegrityError: It can't be read, or is not what its digest says.
        """

    def bundled(self, without: frozenset[Digest]) -> frozenset[Digest]:
        """Return everything that the loaded bundles lead to.

        Args:
            without: Roots of bundles that are as good as gone.

        Raises:
            IntegrityError: One of their manifests can't be read.
        """

    def drop_bundles(self, roots: frozenset[Digest], before: float) -> None:
        """Forget bundles, but none that was loaded again since an instant."""

    def remove(self, name: str, decide: Callable[[RepositoryContent], Removal]) -> tuple[Removal, bool]:
        """Take content away from a repository, a part of it at a time.

        Args:
            name: The repository.
            decide: Called with what the repository has while nobody else can change it; what it says is done at once.

        Returns:
            What was taken away, and whether that was all.
        """

    def sweep(self, digests: Sequence[Digest] | None, before: float, dropped: Mapping[Digest, int] | None) -> Swept:
        """Remove content that no repository has and no bundle leads to, and that was written before an instant.

        Args:
            digests: Which content to look at; None for all of it.
            before: In seconds since 1970.
            dropped: Look only, and take it that so many repositories no longer have each digest; None to remove.
        """


class Dropped(msgspec.Struct, frozen=True):
    """Loaded bundles that no longer stay.

    Attributes:
        roots: Their digests.
        names: The names that nobody but they brought: of a repository, each target with what it stood for.
    """

    roots: frozenset[Digest] = frozenset()
    names: Mapping[str, frozenset[tuple[str, Digest]]] = {}


class Policy(msgspec.Struct, frozen=True):
    """What a collection keeps.

    Attributes:
        grace_seconds: What is younger stays.
        retention: Which tags stay.
        dropped: Which bundles don't.
    """

    grace_seconds: float = DEFAULT_GRACE_SECONDS
    retention: Retention = Retention()
    dropped: Dropped = Dropped()


class Collected(msgspec.Struct, frozen=True):
    """What a collection did, or would do.

    Attributes:
        tags: The names that went, in full (``docker.io/library/redis:7.2``).
        manifests: How many manifests left their repository.
        blobs: How many other blobs did.
        swept: What is gone from the store, and so from the disk.
        untouched: Repositories that were left as they are because something in them can't be read, and why.
    """

    tags: tuple[str, ...] = ()
    manifests: int = 0
    blobs: int = 0
    swept: Swept = Swept()
    untouched: tuple[tuple[str, str], ...] = ()


class _Tally:
    """Adds up what a collection does."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.manifests = 0
        self.blobs = 0
        self.swept = Swept()
        self.untouched: list[tuple[str, str]] = []
        self.dropped: Counter[Digest] = Counter()

    def add(self, name: str, content: RepositoryContent, removal: Removal) -> None:
        self.tags += [f"{name}{'@' if ':' in target else ':'}{target}" for target in removal.targets]
        manifests = sum(content.members[digest].is_manifest for digest in removal.digests)
        self.manifests += manifests
        self.blobs += len(removal.digests) - manifests

    def result(self) -> Collected:
        return Collected(tuple(self.tags), self.manifests, self.blobs, self.swept, tuple(self.untouched))


def collect(store: CollectableStore, policy: Policy, now: float, *, dry_run: bool = False) -> Collected:
    """Collect the garbage of a store.

    A repository in which a manifest can't be read is left as it is: what that leads to is not known.

    Args:
        store: The store, which may be in use.
        policy: What stays besides what is named.
        now: In seconds since 1970.
        dry_run: Say what would go, and change nothing.

    Raises:
        IntegrityError: What a bundle leads to can't be found out; nothing was removed.
        PackhorseError: Another collection is at work, or the store can't be read or written.
    """
    tally = _Tally()
    before = now - policy.grace_seconds
    with store.collecting():
        roots = policy.dropped.roots
        if roots and not dry_run:
            store.drop_bundles(roots, before)
        bundled = store.bundled(roots if dry_run else frozenset())
        for name in store.repositories():
            mark = _Mark(store, name, policy, now, bundled)
            try:
                if dry_run:
                    content = store.content(name)
                    removal = mark.decide(content)
                    tally.add(name, content, removal)
                    tally.dropped.update(removal.digests)
                else:
                    for removal in _remove(store, mark, tally):
                        tally.swept += store.sweep(removal.digests, before, None)
            except IntegrityError as error:
                tally.untouched.append((name, error.message))
        tally.swept += store.sweep(None, before, tally.dropped if dry_run else None)
    return tally.result()


def _remove(store: CollectableStore, mark: "_Mark", tally: _Tally) -> Iterator[Removal]:
    # Looked at first without keeping others from writing: most repositories have no garbage.
    if not mark.decide(store.content(mark.name)):
        return
    is_done = False
    while not is_done:
        removal, is_done = store.remove(mark.name, mark.decide)
        if removal and mark.seen is not None:
            tally.add(mark.name, mark.seen, removal)
            yield removal


def _subject(content: RepositoryContent, name: Name) -> Digest | None:
    """Return which manifest of a repository a tag is about that only says what refers to it.

    Clients that know no API for referrers give such tags: ``sha256-HEX`` and ``sha256-HEX.sig``.
    """
    match = _SUBJECT_TAG.fullmatch(name.target)
    if match is None or f"{match[1]}:{match[2]}" not in content.members:
        return None
    return Digest(f"{match[1]}:{match[2]}")


class _Mark:
    """Decides for one repository what leaves it; remembers what its manifests lead to."""

    def __init__(
        self, store: CollectableStore, name: str, policy: Policy, now: float, bundled: frozenset[Digest]
    ) -> None:
        self.name = name
        self._store = store
        self._policy = policy
        self._now = now
        self._bundled = bundled
        self._links: dict[Digest, frozenset[Digest]] = {}
        self.seen: RepositoryContent | None = None
        """What was decided about last."""

    def decide(self, content: RepositoryContent) -> Removal:
        """Return everything that should leave."""
        self.seen = content
        gone = self._expired(content)
        staying = [name for name in content.names if name.target not in gone]
        roots = {digest for digest in content.members if self._stays(content, digest)}
        tagged: dict[Digest, list[Digest]] = defaultdict(list)
        followers = []
        for name in staying:
            subject = _subject(content, name)
            if subject is None or not self._may_go(content, name):
                roots.add(name.digest)
            else:
                tagged[subject].append(name.digest)
                followers.append((subject, name.target))
        marked = self._walk(content, tagged, roots)
        gone |= {target for subject, target in followers if subject not in marked}
        garbage = [digest for digest in content.members if digest not in marked]
        return Removal(tuple(sorted(gone)), self._parents_first(content, garbage))

    def _expired(self, content: RepositoryContent) -> set[str]:
        """Return the names that rules take away."""
        tags = [name for name in content.names if ":" not in name.target and _subject(content, name) is None]
        dated = [Dated(name.added, name.target) for name in tags]
        gone = expired(self._policy.retention.repositories, self.name, dated, self._now)
        dropped = self._policy.dropped.names.get(self.name, frozenset())
        gone |= {name.target for name in content.names if (name.target, name.digest) in dropped}
        return gone & {name.target for name in content.names if self._may_go(content, name)}

    def _may_go(self, content: RepositoryContent, name: Name) -> bool:
        """Whether a rule may take a name away: what is in use, bundled or has just come stays."""
        is_old = name.added <= self._now - self._policy.grace_seconds
        return is_old and name.digest not in content.pinned and name.digest not in self._bundled

    def _stays(self, content: RepositoryContent, digest: Digest) -> bool:
        """Whether content stays though no name leads to it."""
        member = content.members[digest]
        if digest in content.pinned or digest in self._bundled:
            return True
        seconds = self._policy.grace_seconds
        if member.is_manifest:
            untagged = self._policy.retention.untagged_seconds
            if untagged is None:
                return True
            seconds = max(seconds, untagged)
        return member.added > self._now - seconds

    def _walk(
        self, content: RepositoryContent, tagged: Mapping[Digest, Sequence[Digest]], roots: set[Digest]
    ) -> set[Digest]:
        marked: set[Digest] = set()
        waiting = list(roots)
        while waiting:
            digest = waiting.pop()
            member = content.members.get(digest)
            if member is None or digest in marked:
                continue
            marked.add(digest)
            if member.is_manifest:
                waiting += self._links_of(member.descriptor)
            waiting += content.referrers.get(digest, ())
            waiting += tagged.get(digest, ())
        return marked

    def _links_of(self, manifest: Descriptor) -> frozenset[Digest]:
        found = self._links.get(manifest.digest)
        if found is None:
            found = self._links[manifest.digest] = self._store.links(manifest)
        return found

    def _parents_first(self, content: RepositoryContent, garbage: Sequence[Digest]) -> tuple[Digest, ...]:
        """Put content in an order in which no parent is left whose part is gone.

        A manifest that can't be read has no known parts; it keeps nobody.
        """
        manifests = {digest for digest in garbage if content.members[digest].is_manifest}
        parts = {digest: self._known_parts(content.members[digest].descriptor) & manifests for digest in manifests}
        parents = Counter(part for found in parts.values() for part in found)
        ready = sorted(digest for digest in manifests if not parents[digest])
        ordered: list[Digest] = []
        while ready:
            digest = ready.pop()
            ordered.append(digest)
            for part in sorted(parts[digest]):
                parents[part] -= 1
                if not parents[part]:
                    ready.append(part)
        return (*ordered, *sorted(digest for digest in garbage if digest not in manifests))

    def _known_parts(self, manifest: Descriptor) -> frozenset[Digest]:
        try:
            return self._links_of(manifest)
        except PackhorseError:
            return frozenset()
