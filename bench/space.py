"""How much disk a program holds while it runs, seen by looking often."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["SpaceWatch", "allocated"]

_EVERY_SECONDS = 0.1
_BLOCK = 512


def allocated(folder: Path) -> int:
    """Add up the blocks that the files below ``folder`` have, each file once however many names it has.

    Files that go away while they are counted are left out.
    """
    seen: dict[tuple[int, int], int] = {}
    for entry in _files(str(folder)):
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        seen[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
    return sum(seen.values())


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        else:
            yield entry


class SpaceWatch:
    """Looks ten times a second; use it as a context manager, and read :attr:`most_bytes` afterwards.

    What is removed while it is open, or lives shorter than a tenth of a second, escapes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_often, daemon=True)
        self.most_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _look_often(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        self.most_bytes = max(self.most_bytes, allocated(self._folder))
