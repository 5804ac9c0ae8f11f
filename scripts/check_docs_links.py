"""Checks the links of all Markdown files: relative targets exist, and anchors name a heading of their page.

Links to other hosts are not followed: the check needs no network and gives the same answer everywhere. Code blocks
and code spans are not looked into. Anchors follow the rule by which forges name headings: lower case, punctuation
dropped, blanks to hyphens, ``-1``, ``-2`` behind repeated ones.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})")
_CODE_SPAN = re.compile(r"(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(?P<text>.*?)\s*#*\s*$")
# [text](target "title"), ![text](target), and the definition [label]: target
_INLINE = re.compile(r"\]\(\s*<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*<?(?P<target>[^\s>]+)>?")
_EXPLICIT_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"(?P<name>[^\"]+)\"")
_LINKED_TEXT = re.compile(r"!?\[(?P<text>[^\]]*)\]\([^)]*\)")
_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")
_DROPPED = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Link:
    """A link as it stands in a file; ``line`` counts from 1."""

    file: Path
    line: int
    target: str


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside fenced code, numbered from 1."""
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(line)
        if match and not fence:
            fence = match["fence"]
        elif match and match["fence"].startswith(fence):
            fence = ""
        elif not fence:
            yield number, line


def links_of(file: Path, text: str) -> list[Link]:
    """Find the links in the Markdown ``text`` of ``file``."""
    found = []
    for number, line in prose_lines(text):
        plain = _CODE_SPAN.sub("", line)
        definition = _DEFINITION.match(plain)
        targets = [definition["target"]] if definition else [match["target"] for match in _INLINE.finditer(plain)]
        found += [Link(file, number, target) for target in targets]
    return found


def anchors_of(text: str) -> set[str]:
    """Name the anchors of the Markdown ``text``: those of its headings, and those it sets itself."""
    anchors: set[str] = set()
    for _, line in prose_lines(text):
        anchors.update(match["name"] for match in _EXPLICIT_ANCHOR.finditer(line))
        heading = _HEADING.match(line)
        if heading:
            slug = _slug(heading["text"])
            count = 0
            while (name := f"{slug}-{count}" if count else slug) in anchors:
                count += 1
            anchors.add(name)
    return anchors


def _slug(heading: str) -> str:
    shown = _LINKED_TEXT.sub(lambda match: match["text"], heading)
    return _DROPPED.sub("", shown.lower()).replace(" ", "-")


def problem_with(link: Link, root: Path) -> str | None:
    """Say what is wrong with ``link`` in a tree at ``root``, or nothing."""
    if _SCHEME.match(link.target):
        return None
    path, _, anchor = unquote(link.target).partition("#")
    target = root / path.lstrip("/") if path.startswith("/") else link.file.parent / path
    if not path:
        target = link.file
    if not target.resolve().is_relative_to(root.resolve()):
        return f"leaves the repository: {link.target}"
    if not target.exists():
        return f"no such file: {link.target}"
    if anchor and target.suffix == ".md" and anchor not in anchors_of(target.read_text(encoding="utf-8")):
        return f"no such heading: {link.target}"
    return None


def markdown_files(root: Path) -> list[Path]:
    """List the Markdown files of the tree: those that git tracks, and new ones that it does not ignore."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted(path for name in listed.split("\0") if name and (path := root / name).exists())


def main(arguments: Sequence[str]) -> int:
    """Print every broken link as ``file:line: problem``; return 1 when there is one."""
    root = Path(arguments[0]) if arguments else Path.cwd()
    files = markdown_files(root)
    links = [link for file in files for link in links_of(file, file.read_text(encoding="utf-8"))]
    broken = [(link, problem) for link in links if (problem := problem_with(link, root))]
    for link, problem in broken:
        print(f"{link.file.relative_to(root)}:{link.line}: {problem}")
    print(f"{len(links)} links in {len(files)} pages, {len(broken)} broken.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
