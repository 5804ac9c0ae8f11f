"""What a power failure may leave of a folder: states of a disk that POSIX allows, made from a trace.

Durable is what was synced: the bytes of a file with the file, its name with the folder that it is in; and what is in a
folder that is not there is not there either. Of everything else any part may be there. Two kinds of disk are tried:

- *ordered*: names change in the order of the calls, up to some instant that is not before the last sync (as in the
  journal of ext4 or XFS), and of each file any part of what was not synced is missing: zeros stand in its place;
- *loose*: each name that was not synced is there or is not, independent of the others.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from random import Random

from faults.disk.trace import Change

__all__ = ["CrashState", "crash_state"]

_BLOCK = 4096


@dataclass
class _File:
    """The content of a file: what is surely on the disk, and what came since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    is_folder: bool = False

    def sync(self) -> None:
        """All of it is on the disk now."""
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()

    def after_crash(self, random: Random) -> bytes:
        """What is there when the power comes back."""
        content = bytearray(self.durable)
        for change in self.pending:
            if change.kind == "t":
                if random.random() < 0.7:  # noqa: PLR2004 - mostly
                    _apply(content, change)
                continue
            for start in range(0, len(change.data), _BLOCK):
                if random.random() < 0.5:  # noqa: PLR2004 - each block for itself
                    piece = change.data[start : start + _BLOCK]
                    _apply(content, Change("w", change.path, offset=change.offset + start, data=piece))
        return bytes(content)


@dataclass(frozen=True, slots=True)
class CrashState:
    """A state of a folder after a power failure."""

    files: dict[str, bytes]
    folders: frozenset[str]

    def write(self, root: Path) -> None:
        """Make it so, and nothing else, in a folder."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        for folder in sorted(self.folders):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@dataclass(frozen=True, slots=True)
class _Naming:
    """A change of names: which file a name means from now on; None for none."""

    name: str
    file: _File | None


def crash_state(start: CrashState, changes: Sequence[Change], at: int, random: Random, *, loose: bool) -> CrashState:
    """Draw one of the states that a power failure may leave.

    Args:
        start: The folder before the first change, all of it durable.
        changes: What happened.
        at: Before which of the changes the power fails.
        random: Draws among all that is possible.
        loose: Of which kind the disk is.
    """
    names = {name: _File(bytearray(content)) for name, content in start.files.items()}
    names.update({name: _File(is_folder=True) for name in start.folders})
    durable = dict(names)
    waiting: list[_Naming] = []
    for change in changes[:at]:
        _follow(change, names, waiting)
        if change.kind == "s":
            _settle(change.path, names, durable, waiting)
    kept = dict(durable)
    for naming in _surviving(waiting, random, loose=loose):
        _name(kept, naming)
    there = {name: file for name, file in kept.items() if all(_is_there(each, kept) for each in _above(name))}
    folders = frozenset(name for name, file in there.items() if file.is_folder)
    drawn = {id(file): file.after_crash(random) for file in there.values() if not file.is_folder}
    return CrashState({name: drawn[id(file)] for name, file in there.items() if not file.is_folder}, folders)


def _above(name: str) -> list[str]:
    return [str(folder) for folder in PurePosixPath(name).parents if str(folder) != "."]


def _is_there(folder: str, names: dict[str, _File]) -> bool:
    return folder in names and names[folder].is_folder


def _follow(change: Change, names: dict[str, _File], waiting: list[_Naming]) -> None:
    """Do what a change did, as any program sees it."""
    match change.kind:
        case "c" | "d":
            names[change.path] = _File(is_folder=change.kind == "d")
            waiting.append(_Naming(change.path, names[change.path]))
        case "w" | "t":
            if change.path in names:
                names[change.path].pending.append(change)
        case "r":
            if change.path in names:
                names[change.other] = names.pop(change.path)
                waiting.append(_Naming(change.other, names[change.other]))
            waiting.append(_Naming(change.path, None))
        case "u":
            names.pop(change.path, None)
            waiting.append(_Naming(change.path, None))
        case _:
            pass


def _settle(path: str, names: dict[str, _File], durable: dict[str, _File], waiting: list[_Naming]) -> None:
    """A sync of a file or of a folder."""
    if path in names and not names[path].is_folder:
        names[path].sync()
        return
    rest = []
    for naming in waiting:
        if str(PurePosixPath(naming.name).parent).removeprefix(".") == path.removeprefix("."):
            _name(durable, naming)
        else:
            rest.append(naming)
    waiting[:] = rest


def _surviving(waiting: Sequence[_Naming], random: Random, *, loose: bool) -> Iterable[_Naming]:
    if not loose:
        return waiting[: random.randrange(len(waiting) + 1)]
    by_name: dict[str, list[_Naming]] = defaultdict(list)
    for naming in waiting:
        by_name[naming.name].append(naming)
    # Of each name some front of its changes: a folder's block holds one state of it.
    return [naming for changes in by_name.values() for naming in changes[: random.randrange(len(changes) + 1)]]


def _name(names: dict[str, _File], naming: _Naming) -> None:
    if naming.file is None:
        names.pop(naming.name, None)
        return
    names[naming.name] = naming.file


def _apply(content: bytearray, change: Change) -> None:
    if change.kind == "t":
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    end = change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.data
