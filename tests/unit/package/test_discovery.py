"""Each file of ``discovery_cases/`` has objects; beside it stands what must be found in them, and nothing else.

``PACKHORSE_UPDATE_GOLDEN=1 pytest`` writes the second file anew, to be read before it is committed.
"""

import os
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.package.discovery import chart_annotation_finds, discover
from packhorse.package.kubernetes_objects import read_objects
from packhorse.package.resource_schemas import Schemas

CASES = sorted((Path(__file__).parent / "discovery_cases").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_finds_exactly_what_is_written_down(case: Path) -> None:
    finds = discover(read_objects(case.read_text(encoding="utf-8"), case.name))
    lines = [f"{find.certainty:8} {find.reference}  {find.object}  {find.field}\n" for find in finds]
    expected = case.with_suffix(".expected")
    if os.environ.get("PACKHORSE_UPDATE_GOLDEN"):
        expected.write_text("".join(lines), encoding="utf-8")
    assert "".join(lines) == expected.read_text(encoding="utf-8")


def test_there_are_cases() -> None:
    assert len(CASES) >= 6
