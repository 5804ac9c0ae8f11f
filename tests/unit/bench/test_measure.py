import os
import sys
import time
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.measure import Job, measure, remove, run_quietly
from bench.room import Room
from bench.space import SpaceWatch, allocated

_MIB = 1024 * 1024


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_job_is_the_sum_of_its_commands_and_the_largest_of_their_peaks(room: Room) -> None:
    small = _python("pass")
    large = _python(f"block = b'x' * {64 * _MIB}")
    one, both = measure(Job([large]), room), measure(Job([small, large, small]), room)
    assert one.peak_bytes > 64 * _MIB
    assert both.peak_bytes < one.peak_bytes + 32 * _MIB
    assert both.cpu_seconds > one.cpu_seconds
    assert both.wall_seconds >= both.cpu_seconds / 4


def test_a_program_runs_in_its_room_and_sees_nothing_of_ours(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "yes")
    told = room.out / "told"
    measure(Job([["sh", "-c", f'echo "$HOME $TMPDIR $PWD [$SECRET_OF_OURS]" > {told}']]), room)
    assert told.read_text() == f"{room.home} {room.temporary} {room.desk} []\n"


def test_what_a_program_made_is_no_temporary_space_but_everything_beside_it_is(room: Room) -> None:
    product = room.out / "made"
    script = (
        f"head -c {4 * _MIB} /dev/urandom > $TMPDIR/copy && cp $TMPDIR/copy {product} && sleep 0.3 && rm $TMPDIR/copy"
    )
    sample = measure(Job([["sh", "-c", script]], product=product), room)
    assert sample.product_bytes == 4 * _MIB
    assert 4 * _MIB <= sample.space_bytes < 6 * _MIB


def test_bytes_written_are_counted(room: Room) -> None:
    sample = measure(Job([["sh", "-c", f"head -c {4 * _MIB} /dev/zero > {room.out}/zeros"]]), room)
    # A folder in memory (tmpfs) counts nothing.
    assert sample.written_bytes >= 4 * _MIB or sample.written_bytes == 0


def test_a_program_that_fails_is_named_with_the_end_of_its_output(room: Room) -> None:
    with pytest.raises(BenchError, match=r"(?s)sh -c .* ended with 3:.*no such thing"):
        measure(Job([["sh", "-c", "echo no such thing; exit 3"]]), room)
    with pytest.raises(BenchError, match="ended with 3"):
        run_quietly(Job([["sh", "-c", "exit 3"]]), room)


def test_a_file_with_two_names_takes_its_space_once(tmp_path: Path) -> None:
    first = tmp_path / "a" / "first"
    first.parent.mkdir()
    first.write_bytes(os.urandom(_MIB))
    (tmp_path / "second").hardlink_to(first)
    (tmp_path / "gone").symlink_to("nowhere")
    assert _MIB <= allocated(tmp_path) < 2 * _MIB
    assert allocated(tmp_path / "nothing") == 0


def test_the_watch_remembers_the_most(tmp_path: Path) -> None:
    passing = tmp_path / "passing"
    with SpaceWatch(tmp_path) as watch:
        passing.write_bytes(os.urandom(_MIB))
        deadline = time.monotonic() + 20
        while watch.most_bytes < _MIB and time.monotonic() < deadline:
            time.sleep(0.01)
        passing.unlink()
    assert watch.most_bytes >= _MIB


def test_files_and_folders_are_removed(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    for name in ("folder", "file", "nothing"):
        remove(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_emptied_room_has_its_folders_and_nothing_in_them(room: Room) -> None:
    (room.home / "cache").write_text("x")
    room.empty()
    assert sorted(path.name for path in room.folder.rglob("*")) == ["desk", "home", "out", "tmp"]
