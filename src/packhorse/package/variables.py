"""Variables: what the site gives, checked against what the package declares, and nothing secret in any message.

Values are gathered in layers (command line, files, environment, answers, defaults); :func:`settle` makes them one
:class:`VariableValues`. :mod:`packhorse.package.substitution` puts them into YAML.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from packhorse.base.errors import ConfigError, PackhorseError
from packhorse.base.spelling import nearest
from packhorse.package.model import Variable
from packhorse.package.yaml_document import kind_of, read_located

__all__ = ["Given", "Secret", "Settled", "Value", "VariableValues", "check_value", "read_values", "redact", "settle"]

Value: TypeAlias = str | int | float | bool

REDACTED = "<sensitive>"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "string": ("text", (str,)),
    "integer": ("a whole number", (int,)),
    "number": ("a number", (int, float)),
    "boolean": ("true or false", (bool,)),
}


class Secret:
    """A value that is not shown: not by ``print``, ``repr``, an f-string, a traceback or a log."""

    __slots__ = ("_value",)

    def __init__(self, value: Value) -> None:
        self._value = value

    def reveal(self) -> Value:
        """Return the value, for the one who must have it."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(Secret)


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it.

    ``is_text`` tells that it came from where everything is text (an option, the environment, a question), and is to
    be read as its variable's type.
    """

    value: Value | Secret
    origin: str
    """``--set domain``, ``site.yaml:3:9``, ``PACKHORSE_VAR_DOMAIN``."""
    is_text: bool = True


@dataclass(frozen=True, slots=True)
class VariableValues:
    """The value of every variable, by name."""

    values: Mapping[str, Value | Secret]

    def __getitem__(self, name: str) -> Value:
        value = self.values[name]
        return value.reveal() if isinstance(value, Secret) else value

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def redact(self, text: str) -> str:
        """Return ``text`` without any sensitive value in it."""
        return redact(text, [str(value.reveal()) for value in self.values.values() if isinstance(value, Secret)])


@dataclass(frozen=True, slots=True)
class Settled:
    """What the layers make together: the values there are, and the variables that still need one."""

    values: VariableValues
    missing: tuple[Variable, ...]

    def complete(self) -> VariableValues:
        """Return the values.

        Raises:
            ConfigError: A variable has none.
        """
        if not self.missing:
            return self.values
        names = ", ".join(variable.name for variable in self.missing)
        noun = "variable has" if len(self.missing) == 1 else "variables have"
        first = self.missing[0]
        example = f"--set-file {first.name}=FILE, --values-file" if first.sensitive else f"--set {first.name}=…"
        raise ConfigError(
            f"{len(self.missing)} {noun} no value: {names}",
            hint=f"{example}, or PACKHORSE_VAR_{first.name.upper()} in the environment",
        )


def settle(declared: Sequence[Variable], layers: Iterable[Mapping[str, Given]]) -> Settled:
    """Choose for every variable the first layer that gives it, else its default, and check it.

    Args:
        declared: The package's variables.
        layers: The strongest first.

    Raises:
        ConfigError: A name is not declared, or a value does not fit; all of them are listed.
    """
    known = {variable.name: variable for variable in declared}
    failures: list[PackhorseError] = []
    chosen: dict[str, Given] = {}
    for layer in layers:
        for name, given in layer.items():
            if name not in known:
                failures.append(_unknown(name, given, known))
            chosen.setdefault(name, given)
    values: dict[str, Value | Secret] = {}
    for variable in declared:
        if variable.name not in chosen:
            if variable.default is not None:
                values[variable.name] = _wrapped(variable, variable.default)
            continue
        try:
            values[variable.name] = _wrapped(variable, check_value(variable, chosen[variable.name]))
        except ConfigError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ConfigError.summarise(f"{len(failures)} variables were given wrongly.", failures)
    missing = tuple(variable for variable in declared if variable.name not in values)
    return Settled(VariableValues(values), missing)


def check_value(variable: Variable, given: Given) -> Value:
    """Return the given value as the variable's type.

    Raises:
        ConfigError: It is of another type, or does not match the variable's pattern. The message shows no value of a
            sensitive variable.
    """
    raw = given.value.reveal() if isinstance(given.value, Secret) else given.value
    found = "" if variable.sensitive or isinstance(given.value, Secret) else f", found {str(raw)[:60]!r}"
    kind, types = _KINDS[variable.type]
    value = _from_text(variable.type, raw) if given.is_text and isinstance(raw, str) else raw
    is_boolean = isinstance(value, bool)
    if not isinstance(value, types) or is_boolean != (variable.type == "boolean"):
        hint = "put it in quotes" if variable.type == "string" else None
        found = found and f"{found} ({kind_of(raw)})" if not given.is_text else found
        raise ConfigError(f"{given.origin}: variable {variable.name} expects {kind}{found}", hint=hint)
    if variable.pattern is not None and not re.fullmatch(variable.pattern, _text(value)):
        raise ConfigError(
            f"{given.origin}: variable {variable.name} expects text that matches {variable.pattern}{found}",
            hint=variable.description or None,
        )
    return float(value) if variable.type == "number" and isinstance(value, int) and given.is_text else value


def read_values(data: bytes, where: str) -> dict[str, Given]:
    """Read a file of variables: a mapping of names to scalars.

    Args:
        data: YAML.
        where: What people call the file.

    Raises:
        ConfigError: It is no such mapping.
    """
    document = read_located(data, where, strict_keys=True)
    if not isinstance(document.value, dict):
        raise document.mistake((), f"expected a mapping of variables to values, found {kind_of(document.value)}")
    given: dict[str, Given] = {}
    for name, value in document.value.items():
        # Lines are not shown here: they may be part of a secret.
        place = document.source.at(document.span((name,)))
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{place}: expected the name of a variable, found {name[:63]!r}")
        if not isinstance(value, (str, int, float)):
            raise ConfigError(f"{place}: variable {name} expects one value, found {kind_of(value)}")
        given[name] = Given(value, place, is_text=False)
    return given


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every form of every secret replaced: plain, base64, in JSON, in a URL, line by line."""
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, REDACTED)
    return text


def _forms(secret: str) -> Iterator[str]:
    if not secret:
        return
    yield secret
    yield base64.b64encode(secret.encode()).decode()
    yield base64.b64encode(secret.encode() + b"\n").decode()
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
    yield from (line.strip() for line in secret.splitlines() if line.strip())


def _wrapped(variable: Variable, value: Value) -> Value | Secret:
    return Secret(value) if variable.sensitive else value


def _text(value: Value) -> str:
    """Write a value as YAML does."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _from_text(kind: str, text: str) -> Value:
    """Read what was given as text; what does not fit stays text."""
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text):
        return float(text)
    if kind == "boolean":
        return _BOOLEANS.get(text, text)
    return text


def _unknown(name: str, given: Given, known: Mapping[str, Variable]) -> ConfigError:
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else f"known variables: {', '.join(known) or 'none'}"
    return ConfigError(f"{given.origin}: the package has no variable {name}", hint=hint)
