"""How an error looks: what is wrong, the single failures, and last what to do."""

import json
import sys
from collections.abc import Iterator

import click

from packhorse.base.errors import PackhorseError
from packhorse.base.printable import printable
from packhorse.cli.console import Console

__all__ = ["print_failure"]

_MOST_FAILURES = 50


def print_failure(error: PackhorseError, console: Console) -> None:
    """Print ``error`` with all it lists to stderr, and last what to do; as one JSON line where progress is in JSON."""
    hint = error.hint or error.next_step
    if console.progress == "json":
        click.echo(json.dumps({"event": "error", **_data(error), "hint": hint}, ensure_ascii=False), err=True)
        return
    first, *rest = printable(error.message).split("\n")
    click.echo(console.styled(first, sys.stderr, fg="red", bold=True), err=True)
    for line in rest:
        click.echo(line, err=True)
    for line in _failures(error, "  ", hint):
        click.echo(line, err=True)
    click.echo(f"{console.styled('hint:', sys.stderr, bold=True)} {printable(hint)}", err=True)


def _data(error: PackhorseError) -> dict[str, object]:
    data: dict[str, object] = {"exitCode": error.exit_code, "message": error.message}
    if error.hint is not None:
        data["hint"] = error.hint
    if error.failures:
        data["failures"] = [_data(failure) for failure in error.failures]
    return data


def _failures(error: PackhorseError, indent: str, hint: str) -> Iterator[str]:
    """Yield a line or more per failure, with its own hint where it is another than the one that stands last."""
    for failure in error.failures[:_MOST_FAILURES]:
        yield from (indent + line for line in printable(failure.message).split("\n"))
        yield from _failures(failure, indent + "  ", failure.hint or hint)
        if failure.hint is not None and failure.hint != hint:
            yield f"{indent}  hint: {printable(failure.hint)}"
    left = len(error.failures) - _MOST_FAILURES
    if left > 0:
        yield f"{indent}and {left:,} more"
