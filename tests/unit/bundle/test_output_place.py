"""Where a bundle is written: one build at a time under a name, and nothing but a file is replaced."""

import dataclasses
import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from packhorse.app.build import build
from packhorse.base.errors import PackhorseError, UsageError
from packhorse.base.events import NullReporter
from packhorse.bundle.part_file import PartFile, claimed, write_error
from packhorse.bundle.reader import Bundle
from packhorse.bundle.sources import BytesSource
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream
from tests.support.packages import SampleMaterials, materials, sample


class WaitingSource(BytesSource):
    """Stops at the first blob until it is told to go on."""

    reached = threading.Event()
    go_on = threading.Event()

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Wait, then open."""
        self.reached.set()
        assert self.go_on.wait(30)
        return super().open(descriptor, offset=offset)


def test_a_second_build_into_the_same_file_is_refused_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    what, upstream = sample(tmp_path)
    second, other = sample(tmp_path / "other", seed=1, images=1)
    second = dataclasses.replace(second, output=what.output)
    source = WaitingSource(upstream.blobs.content)
    roots = []
    first = threading.Thread(
        target=lambda: roots.append(build(what, SampleMaterials(source), NullReporter()).root), daemon=True
    )
    first.start()
    assert source.reached.wait(30)
    with pytest.raises(UsageError, match="another build is writing"):
        build(second, materials(other), NullReporter())
    source.go_on.set()
    first.join(30)
    with Bundle.open_file(what.output) as bundle:
        assert [bundle.root.digest] == roots
    assert not PartFile(what.output).lock.exists()
    assert build(second, materials(other), NullReporter()).root != roots[0]


def test_the_lock_that_a_kill_left_holds_nobody_up(tmp_path: Path) -> None:
    names = PartFile(tmp_path / "x.tar")
    names.lock.touch()
    with claimed(names):
        assert names.lock.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_removed_while_it_was_opened_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = PartFile(tmp_path / "x.tar")
    real = fcntl.flock
    removed: list[bool] = []

    def remove_first(fd: int, operation: int) -> None:
        if not removed:
            names.lock.unlink()
            removed.append(True)
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with claimed(names):
        assert names.lock.exists()
        with pytest.raises(UsageError, match="another build"), claimed(names):
            pass


def test_where_there_are_no_locks_a_build_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_fd: int, _operation: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", none)
    what, upstream = sample(tmp_path)
    build(what, materials(upstream), NullReporter())
    assert what.output.is_file()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("folder", "found a folder"),
        ("pipe", "found a device, a pipe or a socket"),
        ("nowhere/x.tar", "there is no folder"),
        ("file/x.tar", "there is no folder"),
        ("x" * 250, "can't write"),
        ("circle", "can't write"),
    ],
)
def test_only_a_file_is_replaced(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    what, upstream = sample(tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(UsageError, match=message):
        build(dataclasses.replace(what, output=tmp_path / place), materials(upstream), NullReporter())
    assert set(tmp_path.iterdir()) == before
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_stays_and_the_bundle_goes_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    what, upstream = sample(tmp_path)
    what.output.symlink_to(tmp_path / "disk" / "x.tar")
    build(what, materials(upstream), NullReporter())
    assert what.output.is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["x.tar"]
    assert build(what, materials(upstream), NullReporter()).unchanged


@pytest.mark.parametrize(
    ("number", "family", "message"),
    [
        (errno.ENOSPC, UsageError, "is full"),
        (errno.EDQUOT, UsageError, "is full"),
        (errno.EROFS, UsageError, "can't write /a/b: "),
        (errno.EIO, PackhorseError, "can't write /a/b: "),
    ],
)
def test_what_the_system_refuses_has_a_family(number: int, family: type[PackhorseError], message: str) -> None:
    error = write_error(OSError(number, os.strerror(number)), Path("/a/b"))
    assert type(error) is family
    assert message in error.message


def test_a_lock_that_stays_behind_undoes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what, upstream = sample(tmp_path)
    unlink = Path.unlink

    def broken(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - as pathlib has it
        if path.suffix == ".lock":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", broken)
        build(what, materials(upstream), NullReporter())
    assert PartFile(what.output).lock.exists()
    assert build(what, materials(upstream), NullReporter()).unchanged
    assert not PartFile(what.output).lock.exists()
