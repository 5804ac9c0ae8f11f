"""The command line: which stores are tried, and what is told about it."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from conformance import ours, page
from conformance.official import ProgramError, run_program
from conformance.page import Row
from conformance.stores import STORES
from tests.support.serving import running

PROGRAM_VARIABLE = "OCI_CONFORMANCE"
COMMIT_VARIABLE = "OCI_CONFORMANCE_COMMIT"
_ROOT = Path(__file__).parent.parent
_NOT_THERE = """\
Nothing was checked: {reason}.
The conformance program of the distribution-spec is in no package registry. Build it once, with Go 1.24 or newer, from
the folder `conformance` of https://github.com/opencontainers/distribution-spec, and say where it is:

    go build -o oci-conformance .
    {variable}=$PWD/oci-conformance make conformance

The suite in tests/conformance needs no program, and is a part of `make test`.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the program over the stores; return 1 when something failed, and 2 when nothing could be run."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--results", type=Path, help="where the program's own reports are kept")
    parser.add_argument("--update-docs", action="store_true", help="write the tables of docs/reference/conformance.md")
    parser.add_argument("--check-docs", action="store_true", help="only hold the page against the suite, and end")
    parser.add_argument("stores", nargs="*", metavar="STORE", help=f"of {', '.join(STORES)}; all where none is named")
    options = parser.parse_args(arguments)
    if options.check_docs:
        return page.check(_ROOT, ours.collect(_ROOT))
    unknown = set(options.stores) - set(STORES)
    if unknown:
        parser.error(f"there is no store {', '.join(sorted(unknown))}; there are {', '.join(STORES)}")
    named = os.environ.get(PROGRAM_VARIABLE, "")
    program = Path(named).absolute()
    if not named or not os.access(program, os.X_OK) or not program.is_file():
        reason = f"{PROGRAM_VARIABLE} is not set" if not named else f"{PROGRAM_VARIABLE}={named} is no program"
        print(_NOT_THERE.format(reason=reason, variable=PROGRAM_VARIABLE), file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        results = options.results.absolute() if options.results is not None else Path(temporary, "results")
        try:
            rows = _run(program, options.stores or list(STORES), results, Path(temporary))
        except ProgramError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    _tell(rows)
    if options.update_docs:
        page.update(_ROOT, rows, os.environ.get(COMMIT_VARIABLE, "unknown"), datetime.now(UTC).date())
        page.update_ours(_ROOT, ours.collect(_ROOT))
    return 0 if all(row.outcome.is_clean for row in rows) else 1


def _run(program: Path, stores: Sequence[str], results: Path, temporary: Path) -> list[Row]:
    rows: list[Row] = []
    for number, store in enumerate(stores):
        kind = STORES[store]
        folder = temporary / str(number)
        folder.mkdir()
        with kind.opened(folder) as catalog, running(catalog) as server:
            for setting in kind.settings(catalog):
                place = results / f"{len(rows):02d}"
                outcome = run_program(program, f"{server.host}:{server.port}", setting.variables, place)
                rows.append(Row(store, setting.name, outcome))
    return rows


def _tell(rows: Sequence[Row]) -> None:
    print(page.table(rows))
    for row in rows:
        for name in row.outcome.failures:
            print(f"FAILED {row.store}, {row.setting}: {name}")
    failed = sum(row.outcome.failed for row in rows)
    print(f"{sum(row.outcome.total for row in rows)} checks, {failed} failed.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
