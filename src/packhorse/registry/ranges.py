"""The ``Range`` header (RFC 9110, section 14): one range of bytes; several are answered with the whole."""

import re
from enum import Enum

import msgspec

__all__ = ["Span", "Unsatisfiable", "parse_range"]

_ONE_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})", re.ASCII | re.IGNORECASE)


class Span(msgspec.Struct, frozen=True):
    """A run of bytes of a blob: where it begins, and how many."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the value of ``Content-Range`` for this part of ``size`` bytes."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


class Unsatisfiable(Enum):
    """The range asked for has no byte of the blob."""

    UNSATISFIABLE = 416


def parse_range(header: str | None, size: int) -> Span | Unsatisfiable | None:
    """Read ``bytes=0-99``, ``bytes=100-`` or ``bytes=-100``.

    Args:
        header: The header as it came; None when there is none.
        size: The size of the blob in bytes.

    Returns:
        The part to send; None when the header must be ignored, which it must when it makes no sense to us.
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header is not None else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return Span(size - length, length) if length else Unsatisfiable.UNSATISFIABLE
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None
    if start >= size:
        return Unsatisfiable.UNSATISFIABLE
    return Span(start, min(last, size - 1) - start + 1)
