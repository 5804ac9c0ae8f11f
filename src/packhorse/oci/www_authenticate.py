"""Reading ``WWW-Authenticate`` (RFC 9110, 11.6.1): which ways a server offers to prove who asks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Challenge", "parse_challenges"]

_MAX_HEADER_LENGTH = 16 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  the grammar's word for a name
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*', re.ASCII)
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?:\s+|(?=,)|$)", re.ASCII)
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?=,|$)", re.ASCII)
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way: its scheme and its parameters, the names of both in lower case."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Read all challenges of all ``WWW-Authenticate`` headers; what does not follow the grammar ends that header."""
    return tuple(challenge for header in headers for challenge in _parse_header(header[:_MAX_HEADER_LENGTH]))


def _parse_header(text: str) -> Iterable[Challenge]:
    position = 0
    while scheme := _SCHEME.match(text, position):
        parameters: dict[str, str] = {}
        position = scheme.end()
        if token68 := _TOKEN68.match(text, position):
            position = token68.end()
        else:
            position = _read_parameters(text, position, parameters)
        yield Challenge(scheme[1].lower(), parameters)


def _read_parameters(text: str, position: int, parameters: dict[str, str]) -> int:
    while match := _PARAMETER.match(text, position):
        value = match[3] if match[2] is None else _ESCAPE.sub(r"\1", match[2])
        # The first one given counts: a second realm must not override the one that was looked at.
        parameters.setdefault(match[1].lower(), value)
        position = match.end()
        comma = re.compile(r"[\s,]*").match(text, position)
        following = comma.end() if comma else position
        if following == position or not _PARAMETER.match(text, following):
            break
        position = following
    return position
