"""The store of a site on a local file system: blobs as an OCI layout, names in SQLite.

::

    STORE/
      packhorse.db       names, which repository has what, the bundles that were loaded
      blobs/ALG/HEX      content; written as a temporary file, hashed on the way, synced, renamed: whole or not there
      incoming/          temporary files
      oci-layout         so that other tools take the folder for what it is
      index.json         the names for other tools, written by write_index()
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError, RegistryError
from packhorse.base.unfinished import remove_abandoned, sync_folder, unfinished_file
from packhorse.oci import graph, manifest, media_types
from packhorse.oci.blob_streams import ThreadBuffer
from packhorse.oci.digest import Digest
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, canonical_json
from packhorse.oci.ports import BlobStream, ContentSource
from packhorse.oci.reference import Reference
from packhorse.oci.referrer import describe
from packhorse.store.extents import ExtentStream, FileExtent
from packhorse.store.layout_index import REF_NAME
from packhorse.store.layout_source import FolderFiles, checked_extent
from packhorse.store.names_changes import set_pins
from packhorse.store.names_database import Membership, NamesDatabase
from packhorse.store.store_folder import (
    DATABASE,
    INCOMING,
    blob_name,
    is_store,
    make_folder,
    store_error,
    write_all,
    write_whole,
)
from packhorse.store.usage import Usage

__all__ = ["DirectoryStore"]


def _may_become_store(path: Path) -> bool:
    """Whether a folder is empty, a store, or one that somebody else is making or was killed while making."""
    names = {entry.name for entry in path.iterdir()}
    # A store in the making has this folder first; without it, blobs and oci-layout are somebody's OCI layout.
    begun = INCOMING in names and names <= {INCOMING, "blobs", "oci-layout"}
    return not names or begun or is_store(path)


class DirectoryStore:
    """A store; several threads and processes may read and write it at once.

    Implements ``ContentSource``, ``LocatedSource``, ``Resolver`` and ``ContentTarget``, where a name is a full image
    reference, and what the registry server asks of a catalogue. A name is given only when everything below its
    manifest is there, and from then on its repository, and no other, has that content.
    """

    def __init__(self, path: Path, names: NamesDatabase) -> None:
        self.path = path
        self._names = names
        self._files = FolderFiles(str(path))
        self._buffer = ThreadBuffer()
        self._durable: set[Digest] = set()
        """Content that is known to outlast a power failure, with its entry in the folder."""

    @classmethod
    def create(cls, path: Path) -> Self:
        """Open a store for reading and writing, and make it first where there is none.

        Raises:
            ConfigError: The folder has something else in it, or the store is from a newer version.
            PackhorseError: The folder cannot be written.
        """
        try:
            make_folder(path)
            if not _may_become_store(path):
                message = f"{path} is not empty and no store"
                raise ConfigError(message, hint="name a new or empty folder")
            for folder in (INCOMING, "blobs", "blobs/sha256", "blobs/sha512"):
                make_folder(path / folder)
            remove_abandoned(path / INCOMING)
            _write_marker(path)
        except OSError as error:
            raise store_error(path, error) from error
        return cls(path, NamesDatabase(path / DATABASE))

    @classmethod
    def open_existing(cls, path: Path) -> Self:
        """Open a store for reading, also on a medium that cannot be written.

        Raises:
            ConfigError: There is no store, or it is from a newer version.
        """
        if not is_store(path):
            message = f"{path} is no store: it has no {DATABASE}"
            raise ConfigError(message, hint="make one with: packhorse load BUNDLE --store DIR")
        return cls(path, NamesDatabase(path / DATABASE, read_only=True))

    def close(self) -> None:
        """Close the database and the files."""
        self._names.close()
        self._files.close()

    # --- Content --------------------------------------------------------------------------------------------------

    def locate(self, descriptor: Descriptor) -> FileExtent | None:
        """Say where a blob lies; None when the store does not have it.

        Raises:
            IntegrityError: Its file has another size than the descriptor, or is not a plain file.
        """
        return checked_extent(self._files.find(blob_name(descriptor.digest)), descriptor, str(self.path))

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> ExtentStream:
        """Begin to read a blob or manifest from ``offset`` bytes on.

        Raises:
            IntegrityError: The store does not have it, or with another size.
        """
        extent = self.locate(descriptor)
        if extent is None:
            message = f"the store {self.path} has no {descriptor.digest}"
            raise IntegrityError(message)
        return ExtentStream(extent, offset)

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the store has this content, with this size."""
        try:
            return (self.path / blob_name(descriptor.digest)).stat().st_size == descriptor.size
        except OSError:
            return False

    def push(self, descriptor: Descriptor, source: ContentSource) -> None:
        """Store content, hashed on its way; doing it twice does nothing the second time.

        Raises:
            IntegrityError: The source's bytes are not those of the descriptor.
            PackhorseError: The store cannot be written.
        """
        final = self.path / blob_name(descriptor.digest)
        if self.exists(descriptor):
            # It counts as new, so that a collection of garbage leaves it until it has its name.
            with suppress(OSError):
                os.utime(final)
            if self.exists(descriptor):
                return
        try:
            with unfinished_file(self.path / INCOMING) as (temporary, fd):
                with source.open(descriptor) as stream:
                    self._receive(descriptor, stream, fd)
                temporary.rename(final)
                sync_folder(final.parent)
        except OSError as error:
            raise store_error(self.path, error) from error
        self._durable.add(descriptor.digest)

    def _receive(self, descriptor: Descriptor, stream: BlobStream, fd: int) -> None:
        hasher = descriptor.digest.hasher()
        buffer = self._buffer.get()
        written = 0
        while count := stream.readinto(buffer):
            if written + count > descriptor.size:
                message = f"expected {descriptor.size} bytes of {descriptor.digest}, the source gave more"
                raise IntegrityError(message)
            hasher.update(buffer[:count])
            write_all(fd, buffer[:count])
            written += count
        if written != descriptor.size:
            message = f"expected {descriptor.size} bytes of {descriptor.digest}, the source gave {written}"
            raise IntegrityError(message)
        found = f"{descriptor.digest.algorithm}:{hasher.hexdigest()}"
        if found != descriptor.digest:
            message = f"expected {descriptor.digest}, the bytes hash to {found}"
            raise IntegrityError(message)
        os.fsync(fd)

    # --- Names ----------------------------------------------------------------------------------------------------

    def resolve(self, target: str) -> Descriptor:
        """Return what a full image reference stands for.

        Raises:
            ConfigError: It is no reference.
            RegistryError: The store has no such name.
        """
        reference = Reference.parse(target)
        # By its tag first: that entry says what is there of a sparse index.
        found = self.manifest(reference.name, reference.tag or reference.target)
        if reference.digest is not None and (found is None or found.digest != reference.digest):
            found = self.manifest(reference.name, reference.digest)
        if found is None:
            message = f"the store {self.path} has no {reference}"
            raise RegistryError(message)
        return found

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Make a full image reference stand for a manifest; its repository has what is below it from now on.

        Raises:
            ConfigError: The name is no reference.
            IntegrityError: Something below the manifest is not in the store.
        """
        members = self._membership(descriptor)
        self._names.set_name(Reference.parse(name), descriptor, members, lambda: self._check_there(members))

    def add_referrer(self, repository: str, subject: Digest, referrer: Descriptor, *, tag: str = "") -> None:
        """List a manifest in the store as a referrer of ``subject`` in a repository.

        Args:
            repository: Its full name (``docker.io/library/redis``).
            subject: The manifest that is referred to.
            referrer: The manifest that refers.
            tag: The tag that names it for clients that know no referrers (``sha256-….sig``).

        Raises:
            IntegrityError: Something below the referrer is not in the store.
        """
        members = self._membership(referrer)

        def check() -> None:
            self._check_there(members)

        node = graph.walk([referrer], self.read_manifest).nodes[0]
        self._names.add_referrer(repository, subject, describe(node), members, check)
        if tag:
            self._names.set_name(Reference.parse(f"{repository}:{tag}"), referrer.plain(), members, check)

    def add_bundle(self, root: Descriptor) -> None:
        """Keep a bundle's root, which everything in the bundle hangs on.

        Raises:
            IntegrityError: Something below the root is not in the store.
        """
        members = self._membership(root)
        self._names.add_bundle(root, lambda: self._check_there(members))

    def bundles(self) -> list[Descriptor]:
        """Return the roots of the bundles that were loaded."""
        return self._names.bundles()

    def dated_bundles(self) -> list[tuple[Descriptor, float]]:
        """Return the roots of the bundles that were loaded, each with when that was last, in seconds since 1970."""
        return self._names.dated_bundles()

    def all_members(self) -> frozenset[str]:
        """Return the digests of all content that some repository has."""
        return self._names.all_members()

    def extent_of(self, name: str) -> tuple[int, int]:
        """Return how many manifests a repository has, and how many bytes in all."""
        return self._names.extent_of(name)

    def pins(self) -> list[tuple[str, Digest, str]]:
        """Return who pins what by which name, sorted: content that no collection of garbage takes."""
        return self._names.pins()

    def set_pins(self, owner: str, pins: Mapping[Digest, str]) -> None:
        """Pin content on behalf of somebody, and nothing else for them.

        Args:
            owner: Who uses it: ``release/shop``.
            pins: What must stay, and by which name they use it; with none, all of theirs are gone.
        """
        set_pins(self._names, owner, pins)

    def images(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Yield all names with what they stand for."""
        return iter(self._names.names())

    def repositories_with(self, digest: Digest) -> list[str]:
        """Return the full names of the repositories that have a manifest."""
        return self._names.repositories_with(digest)

    def write_index(self) -> None:
        """Write ``index.json`` from the names, so that other tools find them in the layout.

        Raises:
            PackhorseError: The store cannot be written.
        """
        entries = [
            msgspec.structs.replace(descriptor, annotations={**descriptor.annotations, REF_NAME: str(reference)})
            for reference, descriptor in self._names.names()
        ]
        index = Index(
            schema_version=SCHEMA_VERSION, manifests=(*entries, *self.bundles()), media_type=media_types.OCI_INDEX
        )
        try:
            write_whole(self.path, "index.json", canonical_json(index))
        except OSError as error:
            raise store_error(self.path, error) from error

    def closure(self, roots: Sequence[Descriptor]) -> frozenset[Digest]:
        """Return everything that some manifests lead to, themselves included.

        Raises:
            IntegrityError: A manifest below them is not there, or damaged.
        """
        found = graph.walk(roots, self.read_manifest)
        return frozenset([*(node.descriptor.digest for node in found.nodes), *(blob.digest for blob in found.blobs)])

    def forget_removed(self) -> None:
        """Let go of the files that were removed from the store, whose room is free only then."""
        self._files.forget_removed()

    def _membership(self, descriptor: Descriptor) -> Membership:
        found = graph.walk([descriptor], self.read_manifest)
        missing = [blob.digest for blob in found.blobs if not self.exists(blob)]
        if missing:
            message = f"the store {self.path} lacks {len(missing)} blobs below {descriptor.digest}: {missing[0]}"
            raise IntegrityError(message)
        self._make_durable([*(node.descriptor.digest for node in found.nodes), *(blob.digest for blob in found.blobs)])
        return Membership(tuple(node.descriptor for node in found.nodes), found.blobs)

    def _check_there(self, members: Membership) -> None:
        """Look again, under the lock of the names, whether everything is there."""
        gone = [each.digest for each in (*members.manifests, *members.blobs) if not self.exists(each)]
        if gone:
            message = f"{len(gone)} blobs were collected from the store {self.path} meanwhile: {gone[0]}"
            raise IntegrityError(message, hint="run it again: they are copied once more")

    def _make_durable(self, digests: Sequence[Digest]) -> None:
        """Make sure that no name outlasts its content: whoever put it here may have been killed before the sync."""
        unsure = {digest for digest in digests if digest not in self._durable}
        try:
            for algorithm in sorted({digest.algorithm for digest in unsure}):
                sync_folder(self.path / "blobs" / algorithm)
        except OSError as error:
            raise store_error(self.path, error) from error
        self._durable.update(unsure)

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """Return the bytes of a manifest, verified.

        Raises:
            IntegrityError: The store does not have it, or other bytes in its place.
        """
        return graph.read_verified(self, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)

    # --- How it is ------------------------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """Count what is there.

        Raises:
            PackhorseError, OSError: It cannot be read.
        """
        return msgspec.structs.replace(self._names.usage(), free_bytes=shutil.disk_usage(self.path).free)

    def check(self) -> None:
        """Look whether names and content can be read.

        Raises:
            PackhorseError, OSError: They cannot.
        """
        self._names.registries("")
        with os.scandir(self.path / "blobs" / "sha256") as entries:
            next(entries, None)

    # --- What a registry asks -------------------------------------------------------------------------------------

    @property
    def is_instant(self) -> bool:
        """Whether names are answered at once: they are in a local database."""
        return True

    def repositories(self) -> list[str]:
        """Return the full names of all repositories, sorted."""
        return self._names.repositories()

    def registries(self, path: str) -> list[str]:
        """Return the registries that have a repository of this path, sorted."""
        return self._names.registries(path)

    def tags(self, name: str) -> list[str] | None:
        """Return the tags of a repository, sorted; None when there is no such repository."""
        registry, _, path = name.partition("/")
        if registry not in self._names.registries(path):
            return None
        return sorted(target for target in self._names.targets(name) if ":" not in target)

    def manifest(self, name: str, target: str) -> Descriptor | None:
        """Return the manifest that a tag or digest stands for in a repository."""
        found = self._names.find_name(name, target)
        if found is None and ":" in target:
            found = self._names.find_member(name, target, manifest=True)
        return found

    def blob(self, name: str, digest: Digest) -> Descriptor | None:
        """Return content that a repository has."""
        return self._names.find_member(name, digest, manifest=False)

    def referrers(self, name: str, subject: Digest) -> list[Descriptor]:
        """Return what refers to a manifest within a repository, sorted by digest."""
        return self._names.referrers(name, subject)


def _write_marker(path: Path) -> None:
    content = canonical_json({"imageLayoutVersion": media_types.OCI_LAYOUT_VERSION})
    # A full disk is no reason not to open a store that is there.
    with suppress(OSError):
        if (path / "oci-layout").read_bytes() == content:
            return
    write_whole(path, "oci-layout", content)
