"""The names of a store, and which repository has which content, in SQLite."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError, PackhorseError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, canonical_json, decode_json
from packhorse.oci.reference import Reference
from packhorse.store.names_schema import SCHEMA_VERSION, bring_up_to_date
from packhorse.store.usage import Usage

__all__ = [
    "FullError",
    "Membership",
    "NamesDatabase",
    "add_members",
    "find_repository",
    "repository_id",
    "write_names",
    "write_referrer",
]

_BUSY_SECONDS = 30.0
_FIND_MEMBER = """
SELECT media_type, digest, size FROM members JOIN repositories ON repository = id
WHERE path = ? AND registry = ? AND digest = ? AND is_manifest >= ?
"""


class Membership(msgspec.Struct, frozen=True):
    """What a repository gets: manifests and blobs that can be read through it."""

    manifests: tuple[Descriptor, ...]
    blobs: tuple[Descriptor, ...] = ()


class FullError(PackhorseError):
    """There is no room for a change."""


class NamesDatabase:
    """The database of one store. Every method is one transaction; several processes may use it at once."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the database, and make its tables when it is new.

        Raises:
            ConfigError: It was made by a newer version of Packhorse.
            IntegrityError: It is no database, or damaged.
            PackhorseError: It cannot be opened.
        """
        self._path = path
        self._where = str(path)
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        with self._translated():
            # Two connections: whoever reads does not wait until a write is on the disk.
            self._reader = _connect(path, read_only=read_only)
            self._writer = None if read_only else _connect(path, read_only=False)
            self._prepare()

    def repositories(self) -> list[str]:
        """Return the full names of all repositories, sorted."""
        rows = self._rows("SELECT registry, path FROM repositories")
        return sorted(f"{registry}/{path}" for registry, path in rows)

    def registries(self, path: str) -> list[str]:
        """Return the registries that have a repository of this path, sorted."""
        rows = self._rows("SELECT registry FROM repositories WHERE path = ? ORDER BY registry", path)
        return [registry for (registry,) in rows]

    def targets(self, name: str) -> list[str]:
        """Return the tags, and the digests that are names, of a repository."""
        rows = self._rows(
            "SELECT target FROM names JOIN repositories ON repository = id WHERE path = ? AND registry = ?",
            *_key(name),
        )
        return [target for (target,) in rows]

    def find_name(self, name: str, target: str) -> Descriptor | None:
        """Return what a tag (or a digest that is a name) stands for."""
        rows = self._rows(
            "SELECT descriptor FROM names JOIN repositories ON repository = id"
            " WHERE path = ? AND registry = ? AND target = ?",
            *_key(name),
            target,
        )
        return self._decode(rows[0][0]) if rows else None

    def find_member(self, name: str, digest: str, *, manifest: bool) -> Descriptor | None:
        """Return a manifest, or with ``manifest=False`` any content, that a repository has."""
        rows = self._rows(_FIND_MEMBER, *_key(name), digest, int(manifest))
        if not rows:
            return None
        media_type, found, size = rows[0]
        return Descriptor(media_type=media_type, digest=Digest(found), size=size)

    def member_added(self, name: str, digest: Digest) -> int | None:
        """Return when a repository got content, in seconds since 1970; None when it does not have it."""
        rows = self._rows(
            "SELECT added FROM members JOIN repositories ON repository = id"
            " WHERE path = ? AND registry = ? AND digest = ?",
            *_key(name),
            digest,
        )
        return int(rows[0][0]) if rows else None

    def all_members(self) -> frozenset[str]:
        """Return the digests of all content that some repository has."""
        return frozenset(digest for (digest,) in self._rows("SELECT DISTINCT digest FROM members"))

    def extent_of(self, name: str) -> tuple[int, int]:
        """Return how many manifests a repository has, and how many bytes in all."""
        rows = self._rows(
            "SELECT total(is_manifest), total(size) FROM members JOIN repositories ON repository = id"
            " WHERE path = ? AND registry = ?",
            *_key(name),
        )
        return int(rows[0][0]), int(rows[0][1])

    def pins(self) -> list[tuple[str, Digest, str]]:
        """Return who pins what by which name, sorted."""
        rows = self._rows("SELECT owner, digest, reference FROM pins ORDER BY owner, reference, digest")
        return [(owner, Digest(digest), reference) for owner, digest, reference in rows]

    def repositories_with(self, digest: Digest) -> list[str]:
        """Return the full names of the repositories that have a manifest."""
        rows = self._rows(
            "SELECT registry, path FROM repositories JOIN members ON repository = id"
            " WHERE digest = ? AND is_manifest = 1",
            digest,
        )
        return sorted(f"{registry}/{path}" for registry, path in rows)

    def referrers(self, name: str, subject: str) -> list[Descriptor]:
        """Return what refers to a manifest within a repository, sorted by digest."""
        rows = self._rows(
            "SELECT descriptor FROM referrers JOIN repositories ON repository = id"
            " WHERE path = ? AND registry = ? AND subject = ? ORDER BY digest",
            *_key(name),
            subject,
        )
        return [self._decode(descriptor) for (descriptor,) in rows]

    def names(self) -> list[tuple[Reference, Descriptor]]:
        """Return all names with what they stand for, sorted."""
        rows = self._rows(
            "SELECT registry, path, target, descriptor FROM names JOIN repositories ON repository = id"
            " ORDER BY registry, path, target"
        )
        return [(_reference(registry, path, target), self._decode(content)) for registry, path, target, content in rows]

    def dated_bundles(self) -> list[tuple[Descriptor, float]]:
        """Return the roots of the bundles that were loaded, each with when that was last, in seconds since 1970."""
        rows = self._rows("SELECT descriptor, added FROM bundles ORDER BY rowid")
        return [(self._decode(content), added) for content, added in rows]

    def bundles(self) -> list[Descriptor]:
        """Return the roots of the bundles that were loaded, in the order of their first loading."""
        return [self._decode(content) for (content,) in self._rows("SELECT descriptor FROM bundles ORDER BY rowid")]

    def usage(self) -> Usage:
        """Count repositories and what they have, each blob once; with a connection of its own, as it takes a while."""
        with self._translated(), closing(_connect(self._path, read_only=True)) as connection:
            blobs, size = connection.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM (SELECT max(size) AS size FROM members GROUP BY digest)"
            ).fetchone()
            (repositories,) = connection.execute("SELECT count(*) FROM repositories").fetchone()
        return Usage(blobs=blobs, content_bytes=size, repositories=repositories)

    def set_name(
        self, reference: Reference, descriptor: Descriptor, members: Membership, check: Callable[[], None]
    ) -> None:
        """Make a name stand for a manifest, whose parts its repository has from now on.

        Args:
            reference: The name.
            descriptor: The manifest.
            members: The manifest and its parts.
            check: Raises when one of them is not there; called while nobody else can write, so that no collection of
                garbage comes between the look and the name.
        """
        with self.transaction() as connection:
            check()
            repository = repository_id(connection, reference.name)
            add_members(connection, repository, members)
            if target := reference.tag or reference.digest:
                write_names(connection, repository, [target], descriptor)

    def add_referrer(
        self, name: str, subject: Digest, referrer: Descriptor, members: Membership, check: Callable[[], None]
    ) -> None:
        """List a manifest as a referrer of ``subject`` in the repository ``name``, which has its parts from now on."""
        with self.transaction() as connection:
            check()
            repository = repository_id(connection, name)
            add_members(connection, repository, members)
            write_referrer(connection, repository, subject, referrer)

    def add_bundle(self, root: Descriptor, check: Callable[[], None]) -> None:
        """Keep the root of a bundle; ``check`` as for :meth:`set_name`."""
        with self.transaction() as connection:
            check()
            connection.execute(
                "INSERT INTO bundles VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET added = excluded.added",
                (root.digest, canonical_json(root), int(time.time())),
            )

    def close(self) -> None:
        """Close the database."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            if self._writer is not None:
                self._writer.close()

    def _prepare(self) -> None:
        version = self._reader.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            message = f"{self._where} has the schema version {version}; this Packhorse reads up to {SCHEMA_VERSION}"
            raise ConfigError(message, hint="update Packhorse")
        if self._writer is None:
            return
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")
        if version < SCHEMA_VERSION:
            with self.transaction() as connection:
                bring_up_to_date(connection)

    def _rows(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._read_lock, self._translated():
            return self._reader.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Be the only one who writes, in any thread or process; what is raised takes everything back."""
        writer = self._writer
        if writer is None:
            raise PackhorseError(f"the store's database {self._where} cannot be used: it was opened for reading")
        with self._write_lock, self._translated():
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                writer.execute("COMMIT")
            except BaseException:
                # A full disk may have ended it already; and it may be what COMMIT failed at.
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read the names as they are at one instant."""
        with self._read_lock, self._translated():
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            message = f"the store's database {self._where} cannot be used: {error}"
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise FullError(message, hint="free some room on its disk") from error
            raise PackhorseError(message, hint="is the folder writable, and does the disk have room?") from error
        except sqlite3.DatabaseError as error:
            message = f"the store's database {self._where} is damaged: {error}"
            raise IntegrityError(message) from error

    def _decode(self, content: bytes) -> Descriptor:
        return decode_json(content, Descriptor, self._where)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM repositories").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        # In WAL mode on a medium that cannot be written: nobody else writes there either, so no locks are needed.
        return sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    return connection


def write_names(
    connection: sqlite3.Connection, repository: int, targets: Iterable[str], descriptor: Descriptor
) -> None:
    """Make tags, or a digest that is a name, stand for a manifest."""
    content, now = canonical_json(descriptor), int(time.time())
    connection.executemany(
        "INSERT OR REPLACE INTO names (repository, target, descriptor, digest, added) VALUES (?, ?, ?, ?, ?)",
        [(repository, target, content, descriptor.digest, now) for target in targets],
    )


def write_referrer(connection: sqlite3.Connection, repository: int, subject: Digest, referrer: Descriptor) -> None:
    """List a manifest as a referrer of another one."""
    connection.execute(
        "INSERT OR REPLACE INTO referrers VALUES (?, ?, ?, ?)",
        (repository, subject, referrer.digest, canonical_json(referrer)),
    )


def find_repository(connection: sqlite3.Connection, name: str) -> int | None:
    """Return the key of a repository by its full name; None where there is none."""
    row = connection.execute("SELECT id FROM repositories WHERE path = ? AND registry = ?", _key(name)).fetchone()
    return None if row is None else int(row[0])


def repository_id(connection: sqlite3.Connection, name: str) -> int:
    """Return the key of a repository by its full name; it is made where there is none."""
    connection.execute("INSERT OR IGNORE INTO repositories (path, registry) VALUES (?, ?)", _key(name))
    row = connection.execute("SELECT id FROM repositories WHERE path = ? AND registry = ?", _key(name)).fetchone()
    return int(row[0])


def _key(name: str) -> tuple[str, str]:
    """Cut a full name into path and registry, as the database has them."""
    registry, _, path = name.partition("/")
    return path, registry


def add_members(connection: sqlite3.Connection, repository: int, members: Membership) -> None:
    """Let a repository have content from now on; what it has already counts as new again."""
    connection.executemany(
        # What is a manifest stays one: an index may list as an opaque blob what another name reaches as a manifest.
        "INSERT INTO members VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " media_type = iif(excluded.is_manifest > is_manifest, excluded.media_type, media_type),"
        " is_manifest = max(is_manifest, excluded.is_manifest), added = excluded.added",
        [*_member_rows(repository, members.manifests, 1), *_member_rows(repository, members.blobs, 0)],
    )


def _member_rows(
    repository: int, descriptors: Iterable[Descriptor], is_manifest: int
) -> Iterator[tuple[int, str, str, int, int, int]]:
    now = int(time.time())
    return ((repository, item.digest, item.media_type, item.size, is_manifest, now) for item in descriptors)


def _reference(registry: str, path: str, target: str) -> Reference:
    if ":" in target:
        return Reference(registry, path, digest=Digest(target))
    return Reference(registry, path, tag=target)
