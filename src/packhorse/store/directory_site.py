"""The store of a site that takes pushes, too: content comes through uploads and is named by whoever sends it.

::

    STORE/
      uploads/           uploads that are not finished, see packhorse.store.upload_files
      room.reserve       room that is set aside for a collection of garbage on a full disk
      (the rest as packhorse.store.directory_store has it)
"""

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from packhorse.base.errors import PackhorseError
from packhorse.base.unfinished import sync_folder, unfinished_file
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.store import names_changes
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.names_changes import ManifestEntry
from packhorse.store.names_database import FullError, NamesDatabase
from packhorse.store.refusals import MissingPartError, RoomError
from packhorse.store.reserve import RESERVE, Reserve
from packhorse.store.room import Room, RoomLimits
from packhorse.store.store_folder import INCOMING, blob_name, make_folder, store_error, write_whole
from packhorse.store.upload_files import UploadFiles, UploadSink
from packhorse.store.usage import Usage

__all__ = ["DirectorySite"]

_log = logging.getLogger(__name__)

_UPLOADS = "uploads"
_ABANDONED_SECONDS = 24 * 3600.0
_TOUCH_SECONDS = 600.0
"""How often at most it is written down that a blob was asked for."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_LIMITS = RoomLimits()
_BLOB_TYPE = "application/octet-stream"


class DirectorySite(DirectoryStore):
    """Implements :class:`packhorse.registry.ports.SiteStore`; several processes may serve and fill one folder."""

    def __init__(self, path: Path, names: NamesDatabase) -> None:
        super().__init__(path, names)
        self.room = Room(path, _NO_LIMITS)
        self._uploads = UploadFiles(path / _UPLOADS, self._take)
        self._reserve = Reserve(path / RESERVE)

    @classmethod
    def create(cls, path: Path, limits: RoomLimits = _NO_LIMITS) -> Self:
        """Open a store for pulls and pushes, and make it first where there is none.

        Args:
            path: Its folder.
            limits: How much room pushes may take.

        Raises:
            ConfigError: The folder has something else in it, or the store is from a newer version.
            PackhorseError: The folder cannot be written.
        """
        # The database makes files of its own when it is opened, for which there may be no other room.
        with Reserve(path / RESERVE).given_up():
            store = super().create(path)
        try:
            make_folder(path / _UPLOADS)
            store.room = Room(path, limits)
            store._reserve.ensure()  # noqa: SLF001 - its own
            store.expire_uploads(_ABANDONED_SECONDS)
        except OSError as error:
            store.close()
            raise store_error(path, error) from error
        return store

    # --- uploads --------------------------------------------------------------------------------------------------

    def begin_upload(self, name: str, algorithm: str) -> str:
        """Begin an upload; see :class:`packhorse.registry.ports.SiteStore` for this and all methods below."""
        return self._uploads.begin(name, algorithm)

    def received(self, name: str, upload: str) -> int | None:
        """Return how many bytes an upload has."""
        return self._uploads.received(name, upload)

    def append(self, name: str, upload: str, offset: int | None) -> UploadSink | None:
        """Begin to add bytes to an upload."""
        return self._uploads.append(name, upload, offset)

    def finish_upload(self, name: str, upload: str, digest: Digest) -> Descriptor | None:
        """Keep an upload as a blob."""
        with self._uploads.complete(name, upload, digest) as complete:
            if complete is None:
                return None
            path, size = complete
            descriptor = Descriptor(media_type=_BLOB_TYPE, digest=digest, size=size)
            final = self.path / blob_name(digest)

            def place() -> None:
                # One that is there already stays: somebody may be reading it.
                if not self.exists(descriptor):
                    path.rename(final)
                sync_folder(final.parent)

            self._write(lambda: names_changes.add_blob(self._names, name, descriptor, place))
        return descriptor

    def cancel_upload(self, name: str, upload: str) -> bool:
        """Forget an upload."""
        return self._uploads.cancel(name, upload)

    def expire_uploads(self, older_than_seconds: float) -> int:
        """Remove uploads that nobody has added to for so long; return how many."""
        return self._uploads.expire(older_than_seconds)

    def _take(self, count: int) -> None:
        self.room.take(count)

    def check_room(self, count: int) -> None:
        """Look whether there is room for so many bytes.

        Raises:
            RoomError: There is none.
        """
        self.room.check(count)

    # --- how it is ------------------------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """Count what is there, uploads that are not finished too."""
        uploads, size = self._uploads.usage()
        return msgspec.structs.replace(super().usage(), uploads=uploads, upload_bytes=size)

    def check(self) -> None:
        """Look whether the store can be read, and be written: a small file is made, and is gone again."""
        super().check()
        with unfinished_file(self.path / INCOMING) as (_, fd):
            os.write(fd, b"x")
            os.fsync(fd)

    # --- names ----------------------------------------------------------------------------------------------------

    def touch(self, name: str, digest: Digest) -> bool:
        """Let a blob outlast the next collection: somebody who pushes is told that it need not be sent."""
        try:
            return names_changes.touch_member(self._names, name, digest, time.time() - _TOUCH_SECONDS)
        except PackhorseError as error:
            # It is there; all that may come of it is a push that must be tried again.
            _log.warning("cannot write down that %s was asked for: %s", digest, error)
            return True

    def mount(self, name: str, digest: Digest, source: str) -> Descriptor | None:
        """Let a repository have another one's blob."""
        descriptor = self.blob(source, digest)
        if descriptor is None or not self.exists(descriptor):
            return None

        def look() -> None:
            # A collection may have come between the look above and the lock.
            if self.blob(source, digest) is None or not self.exists(descriptor):
                raise MissingPartError(digest)

        try:
            names_changes.add_blob(self._names, name, descriptor, look)
        except MissingPartError:
            return None
        return descriptor

    def put_manifest(self, name: str, entry: ManifestEntry, content: bytes) -> None:
        """Keep a manifest."""
        self.room.take(len(content))

        def place() -> None:
            if not self.exists(entry.descriptor):
                write_whole(self.path, blob_name(entry.descriptor.digest), content)

        self._write(lambda: names_changes.add_manifest(self._names, name, entry, place))

    def delete_tag(self, name: str, tag: str) -> bool:
        """Take a tag away."""
        return self._delete(lambda: names_changes.delete_tag(self._names, name, tag))

    def delete_manifest(self, name: str, digest: Digest) -> bool:
        """Take a manifest and its tags away."""
        return self._delete(lambda: names_changes.delete_member(self._names, name, digest, manifest=True))

    def delete_blob(self, name: str, digest: Digest) -> bool:
        """Take a blob away."""
        return self._delete(lambda: names_changes.delete_member(self._names, name, digest, manifest=False))

    def _delete(self, change: Callable[[], bool]) -> bool:
        try:
            return change()
        except FullError:
            # Even to take something away the database writes first.
            with self._reserve.given_up():
                return change()

    def _write(self, change: Callable[[], None]) -> None:
        try:
            change()
        except (FullError, OSError) as error:
            if isinstance(error, FullError) or error.errno in _FULL:
                raise RoomError(f"the disk under the store {self.path} is full") from error
            raise store_error(self.path, error) from error
