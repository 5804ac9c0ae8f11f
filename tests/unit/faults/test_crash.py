"""States after a power failure: all that was synced is in each, and all that may be lost is lost in some."""

from random import Random

import pytest

from faults.disk.crash import CrashState, crash_state
from faults.disk.trace import Change

EMPTY = CrashState({}, frozenset())
CAREFUL = [
    Change("c", "new"),
    Change("w", "new", data=b"x" * 9000),
    Change("s", "new"),
    Change("r", "new", "final"),
    Change("s", ""),
]


def states(changes: list[Change], at: int, *, loose: bool) -> list[dict[str, bytes]]:
    return [crash_state(EMPTY, changes, at, Random(seed), loose=loose).files for seed in range(300)]


@pytest.mark.parametrize("loose", [False, True])
def test_what_was_synced_with_its_name_is_always_there(*, loose: bool) -> None:
    assert all(found == {"final": b"x" * 9000} for found in states(CAREFUL, 5, loose=loose))


@pytest.mark.parametrize("loose", [False, True])
def test_a_careful_writer_never_shows_a_part_under_the_final_name(*, loose: bool) -> None:
    for at in range(6):
        assert {found.get("final", b"x" * 9000) for found in states(CAREFUL, at, loose=loose)} == {b"x" * 9000}


@pytest.mark.parametrize("loose", [False, True])
def test_a_rename_before_the_sync_is_found_out(*, loose: bool) -> None:
    careless = [*CAREFUL[:2], CAREFUL[3], Change("s", "final"), CAREFUL[4]]
    shown = {found["final"] for found in states(careless, 3, loose=loose) if "final" in found}
    assert b"x" * 9000 in shown
    assert len(shown) > 2


@pytest.mark.parametrize("loose", [False, True])
def test_a_name_that_was_not_synced_may_be_lost(*, loose: bool) -> None:
    names = [frozenset(found) for found in states(CAREFUL, 4, loose=loose)]
    assert frozenset({"final"}) in names
    assert frozenset() in names


def test_what_is_in_a_lost_folder_is_lost() -> None:
    changes = [
        Change("d", "folder"),
        Change("c", "folder/file"),
        Change("w", "folder/file", data=b"x"),
        Change("s", "folder/file"),
        Change("s", "folder"),
    ]
    assert {} in states(changes, 5, loose=True)
    assert all(found == {"folder/file": b"x"} for found in states([*changes, Change("s", "")], 6, loose=True))
