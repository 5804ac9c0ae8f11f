"""The folder of a store on disk: where what lies, and how something gets there."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from packhorse.base.errors import PackhorseError, UsageError
from packhorse.base.unfinished import sync_folder, unfinished_file
from packhorse.oci.digest import Digest

__all__ = [
    "DATABASE",
    "INCOMING",
    "blob_name",
    "file_sizes",
    "is_store",
    "make_folder",
    "store_error",
    "write_all",
    "write_whole",
]

DATABASE: Final = "packhorse.db"
INCOMING: Final = "incoming"
"""Where content is written until it is whole."""


def is_store(path: Path) -> bool:
    """Whether a folder is a store."""
    return (path / DATABASE).is_file()


def blob_name(digest: Digest) -> str:
    """Return where a blob lies in an OCI layout (image-layout.md, "Blobs")."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def file_sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the bytes of each file in a folder; what is removed meanwhile is left out.

    Raises:
        OSError: The folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False).st_size


def write_all(fd: int, content: memoryview) -> None:
    """Write to an open file until all of it is taken."""
    while content:
        content = content[os.write(fd, content) :]


def write_whole(folder: Path, name: str, content: bytes) -> None:
    """Write a small file of a store so that it is seen whole or not at all, and lasts."""
    final = folder / name
    with unfinished_file(folder / INCOMING) as (temporary, fd):
        write_all(fd, memoryview(content))
        os.fsync(fd)
        temporary.rename(final)
        sync_folder(final.parent)


def make_folder(folder: Path) -> None:
    """Make a folder that outlasts a power failure; one that is there may be of a run killed before its sync."""
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    # Where the folder above may not be read, somebody else has made this one.
    with suppress(PermissionError):
        sync_folder(folder.parent)


def store_error(path: Path, error: OSError) -> PackhorseError:
    """Say why a store can't be written."""
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return UsageError(
            f"{path} cannot be a store: a file stands there", hint="name a new or empty folder for the store"
        )
    hint = "free some room, or name a store on another disk" if error.errno == errno.ENOSPC else None
    return PackhorseError(f"the store {path} cannot be written: {error.strerror or error}", hint=hint)
