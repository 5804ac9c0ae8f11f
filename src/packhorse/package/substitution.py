"""Putting variables into YAML: ``${var.NAME}`` in text, after parsing, so that no value changes the structure.

A scalar that is exactly one placeholder takes the variable's value and type; in longer text the value is written as
YAML writes it. ``$${var.NAME}`` is the escape for a literal ``${var.NAME}``. Nothing is replaced in keys, and what
a value contains is never looked at again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from packhorse.base.errors import ConfigError
from packhorse.base.spelling import nearest
from packhorse.package import shape
from packhorse.package.variables import Value, VariableValues
from packhorse.package.yaml_document import LocatedDocument, Path

__all__ = ["placeholders", "substitute", "substitute_document"]

_TOKEN = re.compile(
    r"(?P<escape>\$\$\{var\.)|\$\{var\.(?P<name>[a-z][a-z0-9_]{0,62})\}|(?P<broken>\$\{var\.[^}\s]{0,64}\}?)", re.ASCII
)
_MARK = "${var."


@dataclass(frozen=True, slots=True)
class _Problem:
    path: Path
    message: str
    note: str = ""
    of_key: bool = False


def substitute(tree: Any, values: VariableValues, where: str) -> Any:
    """Return a copy of ``tree`` with its placeholders replaced.

    Args:
        tree: Plain values, as YAML gives them.
        values: Of all variables that the package declares.
        where: What people call the text, for messages.

    Raises:
        ConfigError: A placeholder names no variable, is malformed, or stands in a key; all are listed.
    """
    errors: list[ConfigError] = []

    def fail(problem: _Problem) -> None:
        place = f"{where}: {shape.path_text(problem.path)}" if problem.path else where
        errors.append(ConfigError(f"{place}: {problem.message}", hint=problem.note or None))

    copy = _Walk(values, fail).copy(tree, ())
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigError.summarise(f"{where} has {len(errors)} wrong placeholders.", errors)
    return copy


def substitute_document(document: LocatedDocument, values: VariableValues) -> Any:
    """Do the same for a document that knows the places of its values, and show mistakes there."""
    mistakes = shape.Mistakes(document)

    def fail(problem: _Problem) -> None:
        mistakes.add(problem.path, problem.message, note=problem.note, of_key=problem.of_key)

    copy = _Walk(values, fail).copy(document.value, ())
    mistakes.raise_any()
    return copy


def placeholders(tree: Any) -> set[str]:
    """Return the names of the variables that ``tree`` asks for."""
    names: set[str] = set()
    seen: set[int] = set()
    rest = [tree]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            names.update(found["name"] for found in _TOKEN.finditer(value) if found["name"] is not None)
        elif isinstance(value, (dict, list)) and id(value) not in seen:
            seen.add(id(value))
            rest.extend(value.values() if isinstance(value, dict) else value)
    return names


@dataclass(slots=True)
class _Walk:
    values: VariableValues
    fail: Callable[[_Problem], None]
    copies: dict[int, Any] = field(default_factory=dict)
    """Of collections by identity: what an alias shares stays shared, or an alias bomb would go off here."""

    def copy(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self._text(value, path) if _MARK in value else value
        if not isinstance(value, (dict, list)):
            return value
        known = self.copies.get(id(value))
        if known is not None:
            return known
        copy: dict[str, Any] | list[Any]
        if isinstance(value, dict):
            self.copies[id(value)] = copy = {}
            for key, item in value.items():
                copy[self._key(key, (*path, key))] = self.copy(item, (*path, key))
        else:
            self.copies[id(value)] = copy = []
            copy.extend(self.copy(item, (*path, number)) for number, item in enumerate(value))
        return copy

    def _key(self, key: str, path: Path) -> str:
        if any(found["escape"] is None for found in _TOKEN.finditer(key)):
            self.fail(_Problem(path, "variables are not replaced in keys", of_key=True))
        return _TOKEN.sub(_MARK, key) if _MARK in key else key

    def _text(self, text: str, path: Path) -> Value:
        whole = _TOKEN.fullmatch(text)
        if whole is not None and whole["name"] is not None:
            return self._value(whole, path)
        return _TOKEN.sub(lambda found: self._written(found, path), text)

    def _written(self, found: re.Match[str], path: Path) -> str:
        if found["escape"] is not None:
            return _MARK
        value = self._value(found, path)
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)

    def _value(self, found: re.Match[str], path: Path) -> Value:
        name = found["name"]
        if name is not None and name in self.values:
            return self.values[name]
        if name is None:
            self.fail(_Problem(path, f"expected ${{var.NAME}}, found {found[0]}", "$${var. writes it as it is"))
        else:
            near = nearest(name, self.values)
            note = f"did you mean {near}?" if near else f"known variables: {', '.join(self.values) or 'none'}"
            self.fail(_Problem(path, f"the package has no variable {name}", note))
        return ""
