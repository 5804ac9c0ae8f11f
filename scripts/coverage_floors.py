"""Compares the coverage of each package of packhorse with the floor that pyproject.toml sets for it.

The table ``[tool.packhorse.coverage]`` names a percentage per package, ``other`` for those it does not name, and
``overall`` for all of them together. A percentage counts lines and branches alike.
"""

import argparse
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import coverage

_OVERALL = "overall"
_OTHER = "other"


@dataclass(frozen=True)
class Count:
    """How many lines and branches there are, and how many of them ran."""

    total: int = 0
    covered: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.total + other.total, self.covered + other.covered)

    @property
    def percent(self) -> float:
        """What ran, of a hundred; all of nothing is a hundred."""
        return 100.0 * self.covered / self.total if self.total else 100.0


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    package: str
    count: Count
    floor: float

    @property
    def holds(self) -> bool:
        """Whether the floor is reached."""
        return self.count.percent >= self.floor


def package_of(path: PurePath, root: PurePath) -> str:
    """Name the package that the file ``path`` under ``root`` (``src/packhorse``) belongs to; ``.`` for the top."""
    parts = path.relative_to(root).parts
    return parts[0] if len(parts) > 1 else "."


def compare(counts: Mapping[str, Count], floors: Mapping[str, float]) -> list[Line]:
    """Set the counts of the packages, and their sum, against the floors; sorted by name, the sum last.

    Raises:
        ValueError: The table lacks ``overall`` or ``other``, or names a package that is not there.
    """
    missing = {_OVERALL, _OTHER} - floors.keys()
    unknown = floors.keys() - counts.keys() - {_OVERALL, _OTHER}
    if missing or unknown:
        message = f"[tool.packhorse.coverage] lacks {sorted(missing)}, names what is not there: {sorted(unknown)}"
        raise ValueError(message)
    lines = [Line(name, counts[name], floors.get(name, floors[_OTHER])) for name in sorted(counts)]
    return [*lines, Line(_OVERALL, sum(counts.values(), Count()), floors[_OVERALL])]


def read_counts(data_file: Path, config: Path, root: Path) -> dict[str, Count]:
    """Sum up what coverage measured, by package."""
    measured = coverage.Coverage(data_file=str(data_file), config_file=str(config))
    measured.load()
    counts: defaultdict[str, Count] = defaultdict(Count)
    for name in measured.get_data().measured_files():
        numbers = measured._analyze(name).numbers  # noqa: SLF001 -- the public report rounds before it can be summed
        counts[package_of(Path(name), root)] += Count(
            numbers.n_statements + numbers.n_branches, numbers.n_executed + numbers.n_executed_branches
        )
    return dict(counts)


def render(lines: Sequence[Line]) -> str:
    """Draw the table for a person; a line that misses its floor says so in words."""
    rows = [f"{'package':<12}{'lines+branches':>16}{'covered':>10}{'floor':>8}"]
    for line in lines:
        verdict = "" if line.holds else "  below its floor"
        rows.append(f"{line.package:<12}{line.count.total:>16}{line.count.percent:>9.1f}%{line.floor:>7.0f}%{verdict}")
    return "\n".join(rows)


def main(arguments: Sequence[str]) -> int:
    """Print the table; return 1 when a floor is missed."""
    parser = argparse.ArgumentParser(description="Check the coverage floors.")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="top of the source tree")
    parser.add_argument("--data", type=Path, default=Path(".cache/coverage/data"), help="what coverage measured")
    options = parser.parse_args(arguments)
    config = options.root / "pyproject.toml"
    floors = tomllib.loads(config.read_text(encoding="utf-8"))["tool"]["packhorse"]["coverage"]
    counts = read_counts(options.root / options.data, config, options.root.resolve() / "src" / "packhorse")
    try:
        lines = compare(counts, floors)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(render(lines))
    return 0 if all(line.holds for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
