"""Reference pages are made from the commands, the same every time, and a stale one is told."""

import json
import re
from pathlib import Path

import click
import pytest

from scripts import generate_docs
from scripts.check_docs_links import anchors_of
from scripts.generate_docs import difference, render_package, render_reference


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def root() -> None:
    """Carry things."""


@root.group()
def store() -> None:
    """Look after the store."""


@store.command()
@click.option("--keep", default=3, show_default=True, help="How many to keep.")
def gc(keep: int) -> None:
    """Remove what nothing names."""


@root.command(hidden=True)
def secret() -> None:
    """Do something that users need not know."""


def test_every_command_has_its_help_in_its_place() -> None:
    page = render_reference(root)

    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Exit codes",
        "## packhorse",
        "## packhorse store",
        "## packhorse store gc",
    ]
    assert "- [`packhorse store gc`](#packhorse-store-gc)" in page
    assert "Usage: packhorse store gc [OPTIONS]" in page
    assert "--keep INTEGER  How many to keep.  [default: 3]" in page
    assert page.count("-h, --help") == 3
    assert "secret" not in page


def test_every_family_of_errors_has_its_exit_code() -> None:
    rows = [line for line in render_reference(root).splitlines() if line.startswith("| ") and "Error |" in line]
    assert [row.split("|")[1].strip() for row in rows] == [str(code) for code in range(1, 10)]
    assert "| 4 | IntegrityError | Bytes are not what their digest, their size or their format says |" in rows


def test_the_page_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = render_reference(root)
    monkeypatch.setenv("COLUMNS", "40")
    assert render_reference(root) == wide


def test_pages_are_written_then_current_then_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_docs, "cli", root)
    monkeypatch.setattr(generate_docs, "schema", lambda: '{"$ref": "P", "$defs": {"P": {"properties": {}}}}\n')
    folder = ["--folder", str(tmp_path / "reference")]

    assert generate_docs.main(["--check", *folder]) == 1
    assert generate_docs.main(folder) == 0
    assert generate_docs.main(["--check", *folder]) == 0
    capsys.readouterr()

    page = tmp_path / "reference" / "cli.md"
    page.write_text(page.read_text(encoding="utf-8").replace("Carry things.", "Carry nothing."), encoding="utf-8")
    assert generate_docs.main(["--check", *folder]) == 1
    printed = capsys.readouterr()
    assert "-  Carry nothing." in printed.out
    assert "+  Carry things." in printed.out
    assert "hint: make docs" in printed.err


def test_equal_content_has_no_difference(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("same\n", encoding="utf-8")
    assert difference(tmp_path / "page.md", "same\n") == ""
    assert difference(tmp_path / "page.md", "other\n") != ""


def test_every_mapping_of_the_package_has_a_table_with_its_keys() -> None:
    page = render_package(generate_docs.schema())

    headings = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert headings[:3] == ["The file", "metadata", "components[]"]
    assert {"components[].images[]", "components[].charts[]", "variables[]", "discovery"} <= set(headings)
    assert (
        "| `components` | list of [`components[]`](#components) | required | Its parts, in no particular order. |"
        in page
    )
    assert "| `images` | list of text or [`components[].images[]`](#componentsimages) |" in page
    assert '| `type` | `boolean` or `integer` or `number` or `string` | `"string"` |' in page
    assert "| `timeoutSeconds` | whole number | `300` | How long to wait until it is ready. At least 1. |" in page


def test_each_link_in_the_page_of_the_package_leads_to_a_heading() -> None:
    page = render_package(generate_docs.schema())

    assert set(re.findall(r"\(#([a-z]+)\)", page)) <= anchors_of(page)


def test_a_bar_in_a_pattern_does_not_end_its_cell() -> None:
    word = {"type": "string", "pattern": "^(a|b)$", "description": "One of two."}
    schema = {"$ref": "#/$defs/Package", "$defs": {"Package": {"properties": {"key": word}}}}

    assert r"| `key` | text |  | One of two. Must match `^(a\|b)$`. |" in render_package(json.dumps(schema))
