"""What a chart's schema says against its values, told with the file and the key that it is about."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from packhorse.base.errors import ConfigError
from packhorse.package.yaml_document import LocatedDocument, Path

__all__ = ["is_values_refusal", "values_refusal"]

_INTRODUCTION = "values don't meet the specifications of the schema"
_CHART = re.compile(r"^(?P<chart>[^\s:]+):$")
_FAULT = re.compile(r"^\s*- at '(?P<pointer>[^']*)': (?P<said>.*)$|^- (?P<dotted>\(root\)|[^\s:]+): (?P<old>.*)$")
"""As Helm has it since 3.18, ``at '/image/tag': got number, want string``; and before, ``image.tag: Invalid type``."""

_SUMMARY = "validation failed"
_FURTHER_KEY = re.compile(r"additional properties '(?P<key>[^']+)'|Additional property (?P<old>\S+) is not allowed")


@dataclass(frozen=True, slots=True)
class _Fault:
    keys: Path
    said: str


def is_values_refusal(message: str) -> bool:
    """Whether Helm speaks of values that a schema refuses."""
    return _INTRODUCTION in message


def values_refusal(message: str, chart: str, documents: Sequence[LocatedDocument]) -> list[ConfigError]:
    """Say for each value that a schema refuses which file has it, on which line.

    Args:
        message: What Helm said; :func:`is_values_refusal`.
        chart: The chart's name; the values of other charts in the message stand under their own names.
        documents: The values files, later ones win; the chart's own values are the first.

    Returns:
        One error for each fault, in the order of files and lines; empty when Helm puts it in words that are not known.
    """
    rest = message.partition(_INTRODUCTION)[2]
    located = [_located(fault, documents) for fault in _faults(rest, chart)]
    # Helm has them in another order each time.
    return [error for _, error in sorted(located, key=lambda one: (one[0], one[1].message))]


def _faults(text: str, chart: str) -> Iterator[_Fault]:
    above: Path = ()
    for line in text.splitlines():
        if (heading := _CHART.match(line)) is not None:
            above = () if heading["chart"] == chart else (heading["chart"],)
        elif (match := _FAULT.match(line)) is not None:
            said = match["said"] or match["old"] or ""
            if said != _SUMMARY:
                yield _Fault((*above, *_keys(match), *_further_key(said)), said)


def _keys(match: re.Match[str]) -> Iterator[str | int]:
    if match["dotted"]:
        steps = [] if match["dotted"] == "(root)" else match["dotted"].split(".")
    else:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in (match["pointer"] or "").split("/")[1:]]
    yield from (int(step) if step.isdigit() else step for step in steps)


def _further_key(said: str) -> Path:
    match = _FURTHER_KEY.search(said)
    return (match["key"] or match["old"],) if match is not None else ()


def _located(fault: _Fault, documents: Sequence[LocatedDocument]) -> tuple[tuple[int, int], ConfigError]:
    """The error at the value; where no file has it, at what is nearest above it. File and line come first."""
    keys = fault.keys
    while keys:
        for number, document in reversed(list(enumerate(documents))):
            if _has(document.value, keys):
                return (number, document.span(keys).line), document.mistake(keys, _said(fault))
        keys = keys[:-1]
    return (-1, 0), documents[-1].mistake((), _said(fault)) if documents else ConfigError(_said(fault))


def _said(fault: _Fault) -> str:
    name = ".".join(str(key) for key in fault.keys)
    return f"{name}: {fault.said}" if name else fault.said


def _has(value: Any, keys: Path) -> bool:
    for key in keys:
        entries = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(entries, dict) or key not in entries:
            return False
        value = entries[key]
    return True
