"""The tables of a store's database, and how those of earlier versions become today's."""

import time
from sqlite3 import Connection

from packhorse.oci.model import Descriptor, decode_json

__all__ = ["SCHEMA_VERSION", "bring_up_to_date"]

SCHEMA_VERSION = 3
# A repository is looked up by its path alone when a client does not say which registry it means, hence the key's order.
_SCHEMA = """
CREATE TABLE repositories (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, registry TEXT NOT NULL, UNIQUE (path, registry)
) STRICT;
CREATE TABLE names (
    repository INTEGER NOT NULL REFERENCES repositories, target TEXT NOT NULL, descriptor BLOB NOT NULL,
    digest TEXT NOT NULL DEFAULT '', added INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (repository, target)
) STRICT, WITHOUT ROWID;
CREATE TABLE members (
    repository INTEGER NOT NULL REFERENCES repositories, digest TEXT NOT NULL, media_type TEXT NOT NULL,
    size INTEGER NOT NULL, is_manifest INTEGER NOT NULL, added INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_digest ON members (digest);
CREATE TABLE referrers (
    repository INTEGER NOT NULL REFERENCES repositories, subject TEXT NOT NULL, digest TEXT NOT NULL,
    descriptor BLOB NOT NULL, PRIMARY KEY (repository, subject, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE bundles (
    digest TEXT PRIMARY KEY, descriptor BLOB NOT NULL, added INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE pins (
    owner TEXT NOT NULL, digest TEXT NOT NULL, reference TEXT NOT NULL, PRIMARY KEY (owner, digest)
) STRICT, WITHOUT ROWID;
"""


def bring_up_to_date(connection: Connection) -> None:
    """Make the tables of a new database, or change those of an earlier version; called in a transaction."""
    # Another process may have been first between the caller's look and the lock.
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
    if version == 1:
        _migrate_from_1(connection)
    if version in {1, 2}:
        _migrate_from_2(connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _migrate_from_1(connection: Connection) -> None:
    connection.execute("ALTER TABLE members ADD COLUMN added INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE names ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
    for repository, target, content in connection.execute(
        "SELECT repository, target, descriptor FROM names"
    ).fetchall():
        digest = decode_json(content, Descriptor, "a name of the store").digest
        connection.execute(
            "UPDATE names SET digest = ? WHERE repository = ? AND target = ?", (digest, repository, target)
        )


def _migrate_from_2(connection: Connection) -> None:
    for table in ("names", "bundles"):
        # What was there before ages from now on.
        connection.execute(f"ALTER TABLE {table} ADD COLUMN added INTEGER NOT NULL DEFAULT 0")
        connection.execute(f"UPDATE {table} SET added = ?", (int(time.time()),))  # noqa: S608 - one of two constants
    connection.execute(
        "CREATE TABLE pins (owner TEXT NOT NULL, digest TEXT NOT NULL, reference TEXT NOT NULL,"
        " PRIMARY KEY (owner, digest)) STRICT, WITHOUT ROWID"
    )
