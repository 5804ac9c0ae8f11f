"""From libyaml's events to plain values, within limits.

PyYAML's own way (nodes, then constructors) needs five times the memory and follows other rules than Kubernetes. Here
one pass over the events builds the values; nothing recurses, an alias shares what its anchor built, and everything
that grows is counted.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from packhorse.base.units import MIB, format_bytes
from packhorse.package.source_text import SourceText, Span
from packhorse.package.yaml_scalar import NotANumberError, resolve

__all__ = ["Builder", "LocatedList", "LocatedMapping", "Mark", "Reading", "span_mark", "span_of"]

Mark: TypeAlias = int
"""A :class:`Span` packed into one number, since a text of ten megabytes has a million of them."""

_MAX_DEPTH = 256
_MAX_EVENTS = 2_500_000
_MAX_MEMORY = 128 * MIB
_MAX_ALIASED = 32 * MIB
_EMPTY_MAPPING_BYTES = 232
_EMPTY_LIST_BYTES = 88
_ENTRY_BYTES = 8
_LOCATED_ENTRY_BYTES = 48
_LINE_SHIFT = 36
_COLUMN_SHIFT = 12
_COLUMN_MASK = (1 << 24) - 1
_LENGTH_MASK = (1 << 12) - 1

_TAG = "tag:yaml.org,2002:"
_MERGE = object()
_NO_KEY = object()
_OPEN = object()


class LocatedMapping(dict[str, Any]):
    """A mapping that knows where its keys and values stood.

    ``marks`` holds two marks for each key, in the order of the keys: the key's and its value's. Keys that were merged
    in come last, and have none.
    """

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Mark] = []

    def place_of(self, key: str) -> tuple[Mark, Mark] | None:
        """Return the marks of ``key`` and of its value; ``None`` for a key that was merged in."""
        for number, known in enumerate(self):
            if known == key and 2 * number < len(self.marks):
                return self.marks[2 * number], self.marks[2 * number + 1]
        return None


class LocatedList(list[Any]):
    """A list that knows where its items stood."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Mark] = []


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text is read.

    Args:
        located: Whether places are kept.
        strict_keys: Whether a key that is no text is an error; else it becomes text, as for Kubernetes.
        on_duplicate: Called with a line about a key that stands twice; where it is left out, that is an error. Not
            for ``located``.
    """

    located: bool
    strict_keys: bool = False
    on_duplicate: Callable[[str], None] | None = None


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    value: Any
    mark: Mark
    anchor: str | None
    mapping: dict[str, Any] | None
    key: Any = _NO_KEY
    key_mark: Mark = 0
    merged: list[dict[str, Any]] = field(default_factory=list)
    cost: int = 0


class Builder:
    """Takes the events of one text, and has its documents in the end; empty documents are left out."""

    def __init__(self, source: SourceText, reading: Reading) -> None:
        self.documents: list[tuple[Any, Mark]] = []
        self._source = source
        self._reading = reading
        self._located = reading.located
        self._entry_bytes = _LOCATED_ENTRY_BYTES if reading.located else _ENTRY_BYTES
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._keys: dict[str, str] = {}
        self._events = 0
        self._memory = 0
        self._aliased = 0
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            ScalarEvent: self._scalar,
            AliasEvent: self._alias,
            MappingStartEvent: self._begin_mapping,
            MappingEndEvent: self._end_mapping,
            SequenceStartEvent: self._begin_sequence,
            SequenceEndEvent: self._end,
            DocumentStartEvent: self._begin_document,
        }

    def feed(self, event: Event) -> None:
        """Take the next event.

        Raises:
            ConfigError: The text breaks a rule or a limit.
        """
        self._events += 1
        if self._events > _MAX_EVENTS:
            self._refuse(event, f"expected at most {_MAX_EVENTS:,} values and keys in one text, found more")
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    # --- Documents and collections -------------------------------------------------------------------------------

    def _begin_document(self, _event: DocumentStartEvent) -> None:
        self._anchors.clear()

    def _begin_mapping(self, event: MappingStartEvent) -> None:
        self._check_collection(event, "map")
        value: dict[str, Any] = LocatedMapping() if self._located else {}
        self._begin(event, _Frame(value, _mark(event), event.anchor, value), _EMPTY_MAPPING_BYTES)

    def _begin_sequence(self, event: SequenceStartEvent) -> None:
        self._check_collection(event, "seq")
        value: list[Any] = LocatedList() if self._located else []
        self._begin(event, _Frame(value, _mark(event), event.anchor, None), _EMPTY_LIST_BYTES)

    def _begin(self, event: NodeEvent, frame: _Frame, cost: int) -> None:
        if self._stack and self._stack[-1].mapping is not None and self._stack[-1].key is _NO_KEY:
            self._refuse(event, "a key cannot be a mapping or a list")
        if len(self._stack) >= _MAX_DEPTH:
            self._refuse(event, f"expected at most {_MAX_DEPTH} levels of nesting, found more")
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (_OPEN, 0)
        frame.cost = cost
        self._spend(event, cost)
        self._stack.append(frame)

    def _end_mapping(self, event: MappingEndEvent) -> None:
        frame = self._stack[-1]
        mapping = frame.mapping
        for source in frame.merged:
            for key, value in source.items():
                frame.value.setdefault(key, value)
        if frame.merged and mapping is not None:
            # Each merge copies entries: ten lines can ask for a million of them.
            cost = _ENTRY_BYTES * sum(map(len, frame.merged))
            frame.cost += cost
            self._spend(event, cost)
        self._end(event)

    def _end(self, event: Event) -> None:
        frame = self._stack.pop()
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.value, frame.cost)
        self._put(event, frame.value, frame.cost, frame.mark)

    def _check_collection(self, event: MappingStartEvent | SequenceStartEvent, expected: str) -> None:
        if event.tag not in (None, "!", _TAG + expected):
            self._refuse(event, f"the tag {event.tag!r} is not understood")

    # --- Scalars and aliases -------------------------------------------------------------------------------------

    def _scalar(self, event: ScalarEvent) -> None:
        value = self._scalar_value(event)
        stack = self._stack
        is_key = bool(stack) and stack[-1].mapping is not None and stack[-1].key is _NO_KEY
        cost = value.__sizeof__()
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, cost)
        if is_key and value == "<<" and _is_merge(event):
            value = _MERGE
        if not is_key:
            self._spend(event, cost)
        self._put(event, value, cost, _mark(event) if self._located or not stack else 0)

    def _scalar_value(self, event: ScalarEvent) -> Any:
        try:
            if event.tag is None:
                return resolve(event.value) if event.implicit[0] else event.value
            return _tagged(event.tag, event.value)
        except NotANumberError as error:
            self._refuse(event, str(error))
        except ValueError as error:
            self._refuse(event, f"the tag {event.tag!r} does not fit: {error}")

    def _alias(self, event: AliasEvent) -> None:
        value, cost = self._anchors.get(event.anchor or "", (_NO_KEY, 0))
        if value is _NO_KEY:
            self._refuse(event, f"the alias *{event.anchor} has no anchor &{event.anchor} before it")
        if value is _OPEN:
            self._refuse(event, f"the alias *{event.anchor} stands inside its own anchor")
        self._aliased += cost
        if self._aliased > _MAX_ALIASED:
            self._refuse(
                event, f"expected aliases that stand for at most {format_bytes(_MAX_ALIASED)} of values, found more"
            )
        self._put(event, value, cost, _mark(event))

    # --- Putting values into collections -------------------------------------------------------------------------

    def _put(self, event: Event, value: Any, cost: int, mark: Mark) -> None:
        if not self._stack:
            if value is not None:
                self.documents.append((value, mark))
            return
        frame = self._stack[-1]
        frame.cost += cost
        if frame.mapping is None:
            frame.value.append(value)
            if self._located:
                frame.value.marks.append(mark)
        elif frame.key is _NO_KEY:
            self._key(event, frame, value, mark)
        else:
            self._entry(event, frame, value, mark)

    def _key(self, event: Event, frame: _Frame, value: Any, mark: Mark) -> None:
        if value is _MERGE:
            frame.key = value
            return
        key = value if isinstance(value, str) else self._text_key(event, value)
        known = self._keys.get(key)
        if known is None:
            self._keys[key] = known = key
            self._spend(event, key.__sizeof__())
        if known in frame.value:
            self._duplicate(event, frame, known)
        frame.key = known
        frame.key_mark = mark

    def _entry(self, event: Event, frame: _Frame, value: Any, mark: Mark) -> None:
        key, frame.key = frame.key, _NO_KEY
        if key is _MERGE:
            frame.merged.extend(self._merge_sources(event, value))
            return
        frame.value[key] = value
        if self._located:
            frame.value.marks += (frame.key_mark, mark)

    def _merge_sources(self, event: Event, value: Any) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self._refuse(event, "<< expects a mapping, or a list of mappings, to merge in")
        return sources

    def _text_key(self, event: Event, value: Any) -> str:
        if value is None or isinstance(value, (dict, list)):
            self._refuse(event, "a key cannot be empty, a mapping or a list")
        written = {True: "true", False: "false"}[value] if isinstance(value, bool) else _number_key(value)
        if self._reading.strict_keys:
            kind = "boolean" if isinstance(value, bool) else "number"
            self._refuse(event, f"YAML reads this key as the {kind} {written}; put it in quotes")
        return written

    def _duplicate(self, event: Event, frame: _Frame, key: str) -> None:
        message = f'the key "{key}" stands twice in one mapping'
        if self._reading.on_duplicate is not None:
            self._reading.on_duplicate(f"{self._source.at(span_of(_mark(event)))}: {message}; the last counts")
            return
        first = frame.value.place_of(key) if isinstance(frame.value, LocatedMapping) else None
        self._refuse(event, message, note=f"first on line {span_of(first[0]).line}" if first is not None else "")

    # --- Limits --------------------------------------------------------------------------------------------------

    def _spend(self, event: Event, cost: int) -> None:
        self._memory += cost + self._entry_bytes
        if self._memory > _MAX_MEMORY:
            self._refuse(event, f"expected YAML that takes at most {format_bytes(_MAX_MEMORY)} when read, found more")

    def _refuse(self, event: Event, message: str, *, note: str = "") -> NoReturn:
        raise self._source.mistake(span_of(_mark(event)), message, note=note)


def _is_merge(event: ScalarEvent) -> bool:
    return event.implicit[0] if event.tag is None else event.tag == f"{_TAG}merge"


def _tagged(tag: str, text: str) -> Any:
    """Return the value of a scalar with an explicit tag; a ``ValueError`` says why there is none."""
    name = tag.removeprefix(_TAG)
    if tag == "!" or name in ("str", "timestamp", "merge"):
        return text
    if name == "binary":
        try:
            return base64.b64decode(re.sub(r"\s", "", text), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError("expected text in base64") from error
    kinds = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
    if name not in kinds or tag == name:
        raise ValueError("it is not understood")
    value = resolve(text)
    if not isinstance(value, kinds[name]) or (isinstance(value, bool) and name != "bool"):
        raise ValueError(f"expected {name}, found {text[:40]!r}")
    return float(value) if name == "float" and isinstance(value, int) else value


def _number_key(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _mark(event: Event) -> Mark:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return span_mark(Span(1, 1))
    # A value of several lines is underlined to the end of its first.
    length = min(end.column - start.column, _LENGTH_MASK) if end.line == start.line else _LENGTH_MASK
    return (start.line + 1) << _LINE_SHIFT | min(start.column + 1, _COLUMN_MASK) << _COLUMN_SHIFT | length


def span_mark(span: Span) -> Mark:
    """Pack ``span``."""
    return span.line << _LINE_SHIFT | span.column << _COLUMN_SHIFT | span.length


def span_of(mark: Mark) -> Span:
    """Unpack a mark."""
    return Span(mark >> _LINE_SHIFT, mark >> _COLUMN_SHIFT & _COLUMN_MASK, max(1, mark & _LENGTH_MASK))
