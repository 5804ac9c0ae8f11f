"""What a plain YAML scalar means: YAML 1.1 as the Kubernetes API machinery reads it.

Kubernetes, kubectl and Helm read YAML with ``sigs.k8s.io/yaml``, whose rules differ from PyYAML's and from the
specification: ``y`` and ``n`` are booleans, ``1e3`` is a number, ``0o17`` is octal, ``10:30`` and ``2026-01-31`` are
strings. What is read here must mean what it will mean in the cluster, so the rules are theirs.
"""

import re

__all__ = ["NotANumberError", "resolve"]

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_NULL = ("", "~", "null", "Null", "NULL")
_NOT_JSON = {f"{sign}.{word}" for word in ("inf", "Inf", "INF") for sign in ("", "+", "-")} | {".nan", ".NaN", ".NAN"}
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(_NULL, None),
}

_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII)
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_MOST_DIGITS = 400


class NotANumberError(ValueError):
    """A number that JSON, and so the Kubernetes API, cannot express."""


def resolve(text: str) -> str | int | float | bool | None:
    """Return the value of a plain scalar.

    Raises:
        NotANumberError: Infinity, not-a-number, or a number of absurd length.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMBER_STARTS:
        return _number(text)
    return text


def _number(text: str) -> str | int | float:
    if text in _NOT_JSON:
        raise NotANumberError(f"{text} is no number that JSON can express")
    plain = text if text[0] == "." else text.replace("_", "")
    integer = _INTEGER.fullmatch(plain)
    if integer is None and not _FLOAT.fullmatch(plain):
        return text
    if len(plain) > _MOST_DIGITS:
        raise NotANumberError(f"a number of {len(plain):,} digits; put it in quotes if it is text")
    if integer is None:
        value = float(plain)
        if value in (float("inf"), float("-inf")):
            raise NotANumberError(f"{text} is too large for a number")
        return value
    sign, *digits = integer.groups()
    magnitude = next(int(found, base) for found, base in zip(digits, _BASES, strict=True) if found is not None)
    return -magnitude if sign == "-" else magnitude
