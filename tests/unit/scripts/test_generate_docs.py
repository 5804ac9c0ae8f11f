"""Reference pages are made from the commands, the same every time, and a stale one is told."""

from pathlib import Path

import click
import pytest

from scripts import generate_docs
from scripts.generate_docs import difference, render_reference


@click.group()
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
        "## packhorse",
        "## packhorse store",
        "## packhorse store gc",
    ]
    assert "- [`packhorse store gc`](#packhorse-store-gc)" in page
    assert "Usage: packhorse store gc [OPTIONS]" in page
    assert "--keep INTEGER  How many to keep.  [default: 3]" in page
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
    monkeypatch.setattr(generate_docs, "schema", lambda: "{}\n")
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
