"""Data on stdout: JSON with a schema version for programs, tables and trees of text for people."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click
import msgspec

__all__ = ["OutputFormat", "Tree", "output_option", "print_json", "table_lines", "tree_lines"]

OutputFormat = Literal["text", "json"]

_SCHEMA_VERSION = 1
_COLUMN_GAP = "  "

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def output_option(function: _Decorated) -> _Decorated:
    """Give a verb ``--output text|json``; the value reaches it as ``output``."""
    option = click.option(
        "--output",
        "-o",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Text for people, or JSON with a schema version for programs.",
    )
    return option(function)


def print_json(data: Mapping[str, Any], *, schema_version: int = _SCHEMA_VERSION) -> None:
    """Print one JSON object to stdout, with ``schemaVersion`` as its first key.

    Args:
        data: What the verb has to tell; msgspec structs, dataclasses and tuples in it are written as JSON.
        schema_version: Raised by a verb whose keys change their meaning or go away; a new key needs no new version.
    """
    plain = msgspec.to_builtins({"schemaVersion": schema_version, **data}, str_keys=True, enc_hook=_own_type)
    click.echo(json.dumps(plain, indent=2, ensure_ascii=False))


def _own_type(value: object) -> str:
    """Write one of our own string types (a digest, a reference) as text."""
    return str(value)


def table_lines(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> Iterator[str]:
    """Yield ``rows`` with their columns aligned, without trailing blanks.

    Args:
        rows: All of one length.
        right: Numbers of the columns, from 0, that are aligned to the right (figures).
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield _COLUMN_GAP.join(cells).rstrip()


@dataclass(frozen=True, slots=True)
class Tree:
    """A line of text with further lines below it."""

    text: str
    children: tuple["Tree", ...] = ()


def tree_lines(tree: Tree) -> Iterator[str]:
    """Yield ``tree`` as lines, its branches drawn with box characters."""
    yield tree.text
    yield from _branches(tree.children, "")


def _branches(children: Sequence[Tree], indent: str) -> Iterator[str]:
    for number, child in enumerate(children, 1):
        is_last = number == len(children)
        yield f"{indent}{'└─ ' if is_last else '├─ '}{child.text}"
        yield from _branches(child.children, indent + ("   " if is_last else "│  "))
