"""Writes tables and plots of a results file into a page, and checks that the page has what its file says.

A page names its file in ``<!-- bench: results PATH -->`` and has a place for each table, from ``<!-- bench: begin NAME
-->`` to ``<!-- bench: end -->``; what is between is written by this module only. The plot stands beside the page.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.programs import PACKHORSE
from bench.report.figures import size
from bench.report.plot import Line, Panel, draw
from bench.report.tables import Table, growth_table, job_tables, limits_table, overview
from bench.results import Point, Results, load
from bench.summary import Summary, summarise
from packhorse.base.units import plural

__all__ = ["DEFAULT_PAGE", "check_page", "cost_against_size", "fill_page", "write_page"]

_TREE = Path(__file__).parents[2]
DEFAULT_PAGE = _TREE / "docs" / "performance.md"
_PLOT = "cost-against-size.svg"
_GIB = 1024**3
_MIB = 1024**2
_FILE = re.compile(r"<!-- bench: results (?P<path>\S+) -->")
_PLACE = re.compile(r"(?P<begin><!-- bench: begin (?P<name>[\w-]+) -->\n).*?(?P<end><!-- bench: end -->)", re.DOTALL)


def write_page(results: Results, source: Path, page: Path) -> None:
    """Write tables, plot and the name of the file.

    Raises:
        BenchError: The page has a place that no table is for.
    """
    text = _FILE.sub(f"<!-- bench: results {source.resolve().relative_to(_TREE)} -->", page.read_text())
    page.write_text(fill_page(text, results))
    page.with_name(_PLOT).write_text(cost_against_size(results))


def check_page(page: Path) -> int:
    """Compare a page and its plot with the results file that it names; return 1 where they differ, and say so."""
    text = page.read_text()
    named = _FILE.search(text)
    if named is None:
        raise BenchError(f'expected "<!-- bench: results PATH -->" in {page}, found none')
    results = load(_TREE / named["path"])
    stale = []
    if fill_page(text, results) != text:
        stale.append(page)
    if page.with_name(_PLOT).read_text() != cost_against_size(results):
        stale.append(page.with_name(_PLOT))
    for path in stale:
        print(f"{path} does not say what {named['path']} says", file=sys.stderr)
    if stale:
        print(f"hint: python -m bench report {named['path']}", file=sys.stderr)
    return 1 if stale else 0


def fill_page(text: str, results: Results) -> str:
    """Return the text of a page with all places filled.

    Raises:
        BenchError: A place has a name that no table is for.
    """
    tables = {
        "conditions": _conditions(results),
        "overview": _markdown(overview(results)),
        "jobs": "\n".join(f"### {_heading(table.title)}\n\n{_markdown(table)}" for table in job_tables(results)),
        "growth": _markdown(growth_table(results)),
        "limits": _markdown(limits_table(results)),
    }

    def place(found: re.Match[str]) -> str:
        if found["name"] not in tables:
            raise BenchError(f"expected one of {', '.join(tables)} after bench: begin, found {found['name']}")
        return f"{found['begin']}\n{tables[found['name']]}\n{found['end']}"

    return _PLACE.sub(place, text)


def _heading(title: str) -> str:
    return title[0].upper() + title[1:]


def _conditions(results: Results) -> str:
    machine, content = results.machine, results.content
    extensions = "with" if machine.sha_extensions else "without"
    changed = ", ".join(f"{name} {size(new)}" for name, new in content.changed_bytes.items())
    lines = [
        f"- Date: {results.date}; {plural(results.rounds, 'round')}.",
        (
            f"- Machine: {machine.processor}, {machine.cores} cores {extensions} SHA extensions,"
            f" {machine.memory_bytes / _GIB:.0f} GiB, Linux {machine.kernel}, Python {machine.python};"
            f" load average at the start {machine.load_average[0]:.1f}."
        ),
        (
            f"- Content: {content.images} images in {content.blobs} blobs, {size(content.size_bytes)}, of the sets"
            f" {', '.join(content.sets)} of the corpus; new in the later editions: {changed}."
        ),
        f"- Registry: {results.registry}.",
        "- Programs: " + ", ".join(f"{name} {version}" for name, version in results.programs.items()) + ".",
        *(f"- Not measured: {name}: {reason}." for name, reason in results.missing.items()),
        *(
            f"- Left out of {course}: {name}: {_first_line(reason)}"
            for course, reasons in results.left_out.items()
            for name, reason in reasons.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _first_line(reason: str) -> str:
    """The end of a program's complaint says the most; paths of the machine that it ran on say nothing."""
    return re.sub(r"\S*/(?=[^/\s]+)", "", reason.strip().splitlines()[-1])[:200]


def _markdown(table: Table) -> str:
    rules = ["---", *("---:" for _ in table.header[1:])]
    return "\n".join(_row(row) for row in (table.header, rules, *table.rows)) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def cost_against_size(results: Results) -> str:
    """Draw what building costs as the content grows: seconds, memory, temporary space."""
    by_program: dict[str, list[tuple[float, Summary]]] = {}
    for point in _by_size(results.growth):
        by_program.setdefault(point.program, []).append((point.content_bytes / _GIB, summarise(point.samples)))

    def lines(of: str, unit: float) -> list[Line]:
        return [
            Line(name, [(content, getattr(taken, of) / unit) for content, taken in points])
            for name, points in by_program.items()
        ]

    across = "content, GiB"
    panels = [
        Panel("Time to build, s", across, lines("wall_seconds", 1)),
        Panel("Peak memory of building, MiB", across, lines("peak_bytes", _MIB)),
        Panel("Space beyond the bundle, GiB", across, lines("space_bytes", _GIB)),
    ]
    return draw(panels, PACKHORSE.name)


def _by_size(points: Sequence[Point]) -> list[Point]:
    """Return the points of building that belong to the growth by size: few images, each of them large."""
    return [point for point in points if point.job == "build" and point.content_bytes / point.images >= _MIB]
