"""What the project's own suite has: each test names its clause, ``end-3: …``, at the front of its docstring."""

import contextlib
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance.page import Counts

__all__ = ["collect"]

SUITE = "tests/conformance"


class _Collector:
    def __init__(self) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.problems: list[str] = []

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            documentation = (getattr(item, "function", item).__doc__ or "").strip()
            clause, colon, _ = documentation.partition(":")
            place = getattr(item, "callspec", None)
            store = place.params.get("place") if place is not None else None
            if not colon or store is None:
                self.problems.append(item.nodeid)
                continue
            self.counts[clause][store] += 1


def collect(root: Path) -> Counts:
    """Count the tests, which are not run.

    Raises:
        ValueError: A test names no clause or runs against no store, or the suite cannot be read.
    """
    collector = _Collector()
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.chdir(root):
        ended = pytest.main(["--collect-only", "--quiet", SUITE], plugins=[collector])
    if ended != pytest.ExitCode.OK:
        raise ValueError(f"{SUITE} cannot be read: {told.getvalue()[-2000:]}")
    if collector.problems:
        raise ValueError(f"these tests name no clause or no store: {', '.join(collector.problems)}")
    return {clause: dict(stores) for clause, stores in collector.counts.items()}
