"""Fragments that a user could not read as a sentence are refused."""

from pathlib import Path

import pytest

from scripts import check_changelog
from scripts.check_changelog import problems_with


@pytest.mark.parametrize("name", ["bundle.feature.md", "retry-after.fix.md", "v2-names.change.md"])
def test_a_sentence_under_a_good_name_passes(name: str) -> None:
    assert problems_with(name, "`packhorse build` continues where it was killed.\n") == []


@pytest.mark.parametrize(
    "name", ["bundle.md", "Bundle.fix.md", "bundle.bugfix.md", "a b.fix.md", "bundle.fix.txt", "-.fix.md"]
)
def test_other_names_are_refused(name: str) -> None:
    assert len(problems_with(name, "All is well.\n")) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" \n", "says nothing"),
        ("# Fix\n\nAll is well.\n", "heading"),
        ("fixed it\n", "sentence"),
        ("Word. " * 200 + "\n", "a few sentences"),
        ("A word and " * 12 + "end.\n", "line 1 is longer"),
    ],
)
def test_other_texts_are_refused(text: str, problem: str) -> None:
    assert any(problem in found for found in problems_with("a.fix.md", text))


def test_a_folder_is_checked_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "good.fix.md").write_text("All is well.\n")
    assert check_changelog.main([str(tmp_path)]) == 0
    (tmp_path / "bad.md").write_text("All is well.\n")
    assert check_changelog.main([str(tmp_path)]) == 1
    assert "bad.md: name is not" in capsys.readouterr().out
