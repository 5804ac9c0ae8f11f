"""A text that a person wrote, and how a mistake in it is shown: file, line, column, the line itself and carets."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packhorse.base.errors import ConfigError
from packhorse.base.printable import printable
from packhorse.base.units import MIB, format_bytes

__all__ = ["MAX_BYTES", "SourceText", "Span", "read_file"]

MAX_BYTES = 16 * MIB
"""The largest text that is read. Ten megabytes of manifests take about three seconds and 100 MiB."""

# The line breaks of YAML 1.1 (section 4.2), so that lines are counted as the reader counts them.
_BREAK = re.compile(b"\r\n|\n|\r|\xc2\x85|\xe2\x80\xa8|\xe2\x80\xa9")
_LONGEST_LINE = 110
_LONGEST_MESSAGE = 600
_KEPT_BEFORE = 40
_NUMBER_WIDTH = 5


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a text: line and column from 1, and how many characters it covers on that line (at least one)."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True)
class SourceText:
    """The bytes of a text, and the name people know it by.

    Args:
        name: Path or description, as ``packhorse.yaml`` or ``output of helm template shop``.
        data: UTF-8, without a byte order mark.
    """

    name: str
    data: bytes

    def at(self, span: Span) -> str:
        """Return ``name:line:column``."""
        return f"{self.name}:{span.line}:{span.column}"

    def mistake(self, span: Span, message: str, *, note: str = "", hint: str | None = None) -> ConfigError:
        """Build the error that shows ``span``.

        Args:
            span: What is wrong.
            message: What was expected and found.
            note: A few words beside the carets.
            hint: What to do.
        """
        shown = printable(message.replace("\n", " "))
        shown = shown if len(shown) <= _LONGEST_MESSAGE else f"{shown[:_LONGEST_MESSAGE]}…"
        return ConfigError(f"{self.at(span)}: {shown}\n{self._excerpt(span, printable(note))}", hint=hint)

    def text_at(self, span: Span) -> str:
        """Return the characters that ``span`` covers on its line."""
        return self._line(span.line)[span.column - 1 : span.column - 1 + span.length]

    def _excerpt(self, span: Span, note: str) -> str:
        line = self._line(span.line)
        start = min(span.column - 1, len(line))
        length = max(1, min(span.length, len(line) - start))
        shown, start = _window(line, start)
        shown = printable(shown)
        length = max(1, min(length, len(shown) - start))
        indent = " " * _width(shown[:start])
        carets = "^" * max(1, _width(shown[start : start + length]))
        tail = f" {note}" if note else ""
        return f"{span.line:>{_NUMBER_WIDTH}} | {shown}\n{'':>{_NUMBER_WIDTH}} | {indent}{carets}{tail}"

    def _line(self, number: int) -> str:
        starts = self._line_starts
        if number > len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.data)
        return self.data[starts[number - 1] : end].decode(errors="replace").rstrip("\r\n\x85\u2028\u2029")

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in _BREAK.finditer(self.data))]


def _window(line: str, start: int) -> tuple[str, int]:
    """Cut a long line to what is around ``start``; return it with the start's new place."""
    if len(line) <= _LONGEST_LINE:
        return line, start
    first = max(0, min(start - _KEPT_BEFORE, len(line) - _LONGEST_LINE))
    before = "…" if first else ""
    after = "…" if first + _LONGEST_LINE < len(line) else ""
    return f"{before}{line[first : first + _LONGEST_LINE]}{after}", start - first + len(before)


def _width(text: str) -> int:
    """Count the columns that ``text`` takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def read_file(path: Path, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a whole file, but never more than ``max_bytes``.

    Args:
        path: Where it is.
        name: What people call it.
        max_bytes: A larger file is refused.

    Raises:
        ConfigError: There is none, it is too large, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{name}: expected a file, found a folder") from error
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror or error}") from error
    if len(data) > max_bytes:
        raise ConfigError(f"{name}: expected at most {format_bytes(max_bytes)}, found more")
    return data
