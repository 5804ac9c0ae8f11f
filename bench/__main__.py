"""``python -m bench``: measure Packhorse and the peers that are here, side by side; ``report`` draws what came out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.cases.growing import Plan
from bench.errors import BenchError
from bench.report.pages import DEFAULT_PAGE, check_page, write_page
from bench.report.terminal import draw
from bench.results import load, save
from bench.run import Wanted, run

_CACHE = Path(__file__).parents[1] / ".cache"
_MIB = 1024 * 1024
_WHOLE = Plan(base_bytes=384 * _MIB, factors=(1, 2, 4, 8), counts=(25, 100))
_SMALL = Plan(base_bytes=4 * _MIB, factors=(1, 2), counts=(5,))


def main(arguments: Sequence[str]) -> int:
    """Do what is asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.verb == "report":
            return _report(asked)
        return _run(asked)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1


def _run(asked: argparse.Namespace) -> int:
    wanted = Wanted(sets=asked.sets, series=asked.series, rounds=asked.rounds, growth=_WHOLE, without=asked.without)
    if asked.quick:
        wanted = Wanted(sets=["demo"], series=[], rounds=1, growth=_SMALL, without=asked.without)
    for results in run(wanted):
        save(results, asked.json)
    print(draw(results))
    print(f"All samples: {asked.json}")
    return 0


def _report(asked: argparse.Namespace) -> int:
    if asked.check:
        return check_page(asked.page)
    write_page(load(asked.results), asked.results, asked.page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Packhorse beside its peers.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each program does each job, interleaved")
    parser.add_argument("--quick", action="store_true", help="one round on a small set: shows that everything runs")
    parser.add_argument("--sets", nargs="+", default=["library"], help="sets of the corpus that are moved")
    parser.add_argument(
        "--series", nargs="*", default=["series"], help="sets with successive versions, for what changes"
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="PROGRAM", help="programs that take no part")
    parser.add_argument("--json", type=Path, default=_CACHE / "bench.json", help="where all samples are kept")
    verbs = parser.add_subparsers(dest="verb")
    report = verbs.add_parser("report", help="write the tables and plots of a results file into the documentation")
    report.add_argument("results", type=Path, nargs="?", help="the file; with --check the one that the page names")
    report.add_argument("--page", type=Path, default=DEFAULT_PAGE, help="the page with the tables")
    report.add_argument("--check", action="store_true", help="compare instead of writing")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
