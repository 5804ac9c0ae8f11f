"""Whatever the bytes, every YAML reader gives plain values or a ConfigError, and both ways of reading agree."""

import json
from random import Random

from packhorse.base.errors import ConfigError
from packhorse.package import definition, lock_file
from packhorse.package.substitution import substitute_document
from packhorse.package.variables import VariableValues, read_values
from packhorse.package.yaml_document import LocatedDocument, load_all, read_located

TOKENS = (
    b"---\n", b"...\n", b"\n", b"\r\n", b"\t", b" ", b"  ", b"- ", b": ", b"? ", b"#", b"&a ", b"*a ", b"*a\n",
    b"<<: *a\n", b"!!str ", b"!!binary ", b"!!int ", b"!x ", b"!<tag:yaml.org,2002:str> ", b"|\n", b">-\n", b"|2+\n",
    b"'", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"%YAML 1.1\n", b"%TAG ! tag:x,2000:\n", b"~", b"null", b"yes",
    b"0x1f", b"0o7", b".inf", b"1_000", b"2026-01-31", b"${var.a}", b"$${var.a}", b"\x00", b"\xff", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\xc2\x85", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b'"\\ud83d"', b'"\\x00"',
    b"apiVersion: ", b"components:\n", b"  - name: ", b"images: ", b"sha256:", b"<<<<<<< ", b"a: &a [*a]\n",
)  # fmt: skip

_SMALL = 20_000
_VALUES = VariableValues({"a": "x: y\n- z", "n": 3})
_INDENTS = (-4, -2, -1, 1, 2, 4, 300)


def fuzz_one(data: bytes) -> None:
    """Read ``data`` in every way."""
    located = _located(data)
    for read in (definition.loads, lock_file.loads, read_values):
        try:
            read(data, "input")
        except ConfigError as error:
            _check_message(error)
    if located is not None:
        try:
            substitute_document(located, _VALUES)
        except ConfigError as error:
            _check_message(error)
    documents = load_all(data, "input")
    if located is not None and documents:
        assert [located.value] == documents, "both ways of reading must agree"
    if len(data) < _SMALL and b"*" not in data:
        json.dumps(documents, allow_nan=False)


def _located(data: bytes) -> LocatedDocument | None:
    try:
        document = read_located(data, "input")
    except ConfigError as error:
        _check_message(error)
        return None
    lines = len(data.splitlines()) + data.count(b"\xc2\x85") + data.count(b"\xe2\x80") + 1
    if isinstance(document.value, dict):
        for key in list(document.value)[:50]:
            span = document.key_span((key,))
            assert 1 <= span.line <= lines, f"line {span.line} of {lines}"
            assert span.column >= 1
    return document


def _check_message(error: ConfigError) -> None:
    """A message names the text, is short, and cannot steer a terminal."""
    for message in (error.message, *(failure.message for failure in error.failures[:50])):
        assert "input" in message
        assert all(character.isprintable() or character == "\n" for character in message), repr(message)
        assert max(map(len, message.split("\n"))) < 1000, len(message)  # noqa: PLR2004 - lines of a terminal


def mutate(data: bytes, random: Random) -> bytes:
    """Change whole lines, as people and broken templates do."""
    lines = data.splitlines(keepends=True)[:5000]
    if not lines:
        return _bomb(random)
    place = random.randrange(len(lines))
    match random.randrange(7):
        case 0:
            lines.insert(random.randrange(len(lines)), lines[place])
        case 1:
            del lines[place]
        case 2:
            by = random.choice(_INDENTS)
            lines[place] = b" " * by + lines[place] if by > 0 else lines[place][-by:]
        case 3:
            key, colon, value = lines[place].partition(b":")
            anchor = random.choice([b" &a", b" *a", b" !!str", b" |", b" {", b" ["])
            lines[place] = key + colon + anchor + value
        case 4:
            other = random.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        case 5:
            lines[place] = (
                random.choice([b"[", b"{a: ", b'"', b"- ", b"? "]) * random.choice([1, 10, 300, 5000]) + lines[place]
            )
        case _:
            lines.insert(place, _bomb(random))
    return b"".join(lines)


def _bomb(random: Random) -> bytes:
    """Make aliases of aliases, or merges of merges."""
    width, depth = random.randint(2, 12), random.randint(2, 40)
    lines = [b"a0: &a0 " + random.choice([b"[x, y]", b"{k: v}", b"text", b"{}"])]
    for level in range(1, depth):
        inner = b", ".join([b"*a%d" % (level - 1)] * width)
        body = random.choice([b"[%s]", b"{k: [%s]}", b"{<<: [%s]}", b"{k: {<<: [%s]}, j: 1}"]) % inner
        lines.append(b"a%d: &a%d " % (level, level) + body)
    return b"\n".join(lines) + b"\n"
