"""Folders for what is running now, named by who runs it, so that what a killed run left can be told and removed."""

import itertools
import os
import shutil
from pathlib import Path

from e2e.cluster.process import identity, is_alive

__all__ = ["is_stale", "new_owner", "remove_stale_folders"]

_numbers = itertools.count(1)


def new_owner() -> str:
    """Return a name that no other part of this process and no other process ever has."""
    return f"{identity(os.getpid())}.{next(_numbers)}"


def is_stale(owner: str) -> bool:
    """Tell whether the process that made the name ``owner`` has ended."""
    return not is_alive(owner.partition(".")[0])


def remove_stale_folders(root: Path) -> None:
    """Remove folders under ``root`` whose owners died without doing it."""
    for folder in root.glob("*-*.*"):
        if is_stale(folder.name):
            shutil.rmtree(folder)
