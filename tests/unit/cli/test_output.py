"""Data on stdout: JSON, tables, trees."""

import json
from dataclasses import dataclass

import click
import msgspec
import pytest
from click.testing import CliRunner

from packhorse.cli.output import Tree, output_option, print_json, table_lines, tree_lines
from packhorse.oci.digest import Digest


class Part(msgspec.Struct, rename="camel"):
    total_bytes: int
    digest: Digest


@dataclass
class Item:
    name: str


def test_json_has_a_schema_version_first(capsys: pytest.CaptureFixture[str]) -> None:
    digest = Digest.of(b"x")
    print_json({"part": Part(3, digest), "items": (Item("ü"),), "digest": digest})
    printed = capsys.readouterr().out
    assert printed.startswith('{\n  "schemaVersion": 1,\n')
    assert json.loads(printed) == {
        "schemaVersion": 1,
        "part": {"totalBytes": 3, "digest": str(digest)},
        "items": [{"name": "ü"}],
        "digest": str(digest),
    }
    print_json({}, schema_version=2)
    assert json.loads(capsys.readouterr().out) == {"schemaVersion": 2}


def test_a_table_is_aligned_and_has_no_trailing_blanks() -> None:
    rows = [["name", "size", "note"], ["redis", "1.4 MiB", ""], ["x", "17 B", "old"]]
    assert list(table_lines(rows, right=[1])) == ["name      size  note", "redis  1.4 MiB", "x         17 B  old"]
    assert list(table_lines([])) == []


def test_a_tree() -> None:
    tree = Tree("shop", (Tree("images", (Tree("a"), Tree("b"))), Tree("charts", (Tree("c"),))))
    assert list(tree_lines(tree)) == ["shop", "├─ images", "│  ├─ a", "│  └─ b", "└─ charts", "   └─ c"]


def test_the_option() -> None:
    @click.command()
    @output_option
    def command(output: str) -> None:
        click.echo(output)

    assert CliRunner().invoke(command, []).output == "text\n"
    assert CliRunner().invoke(command, ["-o", "json"]).output == "json\n"
    assert CliRunner().invoke(command, ["--output", "xml"]).exit_code == 2
