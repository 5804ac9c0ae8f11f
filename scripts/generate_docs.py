"""Writes the reference pages that are made from the code, or checks that they are as the code would make them.

``docs/reference/cli.md`` shows the help of every command as a terminal 100 columns wide shows it, and the exit codes;
``docs/reference/package.schema.json`` is what ``packhorse schema`` prints, and ``docs/reference/package.md`` tells the
same to people. The same code gives the same bytes.
"""

import argparse
import difflib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from packhorse.base import errors
from packhorse.cli.console import Console
from packhorse.cli.main import cli, run

_PROGRAM = "packhorse"
_COLUMNS = 100
_INTRODUCTION = """\
# Command line

Made from the program itself by `make docs`; every text below is what `--help` prints.

Data goes to stdout, everything else to stderr.

## Exit codes

The exit code tells the family of the error. A run that goes on after single failures ends with the code of the first.
"""
_PACKAGE_INTRODUCTION = """\
# packhorse.yaml

Made from the types that read the file, by `make docs`; `packhorse schema` prints the same as JSON Schema
([package.schema.json](package.schema.json)), with which editors complete and check it.

The file is YAML 1.1, one document, in UTF-8, of at most 16 MiB. A key that is not known, a key that is there twice and
a tab for indentation are errors, and each error names file, line and column. Paths are relative to the folder of
`packhorse.yaml` and stay in it. `${var.NAME}` is replaced in values files, manifests and kustomizations, not in
`packhorse.yaml` itself ([variables](../how-to/variables-and-secrets.md)).
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
        command,
        info_name=name,
        parent=parent,
        terminal_width=_COLUMNS,
        max_content_width=_COLUMNS,
        color=False,
        help_option_names=command.context_settings.get("help_option_names"),
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


def render_package(schema_text: str) -> str:
    """Draw the page of ``packhorse.yaml`` from its JSON Schema: a table for each mapping that can stand in it."""
    document = json.loads(schema_text)
    definitions = document["$defs"]
    lines = [_PACKAGE_INTRODUCTION]
    for path, name in _mappings(definitions, document["$ref"].rpartition("/")[2], ""):
        lines += [f"## {path or 'The file'}", "", definitions[name].get("description", ""), ""]
        lines += [*_keys(definitions[name], path), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _mappings(definitions: Mapping[str, Any], name: str, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each mapping (``components[].charts[]``) with its definition, each after the one it is in."""
    yield path, name
    for key, value in definitions[name].get("properties", {}).items():
        below = f"{path}.{key}" if path else key
        for marks, child in _references(value):
            yield from _mappings(definitions, child, below + marks)


def _references(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the definitions that a value may be of, with ``[]`` for those in a list."""
    if "$ref" in value:
        yield "", value["$ref"].rpartition("/")[2]
    for choice in value.get("anyOf", ()):
        yield from _references(choice)
    if isinstance(value.get("items"), dict):
        for marks, child in _references(value["items"]):
            yield f"[]{marks}", child


def _keys(definition: Mapping[str, Any], path: str) -> Iterator[str]:
    required = definition.get("required", ())
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for key, value in definition["properties"].items():
        default = "required" if key in required else _default(value.get("default"))
        kind = _kind(value, f"{path}.{key}" if path else key)
        cells = (f"`{key}`", kind, default, _meaning(value))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(value: object) -> str:
    return "" if value in (None, "", [], {}) else f"`{json.dumps(value)}`"


def _kind(value: Mapping[str, Any], path: str) -> str:
    if "$ref" in value:
        anchor = "".join(letter for letter in path.lower() if letter.isalnum())
        return f"[`{path}`](#{anchor})"
    if "anyOf" in value:
        choices = [_kind(choice, path) for choice in value["anyOf"] if choice.get("type") != "null"]
        return " or ".join(choices)
    if "enum" in value:
        return " or ".join(f"`{word}`" for word in value["enum"])
    kind = value.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(value['items'], path + '[]')}"
    if kind == "object":
        return f"mapping of names to {_kind(value.get('additionalProperties') or {}, path)}"
    return {"string": "text", "integer": "whole number", "boolean": "`true` or `false`"}.get(kind, str(kind))


def _meaning(value: Mapping[str, Any]) -> str:
    choices = [choice for choice in value.get("anyOf", ()) if "pattern" in choice]
    inner = value.get("items") if isinstance(value.get("items"), dict) else None
    text = str(value.get("description", ""))
    patterned = next((part for part in (value, *choices, inner or {}) if "pattern" in part), None)
    if patterned is not None:
        own = patterned.get("description", "")
        text = text if not own or own in text else f"{text} {own}".strip()
        text = f"{text} Must match `{patterned['pattern']}`."
    if "minimum" in value:
        text = f"{text} At least {value['minimum']}."
    return text.strip()


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
    described = schema()
    pages = {
        "cli.md": render_reference(cli),
        "package.md": render_package(described),
        "package.schema.json": described,
    }
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
