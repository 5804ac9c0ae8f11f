"""Tables of contents of tars: what honest tools write is read, what hostile ones write is refused."""

import errno
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError, IntegrityError, PackhorseError
from packhorse.store import tar_index
from packhorse.store.tar_index import Kind, TarIndex
from tests.support.layouts import link, tar_entries

LONG = "/".join(["a-folder-with-a-name"] * 12) + "/file"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_found_where_they_lie(tmp_path: Path, form: int) -> None:
    names = ["./a", "b/c", "b/ü"] + ([LONG] if form != tarfile.USTAR_FORMAT else [])
    contents = {name.removeprefix("./"): name.encode() * 300 for name in names}
    path = tar_entries(tmp_path / "x.tar", ((name, contents[name.removeprefix("./")]) for name in names), format=form)
    index = TarIndex.at(str(path))
    data = path.read_bytes()
    for name, content in contents.items():
        extent = index.extent(name)
        assert extent is not None
        assert data[extent.offset : extent.offset + extent.length] == content
        assert extent.read(100_000, name) == content
    assert index.extent("nothing") is None
    assert "b/c" in index


def test_folders_and_links_are_told_from_files(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("d")
    folder.type = tarfile.DIRTYPE
    path = tar_entries(tmp_path / "x.tar", [(folder, b""), (folder, b""), (link("l", "d/../x" * 30), b"")])
    index = TarIndex.at(str(path))
    found = index.get("l")
    assert found is not None
    assert (found.kind, found.target) == (Kind.SYMBOLIC_LINK, "d/../x" * 30)
    with pytest.raises(IntegrityError, match="found a symbolic link"):
        index.extent("l")
    with pytest.raises(IntegrityError, match="found a directory"):
        index.extent("d")


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([("../x", b"")], "leads out"),
        ([("a/../../x", b"")], "leads out"),
        ([("/etc/passwd", b"")], "absolute"),
        ([("a", b""), ("./a", b"")], "there twice"),
        ([("a", b""), (link("a", "b"), b"")], "there twice"),
        ([("./", b"")], "without a name"),
    ],
)
def test_hostile_names_are_refused(
    tmp_path: Path, entries: list[tuple[tarfile.TarInfo | str, bytes]], error: str
) -> None:
    path = tar_entries(tmp_path / "x.tar", entries)
    with pytest.raises(IntegrityError, match=error):
        TarIndex.at(str(path))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"V"])
def test_devices_and_stranger_members_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type = kind
    with pytest.raises(IntegrityError, match="neither a file, a folder nor a link"):
        TarIndex.at(str(tar_entries(tmp_path / "x.tar", [(info, b"")])))


def one_file() -> bytes:
    """A tar with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("x")
        info.size = 700
        tar.addfile(info, io.BytesIO(b"y" * 700))
    return buffer.getvalue()


def with_field(start: int, content: bytes) -> bytes:
    """The same tar with a field of its header changed, and the checksum right again."""
    data = bytearray(one_file())
    data[start : start + len(content)] = content
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (with_field(124, b"77777777777\0"), "beyond the end"),
        (with_field(124, b"\xff" * 12), "negative or absurd"),
        (with_field(124, b"\x80" + b"\xff" * 11), "negative or absurd"),
        (with_field(124, b"0000000000x\0"), "octal"),
        (with_field(0, b"\xff\xfe"), "not UTF-8"),
        (one_file()[:100], "ends inside a header"),
        (b"", "ends inside a header"),
        (one_file()[:512], "beyond the end"),
        (one_file()[: 512 + 1024], "ends inside a header"),
        (b"x" * 1024, "checksum|octal"),
    ],
)
def test_broken_headers_are_refused(tmp_path: Path, data: bytes, error: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=error):
        TarIndex.at(str(path))


def pax(records: bytes, size: int | None = None) -> bytes:
    """A tar whose one member has these pax records."""
    extension = tarfile.TarInfo("x")
    extension.type = tarfile.XHDTYPE
    extension.size = len(records) if size is None else size
    return extension.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + one_file()


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (b"11 path=ab\n", None),
        (b"11 path=a\0\n", "NUL"),
        (b"15 path=../../x\n", "malformed"),
        (b"16 path=../../x\n", "leads out"),
        (b"11 path=a", "malformed"),
        (b"0 path=a\n", "malformed"),
        (b"xx path=a\n", "malformed"),
        (b"9999999 path=a\n", "malformed"),
        (b"11 size=-1\n", "expected a size"),
        (b"29 size=99999999999999999999\n", "expected a size"),
        (b"18 size=999999999\n", "beyond the end"),
        (b"22 GNU.sparse.major=1\n", "sparse"),
    ],
)
def test_pax_records_are_checked(tmp_path: Path, records: bytes, error: str | None) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(pax(records))
    if error is None:
        assert "ab" in TarIndex.at(str(path))
        return
    with pytest.raises(IntegrityError, match=error):
        TarIndex.at(str(path))


def test_an_extended_header_is_not_read_without_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(pax(b"", size=1 << 20))
    with path.open("ab") as file:
        file.truncate(2 << 20)
    with pytest.raises(IntegrityError, match="extended header of 1048576 bytes"):
        TarIndex.at(str(path))


def test_the_number_of_members_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_index, "_MAX_MEMBERS", 3)
    path = tar_entries(tmp_path / "x.tar", [(str(number), b"") for number in range(4)])
    with pytest.raises(IntegrityError, match="more than 3 members"):
        TarIndex.at(str(path))


@pytest.mark.parametrize(
    ("magic", "name"),
    [(b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh9", "bzip2"), (b"\xfd7zXZ", "xz")],
)
def test_a_compressed_archive_is_refused_with_what_to_do(tmp_path: Path, magic: bytes, name: str) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(magic + bytes(1000))
    with pytest.raises(ConfigError, match=f"compressed with {name}") as refused:
        TarIndex.at(str(path))
    assert refused.value.hint is not None
    assert f"{name} -d" in refused.value.hint


@pytest.mark.parametrize("damage", [lambda data, at: data[:at], lambda data, at: data[:at] + b"\xa5" + data[at + 1 :]])
def test_no_cut_and_no_flipped_byte_makes_another_error(tmp_path: Path, damage: Callable[[bytes, int], bytes]) -> None:
    whole = pax(b"11 path=ab\n")
    for at in range(0, len(whole), 13):
        path = tmp_path / "x.tar"
        path.write_bytes(damage(whole, at))
        try:
            TarIndex.at(str(path))
        except PackhorseError:
            continue


def test_a_medium_that_gives_less_than_it_is_asked_for_is_read_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, min(size, 100), at))
    assert "a" in TarIndex.at(str(path))


def test_a_medium_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(10240))

    def broken(*_: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(IntegrityError, match=r"a\.tar: the medium gave a read error at byte 0: Input/output error"):
        TarIndex.at(str(path))
