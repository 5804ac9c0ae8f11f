"""What is unfinished is never seen under its name, and what killed writers leave goes with the next one."""

import os
import stat
from pathlib import Path

import pytest

from packhorse.base.unfinished import forget_unfinished, new_file, remove_abandoned, unfinished_file


def test_a_file_appears_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text("old")
    with new_file(path, 0o640) as file:
        file.write(b"new")
        file.flush()
        (other,) = (entry for entry in tmp_path.iterdir() if entry != path)
        assert path.read_text() == "old"
        assert stat.S_IMODE(other.stat().st_mode) == 0o600
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text("old")

    def fail() -> None:
        with new_file(path, 0o644) as file:
            file.write(b"new")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings"]


def test_only_what_nobody_writes_any_more_is_removed(tmp_path: Path) -> None:
    killed, other = tmp_path / ".settings.killed", tmp_path / ".other.killed"
    killed.write_text("half")
    other.write_text("half")
    with unfinished_file(tmp_path, ".settings.") as (writing, _):
        forget_unfinished(tmp_path / "settings")
        assert set(tmp_path.iterdir()) == {writing, other}
    assert set(tmp_path.iterdir()) == {other}
    remove_abandoned(tmp_path)
    assert not list(tmp_path.iterdir())


def test_links_and_folders_are_let_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".settings.link").symlink_to("precious")
    (tmp_path / ".settings.folder").mkdir()
    forget_unfinished(tmp_path / "settings")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".settings.folder", ".settings.link", "precious"]


def test_the_lock_ends_with_the_process(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with unfinished_file(tmp_path, ".settings."):
            os._exit(0)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    forget_unfinished(tmp_path / "settings")
    assert not list(tmp_path.iterdir())
