"""``init``: a package to start from, small but whole: locking, building and deploying it works at once."""

import re
from dataclasses import dataclass
from pathlib import Path

from packhorse.app.starter_package import STARTER_FILES
from packhorse.base.errors import ConfigError, UsageError
from packhorse.package.definition import FILE_NAME
from packhorse.package.schema import SCHEMA_FILE_NAME, schema_text

__all__ = ["StarterPackage", "create_package"]

# The name becomes the name of a Service, which is the strictest of Kubernetes: RFC 1035, section 2.3.1.
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,51}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class StarterPackage:
    """What was written, or would be."""

    folder: Path
    files: tuple[str, ...]
    """Relative to the folder, in the order of their names."""


def create_package(name: str, folder: Path, *, force: bool = False, dry_run: bool = False) -> StarterPackage:
    """Write a package of one component with one chart into ``folder``, which is made where it is missing.

    Args:
        name: Of the package, its chart and its namespace.
        folder: Where to.
        force: Whether files that are there may be overwritten.
        dry_run: Whether to write nothing.

    Raises:
        UsageError: The name cannot be one, or a file is there and must not be overwritten; nothing is written then.
        ConfigError: The folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"expected a name of lower-case letters, digits and dashes, with a letter first and at most 53 of them; "
            f"found {name[:60]!r}"
        )
    contents = {path: text.replace("PACKAGE_NAME", name) for path, text in STARTER_FILES.items()}
    contents = {path.replace("PACKAGE_NAME", name): text for path, text in contents.items()}
    contents[SCHEMA_FILE_NAME] = schema_text()
    there = sorted(path for path in contents if (folder / path).exists())
    if there and not force:
        raise UsageError(
            f"{folder / there[0]} is there already{f', and {len(there) - 1} more' if there[1:] else ''}",
            hint="choose another --directory, or overwrite with --force",
        )
    if not dry_run:
        _write(folder, contents)
    return StarterPackage(folder, (FILE_NAME, *sorted(path for path in contents if path != FILE_NAME)))


def _write(folder: Path, contents: dict[str, str]) -> None:
    for path, text in contents.items():
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write {folder / path}: {error.strerror or error}") from error
