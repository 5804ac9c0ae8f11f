"""Checks the changelog's fragments: their names, and that each says something to a user.

A fragment is ``changelog/unreleased/<short-name>.<feature|fix|change>.md``; changelog/TEMPLATE.md has the rules.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

KINDS = ("feature", "fix", "change")
_NAME = re.compile(rf"^[a-z0-9][a-z0-9-]*\.(?:{'|'.join(KINDS)})\.md$")
_MAX_CHARACTERS = 800
_MAX_LINE = 120
_SENTENCE_ENDS = (".", "!", ":", "`")


def problems_with(name: str, text: str) -> list[str]:
    """Say what is wrong with the fragment ``name`` whose content is ``text``; empty when all is well."""
    problems = []
    if not _NAME.match(name):
        problems.append(f"name is not <short-name>.<{'|'.join(KINDS)}>.md, lower case with hyphens")
    body = text.strip()
    if not body:
        return [*problems, "says nothing"]
    if body.startswith("#"):
        problems.append("has a heading; the release puts it under one")
    if not body.endswith(_SENTENCE_ENDS):
        problems.append("does not end as a sentence does")
    if len(body) > _MAX_CHARACTERS:
        problems.append(f"has {len(body)} characters; a few sentences are enough ({_MAX_CHARACTERS})")
    problems += [
        f"line {number} is longer than {_MAX_LINE} characters"
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > _MAX_LINE
    ]
    return problems


def check_all(fragments: Iterable[Path]) -> list[str]:
    """Check the files and return one line for each problem."""
    return [
        f"{fragment}: {problem}"
        for fragment in sorted(fragments)
        for problem in problems_with(fragment.name, fragment.read_text(encoding="utf-8"))
    ]


def main(arguments: Sequence[str]) -> int:
    """Check a folder of fragments; return 1 when one is wrong."""
    folder = Path(arguments[0]) if arguments else Path("changelog/unreleased")
    fragments = [path for path in folder.iterdir() if path.name != ".gitkeep"]
    problems = check_all(fragments)
    print(*problems, f"{len(fragments)} changelog fragments, {len(problems)} problems.", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
