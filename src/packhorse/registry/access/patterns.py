"""Patterns of repositories: ``team/*``, ``docker.io/library/**``, ``**``.

A star stands for any characters of one part of a name, two stars for parts: for one or more at the end of a pattern,
for any number elsewhere. What is matched is the name as a path: the site's own repositories without a registry, every
other with its registry in front, a port after an underscore.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from packhorse.base.errors import ConfigError

__all__ = ["Pattern"]

_Item = TypeVar("_Item")

_LONGEST = 512
_FORM = re.compile(r"[a-z0-9*._-]+(?::[0-9]{1,5})?(?:/[a-z0-9*._-]+)*", re.ASCII)
_ANY = "**"


class Pattern:
    """One pattern.

    Args:
        text: As it stands in the access file.

    Raises:
        ConfigError: It has another form.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST or not _FORM.fullmatch(text):
            raise ConfigError(
                f"expected a repository in lower case such as team/app, team/* or docker.io/library/**, found {text!r}"
            )
        parts = text.replace(":", "_").split("/")
        for part in parts:
            if _ANY in part and part != _ANY:
                raise ConfigError(f"expected ** as a whole part between slashes, found {part!r}")
        if parts[-1] == _ANY and len(parts) > 1:
            # What is below a folder is not the folder itself.
            parts.append("*")
        self.text = text
        self._parts = tuple(parts)

    @property
    def is_everything(self) -> bool:
        """Whether it matches every repository."""
        return self._parts == (_ANY,)

    def matches(self, path: str) -> bool:
        """Whether a repository, as a path, is meant."""
        return self.is_everything or _matches(self._parts, path.split("/"), _ANY, _part_matches)


def _part_matches(pattern: str, part: str) -> bool:
    return _matches(pattern, part, "*", str.__eq__)


def _matches(
    pattern: Sequence[_Item], found: Sequence[_Item], star: _Item, same: Callable[[_Item, _Item], bool]
) -> bool:
    """Match with wildcards; takes at most ``len(pattern)`` times ``len(found)`` steps."""
    at = position = 0
    last_star = resume = -1
    while position < len(found):
        if at < len(pattern) and pattern[at] == star:
            last_star, resume = at, position
            at += 1
        elif at < len(pattern) and same(pattern[at], found[position]):
            at += 1
            position += 1
        elif last_star >= 0:
            # Let the last star take one more.
            resume += 1
            at, position = last_star + 1, resume
        else:
            return False
    return all(item == star for item in pattern[at:])
