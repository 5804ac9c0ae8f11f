"""Garbage collection of a store on disk, by any process, while others serve and fill it."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection

from packhorse.base.errors import IntegrityError, UsageError
from packhorse.oci import manifest
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.store import names_collection
from packhorse.store.collection import Collected, Policy, Removal, RepositoryContent, Swept, collect
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.names_database import NamesDatabase
from packhorse.store.reserve import RESERVE, Reserve
from packhorse.store.store_folder import DATABASE, blob_name

__all__ = ["DirectoryCollection", "collect_directory"]

_BATCH = 400
"""How many rows or files go in one transaction: others wait for fractions of a second, and on a full disk the log of
the database stays smaller than what is set aside for it."""


class DirectoryCollection:
    """Implements :class:`packhorse.store.collection.CollectableStore`."""

    def __init__(self, store: DirectoryStore, names: NamesDatabase) -> None:
        """Make a collection.

        Args:
            store: Where the content is.
            names: Its names, by connections of the collection's own: nobody who is served waits for them.
        """
        self._store = store
        self._names = names
        self._without: frozenset[Digest] = frozenset()
        self._bundles: frozenset[Digest] = frozenset()
        self._bundled: frozenset[Digest] = frozenset()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Be the only collection of this store as long as the context lasts.

        Raises:
            UsageError: Another one is at work.
        """
        fd = os.open(self._store.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"another collection is at work in the store {self._store.path}"
                raise UsageError(message, hint="wait until it is done") from None
            yield
        finally:
            os.close(fd)

    def repositories(self) -> Sequence[str]:
        """Return the full names of all repositories."""
        return self._names.repositories()

    def content(self, name: str) -> RepositoryContent:
        """Return what a repository has now."""
        with self._names.snapshot() as connection:
            return names_collection.read_content(connection, name)

    def links(self, described: Descriptor) -> frozenset[Digest]:
        """Return what a manifest is made of, or lists."""
        content = self._store.read_manifest(described)
        parsed = manifest.parse(content, described.media_type, f"manifest {described.digest.short}")
        return frozenset(part.digest for part in manifest.successors(parsed))

    def bundled(self, without: frozenset[Digest]) -> frozenset[Digest]:
        """Return everything that the loaded bundles lead to."""
        self._without = without
        with self._names.snapshot() as connection:
            return self._look_at_bundles(connection)

    def drop_bundles(self, roots: frozenset[Digest], before: float) -> None:
        """Forget bundles, but none that was loaded again since an instant, and none that is pinned."""
        with self._names.transaction() as connection:
            names_collection.drop_bundles(connection, roots, before)

    def _look_at_bundles(self, connection: Connection) -> frozenset[Digest]:
        roots = {
            digest: root
            for digest, root in names_collection.bundle_roots(connection).items()
            if digest not in self._without
        }
        if roots.keys() != self._bundles:
            self._bundled = self._store.closure(tuple(roots.values()))
            self._bundles = frozenset(roots)
        return self._bundled

    def remove(self, name: str, decide: Callable[[RepositoryContent], Removal]) -> tuple[Removal, bool]:
        """Take a part of what is decided away, in one transaction."""
        with self._names.transaction() as connection:
            wanted = decide(names_collection.read_content(connection, name))
            # Names before what they stand for.
            digests = wanted.digests if len(wanted.targets) < _BATCH else ()
            part = Removal(wanted.targets[:_BATCH], digests[:_BATCH])
            if part:
                names_collection.delete(connection, name, part)
        return part, part == wanted

    def sweep(self, digests: Sequence[Digest] | None, before: float, dropped: Mapping[Digest, int] | None) -> Swept:
        """Remove content that no repository has and no bundle leads to, and that was written before an instant."""
        swept = Swept()
        for some in _batches(self._files() if digests is None else digests):
            if dropped is not None:
                with self._names.snapshot() as connection:
                    swept += self._sweep(connection, some, before, dropped)
            elif self._has_candidates(some):
                with self._names.transaction() as connection:
                    swept += self._sweep(connection, some, before, None)
        return swept

    def _has_candidates(self, digests: Sequence[Digest]) -> bool:
        """Whether it is worth keeping others from writing."""
        with self._names.snapshot() as connection:
            held = names_collection.holders(connection, digests)
        return any(digest not in held and digest not in self._bundled for digest in digests)

    def _sweep(
        self, connection: Connection, digests: Sequence[Digest], before: float, dropped: Mapping[Digest, int] | None
    ) -> Swept:
        self._look_at_bundles(connection)
        held = names_collection.holders(connection, digests)
        swept = Swept()
        for digest in digests:
            if digest in self._bundled or held.get(digest, 0) > (dropped or {}).get(digest, 0):
                continue
            path = self._store.path / blob_name(digest)
            with suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mtime <= before:
                    if dropped is None:
                        path.unlink()
                    swept += Swept(1, found.st_size)
        return swept

    def _files(self) -> Iterator[Digest]:
        for algorithm in ("sha256", "sha512"):
            with suppress(FileNotFoundError), os.scandir(self._store.path / "blobs" / algorithm) as entries:
                for entry in entries:
                    # What has no digest for its name is none of ours.
                    with suppress(IntegrityError):
                        yield Digest(f"{algorithm}:{entry.name}")


def _batches(digests: Iterable[Digest]) -> Iterator[list[Digest]]:
    batch: list[Digest] = []
    for digest in digests:
        batch.append(digest)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def collect_directory(path: Path, policy: Policy, now: float, *, dry_run: bool = False) -> Collected:
    """Collect the garbage of a store on disk; see :func:`packhorse.store.collection.collect`.

    It works on a full disk, too: what the store has set aside is given up meanwhile.
    """
    with ExitStack() as opened:
        if not dry_run:
            opened.enter_context(Reserve(path / RESERVE).given_up())
        store = DirectoryStore.open_existing(path)
        opened.callback(store.close)
        names = NamesDatabase(path / DATABASE)
        opened.callback(names.close)
        return collect(DirectoryCollection(store, names), policy, now, dry_run=dry_run)
