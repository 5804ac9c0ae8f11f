"""A run as text for a terminal."""

from collections.abc import Sequence

from bench.report.figures import size
from bench.report.tables import Table, growth_table, job_tables, limits_table, overview
from bench.results import Results

__all__ = ["draw"]


def draw(results: Results) -> str:
    """Draw all tables, and name who took no part."""
    tables = (*job_tables(results), growth_table(results), limits_table(results), overview(results))
    lines = [line for table in tables for line in (*_table(table), "")]
    lines += [f"{name} took no part: {reason}" for name, reason in results.missing.items()]
    for course, reasons in results.left_out.items():
        lines += [f"{name} was left out of {course}: {reason.splitlines()[0]}" for name, reason in reasons.items()]
    content = results.content
    lines.append(f"{content.images} images, {content.blobs} blobs, {size(content.size_bytes)}; {results.registry}")
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    cells = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.header))]
    return [table.title, *(_row(row, widths) for row in cells)]


def _row(row: Sequence[str], widths: list[int]) -> str:
    first, *rest = (
        f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}"
        for number, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(["", first, *rest]).rstrip()
