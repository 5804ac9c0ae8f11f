"""The tables of ``docs/reference/conformance.md``: written from a run, and held against the suite."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from conformance.official import Outcome

__all__ = ["PAGE", "Row", "between", "check", "own_table", "table", "update", "update_ours"]

PAGE = Path("docs/reference/conformance.md")
_OFFICIAL = "official"
_OURS = "ours"

Counts = Mapping[str, Mapping[str, int]]
"""Clause of the specification, store, number of tests."""


@dataclass(frozen=True)
class Row:
    """One run of the program."""

    store: str
    setting: str
    outcome: Outcome


def table(rows: Sequence[Row]) -> str:
    """Draw what the program has found."""
    lines = [
        "| store | setting | checks | passed | failed | skipped | disabled |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        found = row.outcome
        numbers = (found.total, found.passed, found.failed, found.skipped, found.disabled)
        lines.append(f"| {row.store} | {row.setting} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def own_table(counts: Counts) -> str:
    """Draw how many tests the project's own suite has for each clause over each store."""
    stores = sorted({store for found in counts.values() for store in found})
    lines = [f"| clause | {' | '.join(stores)} |", f"| --- |{' ---: |' * len(stores)}"]
    for clause in sorted(counts, key=_order):
        numbers = [str(counts[clause].get(store, "–")) for store in stores]
        lines.append(f"| {clause} | {' | '.join(numbers)} |")
    totals = [str(sum(found.get(store, 0) for found in counts.values())) for store in stores]
    return "\n".join([*lines, f"| all | {' | '.join(totals)} |"])


def update(root: Path, rows: Sequence[Row], commit: str, day: date) -> None:
    """Write what the program has found into the page."""
    told = f"Program: `opencontainers/distribution-spec` at commit `{commit}`; run on {day.isoformat()}."
    _replace(root / PAGE, _OFFICIAL, f"{told}\n\n{table(rows)}")


def update_ours(root: Path, counts: Counts) -> None:
    """Write the project's own suite into the page."""
    _replace(root / PAGE, _OURS, own_table(counts))


def check(root: Path, counts: Counts) -> int:
    """Return 1 where the page's table of the project's own suite is not what the suite is."""
    if between((root / PAGE).read_text(encoding="utf-8"), _OURS) == own_table(counts):
        print(f"{PAGE} has the suite as it is.")
        return 0
    print(f"{PAGE} is not up to date; write it with: python -m conformance --update-docs", file=sys.stderr)
    return 1


def between(text: str, name: str) -> str:
    """Return what stands between a pair of marks."""
    match = _marks(name).search(text)
    if match is None:
        raise ValueError(f"{PAGE} has no marks for {name}")
    return match[2].strip()


def _replace(path: Path, name: str, content: str) -> None:
    text = path.read_text(encoding="utf-8")
    between(text, name)
    path.write_text(_marks(name).sub(lambda match: f"{match[1]}\n\n{content}\n\n{match[3]}", text), encoding="utf-8")


def _marks(name: str) -> re.Pattern[str]:
    return re.compile(f"(<!-- conformance: begin {name} -->)(.*?)(<!-- conformance: end -->)", re.DOTALL)


def _order(clause: str) -> tuple[int, int, str]:
    number = re.match(r"end-([0-9]+)", clause)
    return (0, int(number[1]), clause) if number else (1, 0, clause)
