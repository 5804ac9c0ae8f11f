"""Whether a document has the shape of a type, with every mistake shown at its place.

msgspec stops at its first error and knows no lines. This walk over the same type information finds all of them; what
passes it is converted by msgspec. One rule is stricter than msgspec's: ``$`` ends a pattern at the very end of the
text, not before a last line break.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from packhorse.base.errors import ConfigError, PackhorseError
from packhorse.base.spelling import nearest
from packhorse.package.source_text import Span
from packhorse.package.yaml_document import LocatedDocument, Path, kind_of

__all__ = ["Mistakes", "check", "checked", "convert", "path_text"]

T = TypeVar("T")

_LONGEST_SHOWN = 60


class Mistakes:
    """Gathers what is wrong in one document."""

    def __init__(self, document: LocatedDocument) -> None:
        self._document = document
        self._found: list[tuple[Span, ConfigError]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, message: str, *, note: str = "", of_key: bool = False) -> None:
        """Note that the value, or the key, at ``path`` is wrong."""
        span = self._document.key_span(path) if of_key else self._document.span(path)
        self._found.append((span, self._document.source.mistake(span, message, note=note)))

    def raise_any(self, *, hint: str | None = None) -> None:
        """Raise one error with all mistakes in the order of the file, if there is one.

        Raises:
            ConfigError: There is at least one.
        """
        errors = [error for _, error in sorted(self._found, key=lambda found: found[0])]
        if len(errors) == 1:
            raise ConfigError(errors[0].message, hint=errors[0].hint or hint)
        if errors:
            raise ConfigError(f"{self._document.source.name} has {len(errors)} mistakes.", hint=hint, failures=errors)


def convert(document: LocatedDocument, type_: type[T]) -> T:
    """Return the document as ``type_``, whose shape it is known to have.

    Raises:
        ConfigError: It does not have it after all.
    """
    return convert_value(document.value, type_, document.source.name)


def convert_value(value: Any, type_: type[T], where: str) -> T:
    """Return ``value`` as ``type_``, whose shape it is known to have.

    Raises:
        ConfigError: It does not have it after all.
    """
    try:
        return msgspec.convert(value, type_, dec_hook=_custom)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error


def check(document: LocatedDocument, type_: type, mistakes: Mistakes) -> None:
    """Add each place where ``document`` does not have the shape of ``type_``."""
    _Walk(mistakes).value(document.value, _type_info(type_), ())


def checked(document: LocatedDocument, type_: type[T], *, hint: str | None = None) -> T:
    """Return the document as ``type_``.

    Raises:
        ConfigError: It does not have that shape: all mistakes are listed.
    """
    mistakes = Mistakes(document)
    check(document, type_, mistakes)
    mistakes.raise_any(hint=hint)
    return convert(document, type_)


def path_text(path: Path) -> str:
    """Write a path as people do: ``components[0].charts[1].values``."""
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(parts).removeprefix(".")


@cache
def _type_info(type_: type) -> inspect.Type:
    return inspect.type_info(type_)


def _custom(type_: type, value: Any) -> Any:
    """Make a value of one of our own string types, as msgspec asks for it."""
    if not isinstance(value, str):
        raise NotImplementedError(type_)
    return type_(value)


class _Walk:
    """Goes through a value and its type side by side. Every method returns nothing, and adds what it finds."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes

    def value(self, value: Any, type_: inspect.Type, path: Path, wanted: str = "") -> None:
        """Check one value; ``wanted`` says in words what its pattern means, or is its field's description."""
        match type_:
            case inspect.Metadata():
                description = (type_.extra_json_schema or {}).get("description", "")
                self.value(value, type_.type, path, (type_.extra or {}).get("expected") or description or wanted)
            case inspect.UnionType():
                self._union(value, type_, path, wanted)
            case _ if not _fits(value, type_):
                self._wrong_kind(value, [type_], path)
            case inspect.StructType():
                self._struct(value, type_, path)
            case inspect.VarTupleType():
                self._items(value, type_, path)
            case inspect.DictType():
                for key, item in value.items():
                    self.value(item, type_.value_type, (*path, key))
            case _:
                self._scalar(value, type_, path, wanted)

    def _union(self, value: Any, type_: inspect.UnionType, path: Path, wanted: str) -> None:
        members = [member.type if isinstance(member, inspect.Metadata) else member for member in type_.types]
        for member, declared in zip(members, type_.types, strict=True):
            if _fits(value, member):
                self.value(value, declared, path, wanted)
                return
        self._wrong_kind(value, members, path)

    def _wrong_kind(self, value: Any, types: Iterable[inspect.Type], path: Path) -> None:
        kinds = " or ".join(dict.fromkeys(_KINDS[type(type_)] for type_ in types if type(type_) in _KINDS))
        note = ""
        if value is None:
            note = "give it a value, or leave the key out"
        elif "text" in kinds and not isinstance(value, (dict, list)):
            note = "YAML reads it as true or false; put it in quotes" if isinstance(value, bool) else "put it in quotes"
        elif kinds == "a list" and not isinstance(value, dict):
            note = "put it in brackets, or on a line of its own after a dash"
        self._mistakes.add(
            path, f"{path_text(path) or 'the file'}: expected {kinds}, found {kind_of(value)}", note=note
        )

    def _struct(self, value: dict[str, Any], type_: inspect.StructType, path: Path) -> None:
        fields = {field.encode_name: field for field in type_.fields}
        inside = f" in {path_text(path)}" if path else ""
        meant: set[str | None] = set()
        for key, item in value.items():
            if key in fields:
                self.value(item, fields[key].type, (*path, key))
                continue
            near = nearest(key, [name for name in fields if name not in value])
            meant.add(near)
            note = f'did you mean "{near}"?' if near else f"known keys: {', '.join(fields)}"
            self._mistakes.add((*path, key), f'unknown key "{_short(key)}"{inside}', note=note, of_key=True)
        for name, field in fields.items():
            if field.required and name not in value and name not in meant:
                self._mistakes.add(path, f'missing key "{name}"{inside}')

    def _items(self, value: list[Any], type_: inspect.VarTupleType, path: Path) -> None:
        if len(value) < (type_.min_length or 0):
            self._mistakes.add(path, f"{path_text(path)}: expected at least {type_.min_length} item, found none")
        for number, item in enumerate(value):
            self.value(item, type_.item_type, (*path, number))

    def _scalar(self, value: Any, type_: inspect.Type, path: Path, wanted: str) -> None:
        place = path_text(path)
        match type_:
            case inspect.LiteralType():
                known = [str(literal) for literal in type_.values]
                if value not in type_.values:
                    near = nearest(str(value), known)
                    options = " or ".join(f'"{literal}"' for literal in known)
                    note = f'did you mean "{near}"?' if near and len(known) > 1 else ""
                    self._mistakes.add(path, f'{place}: expected {options}, found "{_short(value)}"', note=note)
            case inspect.StrType():
                if len(value) < (type_.min_length or 0):
                    self._mistakes.add(path, f"{place}: expected text, found nothing between the quotes")
                elif type_.pattern is not None and not _matches(type_.pattern, value):
                    expected = f"expected {wanted[:1].lower()}{wanted[1:].rstrip('.')}" if wanted else ""
                    expected = expected or f"expected text that matches {type_.pattern}"
                    self._mistakes.add(path, f'{place}: {expected}; found "{_short(value)}"')
            case inspect.IntType() | inspect.FloatType():
                if type_.ge is not None and value < type_.ge:
                    self._mistakes.add(path, f"{place}: expected at least {type_.ge}, found {value}")
            case inspect.CustomType():
                try:
                    type_.cls(value)
                except PackhorseError as error:
                    self._mistakes.add(path, f"{place}: {error.message}")


_KINDS: dict[type[inspect.Type], str] = {
    inspect.StructType: "a mapping",
    inspect.DictType: "a mapping",
    inspect.VarTupleType: "a list",
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.CustomType: "text",
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
}
_CLASSES: dict[str, tuple[type, ...]] = {
    "a mapping": (dict,),
    "a list": (list,),
    "text": (str,),
    "true or false": (bool,),
    "a whole number": (int,),
    "a number": (int, float),
}


def _fits(value: Any, type_: inspect.Type) -> bool:
    """Whether ``value`` is of the kind of ``type_``, whatever is in it."""
    if isinstance(type_, inspect.NoneType):
        return value is None
    kind = _KINDS[type(type_)]
    if isinstance(value, bool):
        return kind == "true or false"
    return isinstance(value, _CLASSES[kind])


def _matches(pattern: str, value: str) -> bool:
    return re.search(rf"{pattern[:-1]}\Z" if pattern.endswith("$") else pattern, value) is not None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
