"""Paths inside a package's folder: they stay in it, whatever is written and wherever links lead."""

import os
from pathlib import Path
from typing import Literal, TypeAlias

from packhorse.base.errors import ConfigError
from packhorse.base.spelling import nearest

__all__ = ["PathKind", "resolve_inside"]

PathKind: TypeAlias = Literal["file", "folder", "any"]


def resolve_inside(folder: Path, text: str, kind: PathKind = "any") -> Path:
    """Return the path that ``text`` names, with all links followed.

    Args:
        folder: The package's folder.
        text: A relative path with forward slashes.
        kind: What must be there.

    Raises:
        ConfigError: It leaves the folder, there is nothing, or it is of another kind.
    """
    check_relative(text)
    try:
        root = folder.resolve()
        found = (root / text).resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{text} cannot be followed: {error}") from error
    if found != root and root not in found.parents:
        raise ConfigError(f"{text} is a link that leaves the package's folder, to {found}")
    if not found.exists():
        raise ConfigError(f"there is no {_name(kind)} {text}", hint=_near(root, text))
    if kind == "file" and not found.is_file():
        raise ConfigError(f"expected a file, {text} is a folder")
    if kind == "folder" and not found.is_dir():
        raise ConfigError(f"expected a folder, {text} is a file")
    return found


def check_relative(text: str) -> None:
    """Refuse a path that cannot be inside a folder, without looking at any.

    Raises:
        ConfigError: It is absolute, climbs out, or has characters that no such path has.
    """
    if text.startswith(("/", "~")):
        raise ConfigError(f"expected a path inside the package's folder, {text} is absolute")
    if "\\" in text or not text.isprintable():
        raise ConfigError(f"expected a path with forward slashes and no control characters, found {text!r}")
    if os.path.normpath(text).split("/", 1)[0] == "..":
        raise ConfigError(f"expected a path inside the package's folder, {text} leaves it")


def _name(kind: PathKind) -> str:
    return "file or folder" if kind == "any" else kind


def _near(root: Path, text: str) -> str | None:
    """Suggest what is there under a similar name."""
    if any(mark in text for mark in "*?["):
        return "patterns are not expanded; name each file"
    parent = (root / text).parent
    try:
        names = [entry.name for entry in parent.iterdir()]
    except OSError:
        return None
    near = nearest(Path(text).name, names)
    return f"did you mean {(Path(text).parent / near).as_posix()}?" if near else None
