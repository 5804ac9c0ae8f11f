"""How a page is read and held against what was printed."""

from pathlib import Path

import pytest

from e2e.walkthrough import Page, check_output

_FENCE = "```"


def page(tmp_path: Path, text: str) -> Page:
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return Page(path, (), "shop", ())


def test_commands_and_what_they_print_come_in_their_order(tmp_path: Path) -> None:
    text = f"{_FENCE}sh site\na\nb\n{_FENCE}\n\nprose\n\n{_FENCE}text\nc\n{_FENCE}\n{_FENCE}yaml\nd: 1\n{_FENCE}\n"
    assert page(tmp_path, text).blocks() == [("site", "a\nb\n"), ("text", "c\n")]


@pytest.mark.parametrize("kind", ["sh", "sh conected", "bash", "console"])
def test_commands_that_name_no_place_are_not_passed_over(kind: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="name no place"):
        page(tmp_path, f"{_FENCE}{kind}\nrm -r /\n{_FENCE}\n").blocks()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Built shop: 123 MiB in 0.7 s", "Built shop: 124 MiB in 1.3 s"),
        ("root  sha256:1322afbaa60e5c9c", "root  sha256:0f28fd3066c722d1"),
        ('"pod": "api-765798b5b9-tpl5c"', '"pod": "api-768746b644-9d2hg"'),
        ("web-0   Running   12s", "web-0   Running   1m2s"),
        ("◌ Deployment/api  0 of 2 ready", ""),
        ("  …", ""),
    ],
)
def test_what_differs_from_run_to_run_does_not_count(written: str, said: str, tmp_path: Path) -> None:
    check_output(page(tmp_path, ""), written, f"before\n{said}\nafter\n")


def test_a_line_that_was_not_printed_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"shows what was not printed: \['Deployed shop"):
        check_output(page(tmp_path, ""), "Deployed shop 1.0.0\nNext: packhorse status", "Next: packhorse status\n")
