"""What pushes and deletions change in the names of a store: each function is one transaction."""

import time
from collections.abc import Callable, Mapping, Sequence
from sqlite3 import Connection

import msgspec

from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.store.names_database import (
    Membership,
    NamesDatabase,
    add_members,
    find_repository,
    repository_id,
    write_names,
    write_referrer,
)
from packhorse.store.refusals import ConditionError, MissingPartError

__all__ = [
    "Expectation",
    "ManifestEntry",
    "add_blob",
    "add_manifest",
    "check_expectation",
    "delete_member",
    "delete_tag",
    "set_pins",
    "touch_member",
]


class Expectation(msgspec.Struct, frozen=True):
    """What a tag must stand for when it is written: one of some digests, or with none of them nothing at all."""

    digests: frozenset[str] = frozenset()
    anything: bool = False
    """Whatever it is, as long as it is something."""


class ManifestEntry(msgspec.Struct, frozen=True):
    """A manifest that a repository gets.

    Attributes:
        descriptor: As its names have it: of a sparse index, with what is there of it.
        needs: The blobs that the repository must have.
        tags: What stands for it from now on.
        subject: What it refers to.
        referrer: How it is listed there.
        expected: What the first tag must stand for now.
    """

    descriptor: Descriptor
    needs: tuple[Digest, ...] = ()
    tags: tuple[str, ...] = ()
    subject: Digest | None = None
    referrer: Descriptor | None = None
    expected: Expectation | None = None


def add_blob(database: NamesDatabase, name: str, descriptor: Descriptor, place: Callable[[], None]) -> None:
    """Let a repository have a blob from now on.

    Args:
        database: The names.
        name: The repository.
        descriptor: The blob.
        place: Puts the content where it belongs; called while nobody else can write, so that no collection of garbage
            comes between the content and its name.
    """
    with database.transaction() as connection:
        place()
        add_members(connection, repository_id(connection, name), Membership((), (descriptor,)))


def add_manifest(database: NamesDatabase, name: str, entry: ManifestEntry, place: Callable[[], None]) -> None:
    """Let a repository have a manifest from now on, with its tags.

    Raises:
        MissingPartError: The repository does not have a blob that it needs.
        ConditionError: The tag stands for something else than was expected.
    """
    with database.transaction() as connection:
        repository = repository_id(connection, name)
        _check_parts(connection, repository, entry.needs)
        if entry.expected is not None and entry.tags:
            _check_expected(connection, repository, entry.tags[0], entry.expected)
        place()
        add_members(connection, repository, Membership((entry.descriptor.plain(),)))
        write_names(connection, repository, entry.tags, entry.descriptor)
        if entry.subject is not None and entry.referrer is not None:
            write_referrer(connection, repository, entry.subject, entry.referrer)


def touch_member(database: NamesDatabase, name: str, digest: Digest, older_than: float) -> bool:
    """Let a blob count as new again, because somebody who pushes was told that it is there.

    Args:
        database: The names.
        name: The repository.
        digest: The blob.
        older_than: In seconds since 1970: what is younger stays as it is.

    Returns:
        Whether the repository has it.
    """
    found = database.member_added(name, digest)
    if found is None or found >= older_than:
        return found is not None
    with database.transaction() as connection:
        touched = connection.execute(
            "UPDATE members SET added = ? WHERE repository = ? AND digest = ?",
            (int(time.time()), find_repository(connection, name), digest),
        )
        return touched.rowcount > 0


def set_pins(database: NamesDatabase, owner: str, pins: Mapping[Digest, str]) -> None:
    """Pin content on behalf of somebody, and nothing else for them; with nothing to pin, all of theirs are gone.

    Args:
        database: The names.
        owner: Who it is that uses it: ``release/shop``.
        pins: What must stay, and by which name they use it.
    """
    with database.transaction() as connection:
        connection.execute("DELETE FROM pins WHERE owner = ?", (owner,))
        connection.executemany(
            "INSERT INTO pins VALUES (?, ?, ?)", [(owner, digest, reference) for digest, reference in pins.items()]
        )


def delete_tag(database: NamesDatabase, name: str, tag: str) -> bool:
    """Take a tag away; False when there is none."""
    with database.transaction() as connection:
        repository = find_repository(connection, name)
        found = connection.execute("DELETE FROM names WHERE target = ? AND repository = ?", (tag, repository))
        return found.rowcount > 0


def delete_member(database: NamesDatabase, name: str, digest: Digest, *, manifest: bool) -> bool:
    """Take content away from a repository, and of a manifest all tags and its place among referrers.

    Args:
        database: The names.
        name: The repository.
        digest: The content.
        manifest: Whether a manifest, and no blob, is meant.

    Returns:
        Whether it was there.
    """
    with database.transaction() as connection:
        if (repository := find_repository(connection, name)) is None:
            return False
        found = connection.execute(
            "DELETE FROM members WHERE repository = ? AND digest = ? AND is_manifest = ?",
            (repository, digest, int(manifest)),
        )
        if manifest:
            connection.execute("DELETE FROM names WHERE repository = ? AND digest = ?", (repository, digest))
            connection.execute("DELETE FROM referrers WHERE repository = ? AND digest = ?", (repository, digest))
        return found.rowcount > 0


def _check_parts(connection: Connection, repository: int, needs: Sequence[Digest]) -> None:
    for digest in needs:
        found = connection.execute(
            "SELECT 1 FROM members WHERE repository = ? AND digest = ?", (repository, digest)
        ).fetchone()
        if found is None:
            raise MissingPartError(digest)


def _check_expected(connection: Connection, repository: int, tag: str, expected: Expectation) -> None:
    row = connection.execute(
        "SELECT digest FROM names WHERE repository = ? AND target = ?", (repository, tag)
    ).fetchone()
    check_expectation(expected, None if row is None else row[0], tag)


def check_expectation(expected: Expectation, found: str | None, tag: str) -> None:
    """Hold what a tag stands for against what was expected.

    Raises:
        ConditionError: It is something else.
    """
    holds = found in expected.digests if expected.digests else (found is not None) is expected.anything
    if not holds:
        raise ConditionError(f"the tag {tag} stands for {found or 'nothing'}")
