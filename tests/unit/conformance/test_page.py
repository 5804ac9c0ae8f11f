"""The tables of the page on conformance."""

from datetime import date
from pathlib import Path

import pytest

from conformance import page
from conformance.official import Outcome
from conformance.page import PAGE, Row

COUNTS = {"end-10": {"directory": 2}, "end-2": {"directory": 3, "sealed bundle": 1}, "Error Codes": {"directory": 1}}
OWN_TABLE = """\
| clause | directory | sealed bundle |
| --- | ---: | ---: |
| end-2 | 3 | 1 |
| end-10 | 2 | – |
| Error Codes | 1 | – |
| all | 6 | 1 |"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / PAGE
    path.parent.mkdir(parents=True)
    marks = "".join(
        f"\n<!-- conformance: begin {name} -->\n<!-- conformance: end -->\n" for name in ("official", "ours")
    )
    path.write_text(f"# Page\n{marks}\nrest\n")
    return tmp_path


def test_the_own_table_is_in_the_order_of_the_specification() -> None:
    assert page.own_table(COUNTS) == OWN_TABLE


def test_both_tables_are_written_and_again(root: Path) -> None:
    rows = [Row("directory", "dev", Outcome(978, 1, 4, 0, ("ping",)))]
    for day in (1, 2):
        page.update(root, rows, "abc", date(2026, 11, day))
        page.update_ours(root, COUNTS)
    text = (root / PAGE).read_text()
    assert text.startswith("# Page\n")
    assert text.endswith("\nrest\n")
    assert text.count("| directory | dev | 983 | 978 | 1 | 4 | 0 |") == 1
    assert "commit `abc`; run on 2026-11-02." in text
    assert page.between(text, "ours") == OWN_TABLE


def test_a_page_that_tells_something_else_is_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page.update_ours(root, COUNTS)
    assert page.check(root, COUNTS) == 0
    assert page.check(root, {**COUNTS, "end-2": {"directory": 4}}) == 1
    assert "not up to date" in capsys.readouterr().err


def test_a_page_without_marks(root: Path) -> None:
    (root / PAGE).write_text("# Page\n")
    with pytest.raises(ValueError, match="no marks for ours"):
        page.update_ours(root, COUNTS)
