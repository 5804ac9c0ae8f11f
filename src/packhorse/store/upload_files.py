"""Uploads that are not finished, each a file.

A file's length is what has been received, so any process can go on with an upload, also after a crash. What is hashed
on the way is remembered in memory only: whoever finishes an upload that another process has begun reads it once more.
Who writes holds a lock on the file, which ends with the process.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from packhorse.base.unfinished import discard
from packhorse.base.units import MIB
from packhorse.oci.digest import Digest
from packhorse.store.refusals import BusyError, OffsetError, RoomError, WrongDigestError
from packhorse.store.store_folder import file_sizes

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["UploadFiles", "UploadSink"]

_BUSY_SECONDS: Final = 2.0
"""How long to wait for another request of the same upload: one whose client is gone may not have noticed yet."""
_LOOK_SECONDS: Final = 0.05
_REMEMBERED: Final = 4096
_PIECE: Final = MIB
_ID_BYTES: Final = 16
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class UploadSink:
    """Takes the bytes of one request into an upload. Used by one thread at a time, and closed whatever happens."""

    def __init__(self, fd: int, received: int, hasher: "_Hash | None", on: "_Surroundings") -> None:
        self._fd = fd
        self.received = received
        """How many bytes the upload has."""
        self._hasher = hasher
        self._on = on

    def write(self, blocks: Sequence[bytes]) -> None:
        """Add bytes at the end.

        Raises:
            RoomError: There is no room for them; none of these blocks is kept.
            OSError: They can't be written.
        """
        begun = self.received
        self._on.take(sum(map(len, blocks)))
        try:
            self._write(blocks)
        except OSError as error:
            # Where less came than was told, the client and the next hash would not agree.
            with suppress(OSError):
                os.ftruncate(self._fd, begun)
            self.received = begun
            self._hasher = None
            if error.errno in _FULL:
                raise RoomError("there is no room left for what is pushed") from error
            raise

    def _write(self, blocks: Sequence[bytes]) -> None:
        for block in blocks:
            if self._hasher is not None:
                self._hasher.update(block)
            rest = memoryview(block)
            while rest:
                count = os.pwrite(self._fd, rest, self.received)
                self.received += count
                rest = rest[count:]

    def close(self) -> None:
        """Let go of the upload, which keeps what it has."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if self._hasher is not None:
            self._on.keep(self.received, self._hasher)
        os.close(fd)


class _Surroundings(NamedTuple):
    """What a sink asks of its store."""

    take: Callable[[int], None]
    """Raises when there is no room for so many bytes more."""
    keep: "Callable[[int, _Hash], None]"
    """Remembers what so many bytes hash to."""


class UploadFiles:
    """The folder of uploads of one store; threads and processes may share it."""

    def __init__(self, folder: Path, take: Callable[[int], None]) -> None:
        """Make it.

        Args:
            folder: Where it is.
            take: Called before so many bytes are written; raises RoomError when there is no room.
        """
        self._folder = folder
        self._take = take
        self._hashers: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, repository: str, algorithm: str) -> str:
        """Begin an upload to a repository, and return its id.

        Raises:
            RoomError, OSError: It can't be begun.
        """
        upload = secrets.token_hex(_ID_BYTES)
        try:
            os.close(os.open(self._path(repository, upload), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            if error.errno in _FULL:
                raise RoomError("there is no room left for an upload") from error
            raise
        self._remember(upload, 0, hashlib.new(algorithm))
        return upload

    def received(self, repository: str, upload: str) -> int | None:
        """Return how many bytes an upload has; None when there is no such upload."""
        if not _is_id(upload):
            return None
        try:
            return self._path(repository, upload).stat().st_size
        except FileNotFoundError:
            return None

    def append(self, repository: str, upload: str, offset: int | None) -> UploadSink | None:
        """Begin to add bytes; None when there is no such upload.

        Args:
            repository: Whose upload it is.
            upload: Its id.
            offset: Where the bytes belong; None for the end.

        Raises:
            OffsetError: They do not follow those that are there.
            BusyError: Another request is adding bytes.
        """
        fd = self._open(repository, upload)
        if fd is None:
            return None
        try:
            size = os.fstat(fd).st_size
            _check_offset(offset, size)
            hasher = self._recall(upload, size)
        except BaseException:
            os.close(fd)
            raise
        on = _Surroundings(self._take, lambda received, known: self._remember(upload, received, known))
        return UploadSink(fd, size, hasher, on)

    @contextmanager
    def complete(self, repository: str, upload: str, digest: Digest) -> Iterator[tuple[Path, int] | None]:
        """Verify an upload, and give its file, synced, with its size; at the end it is gone, unless it was renamed.

        None when there is no such upload.

        Raises:
            WrongDigestError: It hashes to something else; then it is gone, too.
            BusyError: A request is adding bytes.
        """
        fd = self._open(repository, upload)
        if fd is None:
            yield None
            return
        path = self._path(repository, upload)
        try:
            size = os.fstat(fd).st_size
            found = self._hash(fd, size, upload, digest.algorithm)
            if found != digest.hex:
                message = f"expected {digest}, the {size} bytes that came hash to {digest.algorithm}:{found}"
                raise WrongDigestError(message)
            os.fchmod(fd, 0o644)
            os.fsync(fd)
            yield path, size
        finally:
            discard(path, fd)

    def cancel(self, repository: str, upload: str) -> bool:
        """Forget an upload; False when there is no such upload.

        Raises:
            BusyError: A request is adding bytes.
        """
        fd = self._open(repository, upload)
        if fd is None:
            return False
        self._recall(upload, -1)
        discard(self._path(repository, upload), fd)
        return True

    def usage(self) -> tuple[int, int]:
        """Return how many uploads there are, and their bytes."""
        sizes = [size for _, size in file_sizes(self._folder)]
        return len(sizes), sum(sizes)

    def expire(self, older_than_seconds: float) -> int:
        """Remove uploads that nobody has added to for so long; return how many."""
        removed = 0
        oldest = time.time() - older_than_seconds
        for path in self._folder.iterdir():
            with suppress(OSError):
                removed += self._expire(path, oldest)
        return removed

    @staticmethod
    def _expire(path: Path, oldest: float) -> bool:
        if path.stat().st_mtime >= oldest:
            return False
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            # Whoever sends to it just now holds the lock, whatever the clock says.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_mtime >= oldest:
                return False
            path.unlink()
        finally:
            os.close(fd)
        return True

    def _path(self, repository: str, upload: str) -> Path:
        # An upload belongs to one repository: whoever may write to another one must not reach it.
        owner = hashlib.sha256(repository.encode()).hexdigest()[:16]
        return self._folder / f"{upload}.{owner}"

    def _open(self, repository: str, upload: str) -> int | None:
        if not _is_id(upload):
            return None
        path = self._path(repository, upload)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            _lock(fd)
            # It may have been finished while its lock was waited for.
            gone = not os.fstat(fd).st_nlink
        except BaseException:
            os.close(fd)
            raise
        if gone:
            os.close(fd)
            return None
        return fd

    def _hash(self, fd: int, size: int, upload: str, algorithm: str) -> str:
        known = self._recall(upload, size)
        if known is not None and known.name == algorithm:
            return known.hexdigest()
        hasher = hashlib.new(algorithm)
        buffer = memoryview(bytearray(_PIECE))
        offset = 0
        while count := os.preadv(fd, [buffer], offset):
            hasher.update(buffer[:count])
            offset += count
        return hasher.hexdigest()

    def _remember(self, upload: str, received: int, hasher: "_Hash") -> None:
        with self._lock:
            self._hashers[upload] = (received, hasher)
            if len(self._hashers) > _REMEMBERED:
                self._hashers.popitem(last=False)

    def _recall(self, upload: str, size: int) -> "_Hash | None":
        """Take out what was hashed so far; None when it is not of exactly the bytes that are there."""
        with self._lock:
            received, hasher = self._hashers.pop(upload, (-1, None))
        return hasher if received == size else None


def _is_id(text: str) -> bool:
    """Whether this can be an upload's id: what a client sends becomes a part of a path."""
    return len(text) == 2 * _ID_BYTES and all(each in "0123456789abcdef" for each in text)


def _check_offset(offset: int | None, size: int) -> None:
    if offset is not None and offset != size:
        raise OffsetError(size)


def _lock(fd: int) -> None:
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise BusyError("another request is sending to this upload") from None
            time.sleep(_LOOK_SECONDS)
        else:
            return
