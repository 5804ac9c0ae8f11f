"""YAML in: bounded in time and memory, strict about what is surely a mistake, and able to say where each value stood.

Use :func:`load_all` for Kubernetes manifests and what Helm prints, :func:`load_mapping` for values files, and
:func:`read_located` where mistakes are to be shown in place. How it works is in
:mod:`packhorse.package.yaml_builder`; what a scalar means is in :mod:`packhorse.package.yaml_scalar`.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from yaml.events import Event, StreamEndEvent
from yaml.reader import ReaderError

from packhorse.base.errors import ConfigError
from packhorse.base.units import format_bytes
from packhorse.package.source_text import MAX_BYTES, SourceText, Span
from packhorse.package.yaml_builder import Builder, LocatedList, LocatedMapping, Mark, Reading, span_mark, span_of

__all__ = ["LocatedDocument", "Path", "kind_of", "load_all", "load_mapping", "read_located"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root of a document: ``("components", 0, "name")``."""

_FOREIGN_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

# libyaml's words for the mistakes people make most, and what they mean to somebody who wrote a file.
_IN_OTHER_WORDS = {
    "mapping values are not allowed in this context": 'a ": " that cannot stand here; is the indentation right, '
    "or does the value need quotes?",
    "could not find expected ':'": 'expected a ": " after the key',
    "did not find expected key": "expected a key; is the indentation the same as above?",
    "did not find expected '-' indicator": "expected another item of the list; is the indentation the same as above?",
    "did not find expected ',' or ']'": 'expected "," or "]" in the list that began before',
    "did not find expected ',' or '}'": 'expected "," or "}" in the mapping that began before',
    "found unexpected end of stream": "the text ends inside quotes",
    "control characters are not allowed": "a control character",
}


@dataclass(frozen=True, slots=True)
class LocatedDocument:
    """One document with the places of its values.

    ``value`` is made of plain scalars and of dicts and lists that know their places. An alias stands where it was
    written, and what is inside it where its anchor was.
    """

    value: Any
    source: SourceText
    start: Mark

    def span(self, path: Path) -> Span:
        """Return where the value at ``path`` stood; the nearest parent that has a place for one that was merged in."""
        return span_of(self._mark(path, of_key=False))

    def key_span(self, path: Path) -> Span:
        """Return where the last key of ``path`` stood."""
        return span_of(self._mark(path, of_key=True))

    def written(self, path: Path) -> str:
        """Return what was written for the scalar at ``path``, in its first line: ``0755``, ``'0755'``."""
        return self.source.text_at(self.span(path))

    def mistake(self, path: Path, message: str, *, note: str = "", of_key: bool = False) -> ConfigError:
        """Build the error that shows the value, or the key, at ``path``."""
        span = self.key_span(path) if of_key else self.span(path)
        return self.source.mistake(span, message, note=note)

    def _mark(self, path: Path, *, of_key: bool) -> Mark:
        value, mark = self.value, self.start
        for number, step in enumerate(path, 1):
            is_last = number == len(path)
            if isinstance(value, LocatedMapping) and step in value:
                key = str(step)
                place = value.place_of(key)
                if place is not None:
                    mark = place[0] if is_last and of_key else place[1]
                value = value[key]
            elif isinstance(value, LocatedList) and isinstance(step, int) and step < len(value):
                mark = value.marks[step]
                value = value[step]
            else:
                break
        return mark


def load_all(
    data: bytes | str,
    where: str,
    *,
    max_bytes: int = MAX_BYTES,
    on_duplicate: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Read all documents of Kubernetes objects; empty documents are left out.

    Args:
        data: YAML or JSON in UTF-8.
        where: What people call the text: a path, or ``output of helm template shop``.
        max_bytes: The largest text that is read.
        on_duplicate: Called with a line about a key that stands twice, of which the last counts as it does for
            Kubernetes; where it is left out, such a key is an error.

    Raises:
        ConfigError: It is no YAML, too large, or a document is no mapping.
    """
    reading = Reading(located=False, on_duplicate=on_duplicate)
    documents, source = _read(data, where, reading, max_bytes)
    for value, start in documents:
        if not isinstance(value, dict):
            raise source.mistake(span_of(start), f"expected a Kubernetes object, found {kind_of(value)}")
    return [value for value, _ in documents]


def load_mapping(data: bytes | str, where: str, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read one mapping, as a values file has; an empty file is an empty mapping.

    Raises:
        ConfigError: It is no YAML, too large, no mapping, or more than one document.
    """
    document = read_located(data, where, max_bytes=max_bytes)
    if not isinstance(document.value, dict):
        raise document.mistake((), f"expected a mapping of names to values, found {kind_of(document.value)}")
    return document.value


def read_located(
    data: bytes | str, where: str, *, strict_keys: bool = False, max_bytes: int = MAX_BYTES
) -> LocatedDocument:
    """Read exactly one document with the places of its values; an empty text is an empty mapping.

    Args:
        data: YAML in UTF-8.
        where: What people call the text.
        strict_keys: Whether a key that is no text (``on``, ``1``) is an error; else it is text, as for Kubernetes.
        max_bytes: The largest text that is read.

    Raises:
        ConfigError: It is no YAML, too large, or more than one document.
    """
    documents, source = _read(data, where, Reading(located=True, strict_keys=strict_keys), max_bytes)
    if len(documents) > 1:
        raise source.mistake(span_of(documents[1][1]), "a second document begins; expected one in this file")
    value, start = documents[0] if documents else (LocatedMapping(), span_mark(Span(1, 1)))
    return LocatedDocument(value, source, start)


def kind_of(value: object) -> str:
    """Name the kind of a YAML value, for messages."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "a mapping"


def _read(data: bytes | str, where: str, reading: Reading, max_bytes: int) -> tuple[list[tuple[Any, Mark]], SourceText]:
    source = _source(data, where, max_bytes)
    builder = Builder(source, reading)
    for event in _events(source):
        builder.feed(event)
    return builder.documents, source


def _source(data: bytes | str, where: str, max_bytes: int) -> SourceText:
    if len(data) > max_bytes:
        raise ConfigError(
            f"{where}: expected at most {format_bytes(max_bytes)} of YAML, found {format_bytes(len(data))}"
        )
    try:
        content = data.encode() if isinstance(data, str) else data
    except UnicodeEncodeError as error:
        raise ConfigError(f"{where}: character {error.start + 1:,} is half of a surrogate pair") from error
    for mark, encoding in _FOREIGN_MARKS.items():
        if content.startswith(mark):
            raise ConfigError(
                f"{where}: expected UTF-8, found {encoding}",
                hint=f"iconv -f {encoding} -t UTF-8 {where} > converted.yaml",
            )
    return SourceText(where, content.removeprefix(codecs.BOM_UTF8))


def _events(source: SourceText) -> Iterator[Event]:
    parser = yaml.CSafeLoader(source.data)
    try:
        while (event := parser.get_event()) is not None and not isinstance(event, StreamEndEvent):
            yield event
    except ReaderError as error:
        raise _unreadable(source, error) from error
    except yaml.MarkedYAMLError as error:
        raise _malformed(source, error) from error


def _unreadable(source: SourceText, error: ReaderError) -> ConfigError:
    """Explain bytes that are no text: not UTF-8, or control characters."""
    before = source.data[: error.position].decode(errors="replace")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    reason = _IN_OTHER_WORDS.get(error.reason, f"not UTF-8: {error.reason}")
    found = error.character if isinstance(error.character, int) else ord(error.character)
    return source.mistake(Span(line, column), f"{reason} (0x{found:02x}) in YAML")


def _malformed(source: SourceText, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    span = Span(mark.line + 1, mark.column + 1) if mark is not None else Span(1, 1)
    problem = error.problem or "this is not YAML"
    if problem == "found character that cannot start any token":
        character = source.text_at(span)
        problem = (
            "a tab; YAML is indented with spaces"
            if character == "\t"
            else f"a value cannot begin with {character}; put it in quotes"
        )
    return source.mistake(span, _IN_OTHER_WORDS.get(problem, problem), note=_began(error))


def _began(error: yaml.MarkedYAMLError) -> str:
    begin, problem = error.context_mark, error.problem_mark
    if begin is None or problem is None or begin.line == problem.line:
        return ""
    return f"begun on line {begin.line + 1}"
