"""``packhorse.lock`` as YAML that a person can review: read strictly, written in one stable form.

``loads(dumps(lock), where) == lock`` for every lock, and equal locks are written as equal bytes. Each image begins
with a line of its own; what belongs to it (manifests, places where it was found) is one line each, so that a change
of one thing is a change of one line.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from packhorse.base.errors import ConfigError
from packhorse.package import shape
from packhorse.package.lock import Lock
from packhorse.package.yaml_document import read_located
from packhorse.package.yaml_scalar import NotANumberError, resolve

__all__ = ["dumps", "loads"]

_HEADER = """\
# packhorse.lock: every reference of packhorse.yaml as a digest, and where each image is asked for.
# Written by `packhorse lock`. Commit it and review its changes; do not edit it.
"""
_ONE_LINE_ITEMS = frozenset({"manifests", "referrers", "found", "files"})
_PLAIN = re.compile(r"[A-Za-z0-9/.](?:[A-Za-z0-9_./@+:-]*[A-Za-z0-9_./@+-])?", re.ASCII)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_CONFLICT = re.compile(rb"^(<<<<<<<|=======|>>>>>>>)( |$)", re.MULTILINE)
_AGAIN = "run packhorse lock to write it again"


def dumps(lock: Lock) -> str:
    """Write ``lock``; its lists keep their order."""
    plain = msgspec.to_builtins(lock, str_keys=True, enc_hook=str)
    return _HEADER + "".join(f"{line}\n" for line in _mapping(plain, ""))


def loads(data: bytes | str, where: str) -> Lock:
    """Read a lock.

    Args:
        data: UTF-8.
        where: What people call the file.

    Raises:
        ConfigError: It is no lock of a version that is understood; all mistakes are listed with their lines.
    """
    content = data.encode(errors="replace") if isinstance(data, str) else data
    conflict = _CONFLICT.search(content)
    if conflict is not None:
        line = content.count(b"\n", 0, conflict.start()) + 1
        raise ConfigError(f"{where}:{line}:1: a merge conflict was left in the lock", hint=_AGAIN)
    document = read_located(data, where, strict_keys=True)
    return shape.checked(document, Lock, hint=_AGAIN)


def _mapping(mapping: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _mapping(value, indent + "  ")
        elif isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
            yield f"{indent}{key}:"
            yield from _items(key, value, indent + "  ")
        else:
            yield f"{indent}{key}: {_inline(value)}"


def _items(key: str, items: Sequence[dict[str, Any]], indent: str) -> Iterator[str]:
    for item in items:
        if key in _ONE_LINE_ITEMS:
            yield f"{indent}- {_inline(item)}"
            continue
        for number, line in enumerate(_mapping(item, "")):
            yield f"{indent}{'  ' if number else '- '}{line}"


def _inline(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_inline(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case str():
            return value if _is_plain(value) else _quoted(value)
    return str(value)


def _is_plain(text: str) -> bool:
    """Whether ``text`` without quotes is read as itself, by YAML 1.1 and 1.2 and inside of brackets."""
    try:
        return _PLAIN.fullmatch(text) is not None and isinstance(resolve(text), str)
    except NotANumberError:
        return False


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
