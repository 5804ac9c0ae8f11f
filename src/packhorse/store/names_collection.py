"""What a collection of garbage reads and deletes in the names of a store; each function is called in a transaction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, decode_json
from packhorse.store.collection import Member, Name, Removal, RepositoryContent
from packhorse.store.names_database import find_repository

__all__ = ["bundle_roots", "delete", "drop_bundles", "holders", "read_content"]

_AT_ONCE = 500
"""Fewer than SQLite takes values in one statement, in every build of it."""


def read_content(connection: Connection, name: str) -> RepositoryContent:
    """Return all that is known of a repository; nothing where there is none."""
    repository = find_repository(connection, name)
    names = connection.execute("SELECT target, digest, added FROM names WHERE repository = ?", (repository,))
    members = connection.execute(
        "SELECT media_type, digest, size, is_manifest, added FROM members WHERE repository = ?", (repository,)
    )
    referrers: dict[Digest, list[Digest]] = defaultdict(list)
    for subject, digest in connection.execute(
        "SELECT subject, digest FROM referrers WHERE repository = ?", (repository,)
    ):
        referrers[Digest(subject)].append(Digest(digest))
    pinned = connection.execute(
        "SELECT digest FROM pins JOIN members USING (digest) WHERE repository = ?", (repository,)
    )
    return RepositoryContent(
        names=tuple(Name(target, Digest(digest), added) for target, digest, added in names),
        members={
            (descriptor := Descriptor(media_type=media_type, digest=Digest(digest), size=size)).digest: Member(
                descriptor, bool(is_manifest), added
            )
            for media_type, digest, size, is_manifest, added in members
        },
        referrers=referrers,
        pinned=frozenset(Digest(digest) for (digest,) in pinned),
    )


def delete(connection: Connection, name: str, removal: Removal) -> None:
    """Take names and content away from a repository, and the repository with the last of them."""
    repository = find_repository(connection, name)
    connection.executemany(
        "DELETE FROM names WHERE repository = ? AND target = ?", [(repository, each) for each in removal.targets]
    )
    rows = [(repository, digest) for digest in removal.digests]
    connection.executemany("DELETE FROM members WHERE repository = ? AND digest = ?", rows)
    connection.executemany("DELETE FROM referrers WHERE repository = ? AND digest = ?", rows)
    connection.execute(
        "DELETE FROM repositories WHERE id = ? AND NOT EXISTS (SELECT 1 FROM members WHERE repository = id)"
        " AND NOT EXISTS (SELECT 1 FROM names WHERE repository = id)"
        " AND NOT EXISTS (SELECT 1 FROM referrers WHERE repository = id)",
        (repository,),
    )


def holders(connection: Connection, digests: Sequence[Digest]) -> dict[Digest, int]:
    """Return how many repositories have each of some content; what none has is left out."""
    found: dict[Digest, int] = {}
    for start in range(0, len(digests), _AT_ONCE):
        some = digests[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        rows = connection.execute(
            f"SELECT digest, count(*) FROM members WHERE digest IN ({marks}) GROUP BY digest",  # noqa: S608 - marks only
            some,
        )
        found.update({Digest(digest): count for digest, count in rows})
    return found


def bundle_roots(connection: Connection) -> dict[Digest, Descriptor]:
    """Return the roots of all loaded bundles."""
    rows = connection.execute("SELECT digest, descriptor FROM bundles")
    return {Digest(digest): decode_json(content, Descriptor, "the store's bundles") for digest, content in rows}


def drop_bundles(connection: Connection, roots: Iterable[Digest], before: float) -> None:
    """Forget bundles that were loaded before an instant and are not pinned."""
    connection.executemany(
        "DELETE FROM bundles WHERE digest = ? AND added <= ? AND digest NOT IN (SELECT digest FROM pins)",
        [(root, before) for root in sorted(roots)],
    )
