"""Writes the reference pages that are made from the code, or checks that they are as the code would make them.

``docs/reference/cli.md`` shows the help of every command as a terminal 100 columns wide shows it, and the exit codes;
``docs/reference/package.schema.json`` is what ``packhorse schema`` prints. The same code gives the same bytes.
"""

import argparse
import difflib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import click

from packhorse.base import errors
from packhorse.cli.console import Console
from packhorse.cli.main import cli, run

_PROGRAM = "packhorse"
_COLUMNS = 100
_INTRODUCTION = """\
# Command line

Made from the program itself by `make docs`; every text below is what `--help` prints.

Data goes to stdout, everything else to stderr. The exit code tells the family of the error:
"""


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the path (``packhorse store gc``) and the help of ``command`` and of all below it, in their own order."""
    yield context.command_path, command.get_help(context)
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if child is not None and not child.hidden:
            yield from walk(child, _context(child, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=_COLUMNS, max_content_width=_COLUMNS, color=False
    )


def render_reference(root: click.Command) -> str:
    """Draw the page of the command line below ``root``."""
    pages = list(walk(root, _context(root, _PROGRAM)))
    lines = [_INTRODUCTION, *_exit_codes(), "", "Commands:", ""]
    lines += [f"- [`{path}`](#{path.replace(' ', '-')})" for path, _ in pages]
    for path, text in pages:
        lines += ["", f"## {path}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _exit_codes() -> Iterator[str]:
    families = [getattr(errors, name) for name in errors.__all__]
    yield "| code | family | means |"
    yield "| ---: | --- | --- |"
    yield "| 0 | | Done |"
    for family in sorted(families, key=lambda item: item.exit_code):
        meaning = "A defect in Packhorse, or a state that nobody foresaw"
        if family is not errors.PackhorseError:
            meaning = (family.__doc__ or "").partition("\n")[0].rstrip(".")
        yield f"| {family.exit_code} | {family.__name__} | {meaning} |"


def schema() -> str:
    """Return what ``packhorse schema`` prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = run(["schema"], Console())
    if code != 0:
        message = f"packhorse schema ended with exit code {code}"
        raise RuntimeError(message)
    return printed.getvalue()


def difference(path: Path, wanted: str) -> str:
    """Return how the file at ``path`` differs from ``wanted``, as a unified diff; empty when it does not."""
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        found.splitlines(), wanted.splitlines(), f"{path} (is)", f"{path} (shall be)", n=1, lineterm=""
    )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Write the pages; with ``--check`` only compare, and return 1 when one is out of date."""
    parser = argparse.ArgumentParser(description="Generate the reference pages.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--folder", type=Path, default=Path("docs/reference"), help="where the pages are")
    options = parser.parse_args(arguments)
    pages = {"cli.md": render_reference(cli), "package.schema.json": schema()}
    stale = 0
    for name, content in pages.items():
        path = options.folder / name
        changes = difference(path, content)
        if not changes:
            continue
        if options.check:
            stale += 1
            print(changes)
        else:
            options.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            print(f"Wrote {path}")
    if stale:
        print(f"{stale} generated pages are out of date. hint: make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    # The help must not depend on the terminal or the settings of whoever runs this.
    for variable in [name for name in os.environ if name.startswith("PACKHORSE_")]:
        del os.environ[variable]
    sys.exit(main(sys.argv[1:]))
