"""The record of every change that a process made under one folder, as ``faulty_disk.c`` writes it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

__all__ = ["Change", "read_trace"]

Kind = Literal["c", "t", "w", "s", "r", "u", "d"]
"""create, truncate, write, sync, rename, unlink, mkdir."""

_HEAD = struct.Struct("=cIIqQ")


@dataclass(frozen=True, slots=True)
class Change:
    """One call that changed something, or made it durable."""

    kind: Kind
    path: str
    """Relative to the folder."""
    other: str = ""
    """Of a rename, the new name."""
    offset: int = 0
    """Of a write, where; of a truncation, the new size."""
    data: bytes = b""


def read_trace(path: Path, root: Path) -> list[Change]:
    """Read all changes under ``root``, in their order."""
    return list(_changes(path.read_bytes(), f"{root.resolve()}/"))


def _changes(content: bytes, root: str) -> Iterator[Change]:
    position = 0
    while position < len(content):
        kind, path_size, other_size, offset, size = _HEAD.unpack_from(content, position)
        position += _HEAD.size
        path = content[position : position + path_size].decode()
        position += path_size
        other = content[position : position + other_size].decode()
        position += other_size
        data = content[position : position + size] if kind == b"w" else b""
        position += len(data)
        # The folder itself has no name in it.
        path, other = (f"{name}/".removeprefix(root).rstrip("/") for name in (path, other))
        yield Change(cast("Kind", kind.decode()), path, other, offset, data)
