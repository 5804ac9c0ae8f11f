"""The journal beside a bundle that is being written: which blobs of the ``.part`` file are whole and verified.

It is a text of JSON lines, only ever appended to. The first line says which boot of which machine wrote it: what a
killed process wrote is still what it wrote as long as the machine stays up; after a crash of the machine the bytes are
hashed again before they are believed.
"""

import json
import os
import threading
from pathlib import Path
from typing import Final, Self

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.oci.digest import Digest

__all__ = ["Journal", "Kept", "boot_id"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_VERSION: Final = 1


class Kept(msgspec.Struct, frozen=True):
    """A blob, or its front, that stands in the part file: ``filled`` of its ``size`` bytes, from ``offset`` on."""

    offset: int
    size: int
    filled: int

    @property
    def whole(self) -> bool:
        """Whether all of it is there."""
        return self.filled == self.size


class Journal:
    """Append-only record of what a part file holds; safe to use from several threads."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._torn = False

    @classmethod
    def create(cls, path: Path, boot: str) -> Self:
        """Begin an empty journal in place of any other."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        journal = cls(fd)
        journal._append({"journal": _VERSION, "boot": boot})
        return journal

    @classmethod
    def extend(cls, path: Path) -> Self:
        """Go on with a journal that is there; a line that was torn off is closed first."""
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            os.write(fd, b"\n")
        return cls(fd)

    @staticmethod
    def read(path: Path, boot: str) -> tuple[dict[Digest, Kept], bool]:
        """Read back what was recorded.

        Args:
            path: The journal.
            boot: :func:`boot_id` of now.

        Returns:
            The blobs, and whether they can be believed without hashing them again. A journal that is missing or
            not of this version has none; lines that make no sense (torn by a crash) are passed over.
        """
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}, False
        head = _line(lines[0])
        if head.get("journal") != _VERSION:
            return {}, False
        kept: dict[Digest, Kept] = {}
        for record in map(_line, lines[1:]):
            _remember(record, kept)
        return kept, bool(boot) and head.get("boot") == boot

    def record(self, digest: Digest, kept: Kept) -> None:
        """Write down that so much of a blob stands at its place; called after the bytes are written."""
        self._append({"blob": digest, "at": kept.offset, "size": kept.size, "filled": kept.filled})

    def close(self) -> None:
        """Close the file; what was recorded stays."""
        os.close(self._fd)

    def _append(self, record: dict[str, object]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            # A line that a full disk tore off must not spoil the one after it.
            rest = memoryview(b"\n" + line if self._torn else line)
            self._torn = True
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._torn = False


def boot_id() -> str:
    """What names this boot of this machine; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _line(text: bytes) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _remember(record: dict[str, object], kept: dict[Digest, Kept]) -> None:
    blob, offset, size, filled = (record.get(key) for key in ("blob", "at", "size", "filled"))
    if not (isinstance(blob, str) and isinstance(offset, int) and isinstance(size, int) and isinstance(filled, int)):
        return
    try:
        digest = Digest(blob)
    except IntegrityError:
        return
    if offset >= 0 and 0 <= filled <= size:
        kept[digest] = Kept(offset, size, filled)
