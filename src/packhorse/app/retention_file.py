"""The file in which a site says what stays in its store: which tags, how many bundles of a package, how long."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from packhorse.base.errors import ConfigError
from packhorse.base.units import parse_duration
from packhorse.package import shape
from packhorse.package.source_text import read_file
from packhorse.package.yaml_document import LocatedDocument, read_located
from packhorse.store.retention import Keep, PackageRule, RepositoryRule, Retention

__all__ = ["load_retention", "parse_retention"]

_Duration = Annotated[str, Meta(description="a duration such as 12h or 90d")]
_Count = Annotated[int, Meta(ge=0, description="how many of the newest stay")]
_Patterns = Annotated[tuple[str, ...], Meta(min_length=1, description="patterns of names")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What the parts share."""


class _Keep(_Part, frozen=True):
    newest: _Count | None = None
    younger_than: _Duration | None = None


class _Repositories(_Part, frozen=True):
    match: _Patterns
    tags: _Patterns = ("*",)
    keep: _Keep = _Keep()


class _Packages(_Part, frozen=True):
    match: _Patterns
    keep: _Keep = _Keep()


class _File(_Part, frozen=True):
    api_version: Literal["packhorse.dev/v1alpha1"]
    kind: Literal["Retention"]
    untagged: _Duration | None = None
    repositories: tuple[_Repositories, ...] = ()
    packages: tuple[_Packages, ...] = ()


def load_retention(path: Path) -> Retention:
    """Read the rules of a file.

    Raises:
        ConfigError: There is none, or it has mistakes: all of them are listed.
    """
    return parse_retention(read_file(path, str(path)), str(path))


def parse_retention(content: bytes, where: str) -> Retention:
    """Read the rules from YAML; ``where`` is what people call it.

    Raises:
        ConfigError: It has mistakes: all of them are listed.
    """
    document = read_located(content, where, strict_keys=True)
    found = shape.checked(document, _File)
    return Retention(
        repositories=tuple(
            RepositoryRule(rule.match, rule.tags, _keep(document, ("repositories", place, "keep"), rule.keep))
            for place, rule in enumerate(found.repositories)
        ),
        packages=tuple(
            PackageRule(rule.match, _keep(document, ("packages", place, "keep"), rule.keep))
            for place, rule in enumerate(found.packages)
        ),
        untagged_seconds=_untagged(document, found.untagged),
    )


def _untagged(document: LocatedDocument, text: str | None) -> float | None:
    if text == "keep":
        return None
    return 0.0 if text is None else _seconds(document, ("untagged",), text)


def _keep(document: LocatedDocument, path: tuple[str | int, ...], keep: _Keep) -> Keep:
    seconds = None
    if keep.younger_than is not None:
        seconds = _seconds(document, (*path, "youngerThan"), keep.younger_than)
    return Keep(keep.newest, seconds)


def _seconds(document: LocatedDocument, path: tuple[str | int, ...], text: str) -> float:
    try:
        return float(parse_duration(text))
    except ValueError as error:
        raise ConfigError(document.mistake(path, str(error)).message) from error
