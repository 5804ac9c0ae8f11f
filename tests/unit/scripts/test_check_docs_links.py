"""Broken links and anchors are found, and what only looks like a link is not."""

import subprocess
from pathlib import Path

import pytest

from scripts import check_docs_links
from scripts.check_docs_links import Link, anchors_of, links_of, problem_with


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("# The `bundle`, closer\n\n## Order\n\n## Order\n")
    (tmp_path / "code.py").write_text("pass\n")
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        "docs/page.md",
        "docs/page.md#the-bundle-closer",
        "docs/page.md#order-1",
        "/docs/page.md#order",
        "docs/",
        "docs/../code.py",
        "code.py#L3",
        "https://example.test/nothing",
        "mailto:someone@example.test",
    ],
)
def test_a_target_that_is_there_is_no_problem(tree: Path, target: str) -> None:
    assert problem_with(Link(tree / "README.md", 1, target), tree) is None


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("docs/pag.md", "no such file"),
        ("docs/page.md#order-2", "no such heading"),
        ("docs/page.md#Order", "no such heading"),
        ("../outside.md", "leaves the repository"),
    ],
)
def test_a_target_that_is_not_there_is_told(tree: Path, target: str, problem: str) -> None:
    assert (problem_with(Link(tree / "README.md", 1, target), tree) or "").startswith(problem)


def test_an_anchor_alone_is_looked_up_in_its_own_page(tree: Path) -> None:
    page = tree / "docs" / "page.md"
    assert problem_with(Link(page, 1, "#order"), tree) is None
    assert problem_with(Link(page, 1, "#elsewhere"), tree) == "no such heading: #elsewhere"


def test_links_are_found_in_every_form_with_their_line() -> None:
    text = 'One [a](a.md), ![b](b.png "title").\n\n[label]: <c.md>\n[x] and (y), [t](d.md#e)\n'
    assert [(link.line, link.target) for link in links_of(Path("p.md"), text)] == [
        (1, "a.md"),
        (1, "b.png"),
        (3, "c.md"),
        (4, "d.md#e"),
    ]


def test_code_is_not_looked_into() -> None:
    text = "`[a](a.md)` ``x `[b](b.md)` ``\n\n~~~\n[c](c.md)\n```\n~~~\n\n```sh\n[d](d.md)\n# no heading\n```\n"
    assert links_of(Path("p.md"), text) == []
    assert anchors_of(text) == set()


def test_anchors_are_named_as_forges_name_them() -> None:
    text = '# 1. What is `x_y`?\n## See [the page](p.md) ##\n<a id="own"></a>\n## Über – alles\n'
    assert anchors_of(text) == {"1-what-is-x_y", "see-the-page", "own", "über--alles"}


def test_the_whole_tree_is_checked_but_for_what_git_ignores(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    (tree / ".gitignore").write_text("cache/\n")
    (tree / "cache").mkdir()
    (tree / "cache" / "x.md").write_text("[a](gone.md)\n")
    (tree / "README.md").write_text("text\n\n[a](docs/page.md) [b](gone.md)\n")

    assert check_docs_links.main([str(tree)]) == 1

    assert capsys.readouterr().out.splitlines() == [
        "README.md:3: no such file: gone.md",
        "2 links in 2 pages, 1 broken.",
    ]
