"""Going on: a blob from its middle, what a crash of the machine left, and journals that make no sense."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from packhorse.app import build as build_module
from packhorse.app.build import build
from packhorse.app.build_model import BuildInput
from packhorse.base.errors import NetworkError, PackhorseError
from packhorse.base.events import NullReporter
from packhorse.bundle import writer
from packhorse.bundle.journal import Journal, Kept, boot_id
from packhorse.bundle.part_file import PartFile
from packhorse.bundle.reader import Bundle
from packhorse.bundle.sources import BytesSource
from packhorse.bundle.verify import verify
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream
from tests.support.packages import SampleMaterials, Upstream, sample

STEP = 1000


class BreakingSource(BytesSource):
    """Gives the shared layer in small pieces, and breaks off where it is told to; remembers where it was opened."""

    def __init__(self, upstream: Upstream, break_at: int | None) -> None:
        super().__init__(upstream.blobs.content)
        self.offsets: list[int] = []
        self._victim = upstream.shared.digest
        self._break_at = break_at

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Open, with a stream of its own for the victim."""
        stream = super().open(descriptor, offset=offset)
        if descriptor.digest != self._victim:
            return stream
        self.offsets.append(offset)
        return _Breaking(stream, None if self._break_at is None else self._break_at - offset)


class _Breaking:
    def __init__(self, stream: BlobStream, left: int | None) -> None:
        self._stream = stream
        self._left = left

    def readinto(self, buffer: memoryview) -> int:
        if self._left is not None and self._left <= 0:
            message = "connection reset"
            raise NetworkError(message)
        count = self._stream.readinto(buffer[:300])
        if self._left is not None:
            self._left -= count
        return count

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@pytest.fixture
def broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[BuildInput, Upstream]:
    """A build of which the shared layer broke off at 9,900 of 20,000 bytes."""
    monkeypatch.setattr(writer, "_JOURNAL_STEP", STEP)
    what, upstream = sample(tmp_path)
    with pytest.raises(NetworkError):
        build(what, SampleMaterials(BreakingSource(upstream, 9900)), NullReporter())
    return what, upstream


def finish(what: BuildInput, upstream: Upstream) -> list[int]:
    """Build again, check the result, and return from where the layer was read."""
    source = BreakingSource(upstream, None)
    build(what, SampleMaterials(source), NullReporter())
    with Bundle.open_file(what.output) as bundle:
        assert verify(bundle, workers=1, progress=lambda _blob, _count: None) == []
    return source.offsets


def test_a_blob_goes_on_from_where_it_broke_off(broken_off: tuple[BuildInput, Upstream]) -> None:
    assert finish(*broken_off) == [9900]


class _Looking(BreakingSource):
    """Reads the journal while the shared layer comes, as a run after a kill would."""

    def __init__(self, upstream: Upstream, output: Path) -> None:
        super().__init__(upstream, None)
        self.recorded: list[int] = []
        self._journal = PartFile(output).journal

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Open, with a look at the journal before each piece."""
        stream = super().open(descriptor, offset=offset)
        if descriptor.digest != self._victim:
            return stream
        inner = stream.readinto

        class Watched(_Breaking):
            def readinto(watched, buffer: memoryview) -> int:  # noqa: N805 - self is the source
                kept, _ = Journal.read(self._journal, boot_id())
                self.recorded.append(kept[self._victim].filled if self._victim in kept else 0)
                return inner(buffer)

        return Watched(stream, None)


@pytest.mark.parametrize(("step", "seconds", "most"), [(STEP, 3600.0, STEP + 300), (10**9, 0.0, 300)])
def test_a_kill_loses_no_more_of_a_blob_than_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, seconds: float, most: int
) -> None:
    monkeypatch.setattr(writer, "_JOURNAL_STEP", step)
    monkeypatch.setattr(writer, "_JOURNAL_SECONDS", seconds)
    what, upstream = sample(tmp_path)
    source = _Looking(upstream, what.output)
    build(what, SampleMaterials(source), NullReporter())
    lost = [number * 300 - recorded for number, recorded in enumerate(source.recorded)]
    assert max(lost[:-1]) <= most
    assert max(source.recorded) > 19_000


def test_bytes_that_changed_in_between_are_found_and_fetched_again(broken_off: tuple[BuildInput, Upstream]) -> None:
    what, upstream = broken_off
    with pytest.raises(Exception, match="Could not fetch"):
        build(what, SampleMaterials(BreakingSource(upstream, 0)), NullReporter())
    part = PartFile(what.output).part
    kept, _ = Journal.read(PartFile(what.output).journal, boot_id())
    with part.open("r+b") as file:
        file.seek(kept[upstream.shared.digest].offset)
        file.write(b"something else")
    with pytest.raises(Exception, match="Could not fetch"):
        finish(what, upstream)
    assert finish(what, upstream) == [0]


def test_after_a_crash_of_the_machine_nothing_is_believed_unhashed(
    broken_off: tuple[BuildInput, Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    what, upstream = broken_off
    kept, trusted = Journal.read(PartFile(what.output).journal, "another boot")
    assert not trusted
    whole = [digest for digest, blob in kept.items() if blob.whole and blob.size > 100]
    victim = whole[0]
    with PartFile(what.output).part.open("r+b") as file:
        file.seek(kept[victim].offset)
        file.write(b"lost in the crash")
    monkeypatch.setattr(build_module, "boot_id", lambda: "another boot")
    assert finish(what, upstream) == [0]


def journal(tmp_path: Path, change: Callable[[bytes], bytes]) -> dict[Digest, Kept]:
    """Write a journal of two blobs, change it, and read it."""
    path = tmp_path / "x.journal"
    written = Journal.create(path, "boot")
    written.record(Digest.of(b"1"), Kept(512, 10, 10))
    written.record(Digest.of(b"2"), Kept(1024, 10, 5))
    written.close()
    path.write_bytes(change(path.read_bytes()))
    return Journal.read(path, "boot")[0]


def test_a_journal_is_read_back(tmp_path: Path) -> None:
    kept = journal(tmp_path, lambda text: text)
    assert kept == {Digest.of(b"1"): Kept(512, 10, 10), Digest.of(b"2"): Kept(1024, 10, 5)}
    assert [blob.whole for blob in kept.values()] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-20],
        lambda text: text + b"{",
        lambda text: text + b'{"blob":"sha256:00","at":1,"size":1,"filled":1}\n',
        lambda text: text + b'{"blob":"%s","at":-1,"size":1,"filled":9}\n' % Digest.of(b"3").encode(),
        lambda text: text + b"[]\n\xff\n",
    ],
)
def test_lines_that_make_no_sense_are_passed_over(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    assert Digest.of(b"1") in journal(tmp_path, change)
    assert Digest.of(b"3") not in journal(tmp_path, change)


def test_a_journal_of_another_version_or_none_holds_nothing(tmp_path: Path) -> None:
    assert journal(tmp_path, lambda text: text.replace(b'"journal":1', b'"journal":2')) == {}
    assert Journal.read(tmp_path / "missing", "boot") == ({}, False)


def test_a_torn_line_is_closed_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    written = Journal.create(path, "boot")
    written.record(Digest.of(b"1"), Kept(512, 10, 10))
    written.close()
    path.write_bytes(path.read_bytes() + b'{"blob":"sha2')
    again = Journal.extend(path)
    again.record(Digest.of(b"2"), Kept(1024, 10, 10))
    again.close()
    kept, trusted = Journal.read(path, "boot")
    assert set(kept) == {Digest.of(b"1"), Digest.of(b"2")}
    assert trusted


def test_a_write_that_a_full_disk_cut_short_spoils_no_other_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.journal"
    written = Journal.create(path, "boot")
    write = os.write
    left = [7, 0]

    def short(fd: int, content: bytes) -> int:
        if not (room := left.pop(0)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, content[:room])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="No space"):
        written.record(Digest.of(b"1"), Kept(512, 10, 10))
    left[:] = [3] * 100
    written.record(Digest.of(b"2"), Kept(1024, 10, 10))
    written.close()
    assert set(Journal.read(path, "boot")[0]) == {Digest.of(b"2")}


def test_what_the_disk_did_not_take_is_not_believed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what, upstream = sample(tmp_path)
    fsync = os.fsync
    drops = [True]

    def dropping(fd: int) -> None:
        # As a kernel does that could not write: the bytes are gone, and the file counts as clean from now on.
        if drops and stat.S_ISREG(os.fstat(fd).st_mode):
            drops.pop()
            os.pwrite(fd, bytes(50_000), 10_000)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", dropping)
    with pytest.raises(PackhorseError, match=r"did not keep sample\.bundle\.tar: Input/output error") as caught:
        build(what, SampleMaterials(BreakingSource(upstream, None)), NullReporter())
    assert "not believed" in str(caught.value.hint)
    assert not what.output.exists()
    assert finish(what, upstream) == [0]


def test_a_journal_vouches_for_no_part_file_but_its_own(
    broken_off: tuple[BuildInput, Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    what, upstream = broken_off
    PartFile(what.output).part.unlink()

    def killed(*_: object) -> Journal:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "create", killed)
        with pytest.raises(KeyboardInterrupt):
            build(what, SampleMaterials(BreakingSource(upstream, None)), NullReporter())
    assert PartFile(what.output).part.exists()
    assert finish(what, upstream) == [0]


def test_killed_before_the_bundle_is_durable_the_next_run_makes_it_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, upstream = sample(tmp_path)
    fsync = os.fsync
    synced: list[str] = []

    def killed(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise KeyboardInterrupt
        fsync(fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            build(what, SampleMaterials(BreakingSource(upstream, None)), NullReporter())
    assert PartFile(what.output).journal.exists()
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())))
    assert finish(what, upstream) == []
    assert synced == [str(what.output), str(what.output.parent)]
    assert not PartFile(what.output).journal.exists()


def test_a_part_file_that_cannot_be_read_back_is_fetched_again(
    broken_off: tuple[BuildInput, Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    preadv = os.preadv

    def broken(fd: int, buffers: list[memoryview], offset: int) -> int:
        if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".part":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", broken)
    assert finish(*broken_off) == [0]
