"""What a layer is made of, and the one way to write it as a tar.

The tar depends on nothing but its entries: owners are numbers, times are clamped to :data:`CLAMP_SECONDS`, names of
owners are empty, and the order is the order given.
"""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Literal, cast

from corpus.sinks import Sink

__all__ = ["CLAMP_SECONDS", "Entry", "directory", "file", "symlink", "write_tar"]

CLAMP_SECONDS = 1_735_689_600
"""2025-01-01T00:00:00Z: no time in an image is later than this."""

Kind = Literal["file", "directory", "symlink", "hardlink"]

_TAR_TYPES: dict[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a layer.

    ``content`` is read once, before the next entry is asked for, so that a source can stream from an archive.
    """

    path: str
    """Relative to the root of the image, with neither a leading nor a trailing slash."""
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = CLAMP_SECONDS
    size: int = 0
    content: BinaryIO | None = None
    link: str = ""
    """Where a symlink points, or the path inside the layer that a hard link shares."""


def file(path: str, content: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    """Make a file entry of bytes in memory."""
    return Entry(path.strip("/"), "file", mode, uid, gid, size=len(content), content=io.BytesIO(content))


def directory(path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """Make a directory entry."""
    return Entry(path.strip("/"), "directory", mode, uid, gid)


def symlink(path: str, target: str) -> Entry:
    """Make a symbolic link entry."""
    return Entry(path.strip("/"), "symlink", 0o777, link=target)


def write_tar(entries: Iterable[Entry], sink: Sink) -> None:
    """Write ``entries`` as one tar; parents that no entry names come first, as 0755 of root.

    A directory that comes again is left out: what says it first decides about its mode and owner.
    """
    known: set[str] = set()
    with tarfile.open(fileobj=cast("BinaryIO", sink), mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            for parent in _missing_parents(entry.path, known):
                archive.addfile(_header(directory(parent)))
            if entry.kind == "directory":
                if entry.path in known:
                    continue
                known.add(entry.path)
            archive.addfile(_header(entry), entry.content)


def _missing_parents(path: str, known: set[str]) -> list[str]:
    parents = [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
    missing = [parent for parent in reversed(parents) if parent not in known]
    known.update(missing)
    return missing


def _header(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path)
    header.type = _TAR_TYPES[entry.kind]
    header.mode = entry.mode
    header.uid, header.gid = entry.uid, entry.gid
    header.mtime = min(entry.mtime, CLAMP_SECONDS)
    header.size = entry.size if entry.kind == "file" else 0
    header.linkname = entry.link
    return header
