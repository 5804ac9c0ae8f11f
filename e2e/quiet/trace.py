"""Reads what ``strace -f -y -o FILE`` writes: text in, whole system calls out.

A line that is not understood is an error: a reader that passes over lines would be blind without knowing it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Call", "TraceError", "parse"]

_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_BEGUN = re.compile(r"(?P<name>\w+)\(")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_RESULT = re.compile(r"\s+= (?P<result>.*)")
_UNFINISHED = re.compile(r"\s*<unfinished \.\.\.>(?:\)\s+= \?)?$")
_ENDED = re.compile(
    r"\+\+\+ (?:exited with \d+|killed by \w+(?: \(core dumped\))?|superseded by execve in pid \d+) \+\+\+"
)
_SIGNAL = re.compile(r"--- .* ---")
# What an argument is made of, as far as it matters where one ends: strings, what stands behind a descriptor's number
# (3<socket:[1]>, AT_FDCWD</tmp>; a > in it is escaped), brackets, commas.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|(?<=[0-9D])<[^>]*>|[(\[{)\]},]')
_OPENING, _CLOSING, _ENDING = frozenset("([{"), frozenset(")]}"), frozenset(",)")
NEVER_RETURNED = "?"


class TraceError(Exception):
    """A line of a trace that is not understood."""


@dataclass(frozen=True)
class Call:
    """One system call.

    Attributes:
        thread: Who called: a thread's id, which is the process's for its first one.
        name: The call's.
        arguments: As strace shows them, strings with their quotes.
        result: As strace shows it: ``3<socket:[17]>``, ``-1 ENOENT (No such file or directory)``, or ``?`` for a call
            that never came back.
    """

    thread: int
    name: str
    arguments: tuple[str, ...]
    result: str

    @property
    def returned(self) -> int | None:
        """The number that it returned; None for a call that failed or never came back."""
        found = re.match(r"\d+", self.result)
        return int(found[0]) if found else None


def parse(text: str) -> Iterator[Call]:
    """Read a whole trace; calls come in the order in which they ended, those that never did at the end of their thread.

    Raises:
        TraceError: A line is of no form that is known.
    """
    begun: dict[int, str] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise TraceError(f"not a line of strace: {line!r}")
        thread, rest = int(found["thread"]), found["rest"]
        if _SIGNAL.fullmatch(rest):
            continue
        if _ENDED.fullmatch(rest):
            yield from _never_returned(thread, begun)
            continue
        resumed = _RESUMED.fullmatch(rest)
        if resumed is not None:
            start = begun.pop(thread, "")
            if not start.startswith(f"{resumed['name']}("):
                raise TraceError(f"what is resumed here was not begun: {line!r}")
            rest = start + resumed["rest"]
        unfinished = _UNFINISHED.search(rest)
        if unfinished is None:
            yield _whole(thread, rest)
        else:
            begun[thread] = rest[: unfinished.start()]
    for thread in list(begun):
        yield from _never_returned(thread, begun)


def _never_returned(thread: int, begun: dict[int, str]) -> Iterator[Call]:
    start = begun.pop(thread, None)
    if start is not None:
        name, arguments, _ = _read(start, complete=False)
        yield Call(thread, name, arguments, NEVER_RETURNED)


def _whole(thread: int, text: str) -> Call:
    name, arguments, rest = _read(text, complete=True)
    result = _RESULT.fullmatch(rest)
    if result is None:
        raise TraceError(f"a system call without its result: {text!r}")
    return Call(thread, name, arguments, result["result"])


def _read(text: str, *, complete: bool) -> tuple[str, tuple[str, ...], str]:
    """Take a call apart: its name, its arguments, and what comes after them."""
    begun = _BEGUN.match(text)
    if begun is None:
        raise TraceError(f"not a system call: {text!r}")
    arguments: list[str] = []
    depth, start = 0, begun.end()
    for found in _PIECE.finditer(text, begun.end()):
        piece = found[0]
        if piece in _OPENING:
            depth += 1
        elif piece in _CLOSING and depth:
            depth -= 1
        elif not depth and piece in _ENDING:
            arguments.append(text[start : found.start()].strip())
            start = found.end()
            if piece == ")":
                return begun["name"], _without_none(arguments), text[start:]
    if complete:
        raise TraceError(f"a system call that is cut off: {text!r}")
    return begun["name"], _without_none([*arguments, text[start:].strip()]), ""


def _without_none(arguments: list[str]) -> tuple[str, ...]:
    """A call without arguments leaves an empty one behind."""
    return tuple(argument for argument in arguments if argument)
