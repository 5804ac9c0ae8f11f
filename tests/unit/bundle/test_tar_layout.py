"""The layout of the tar, held against Python's and GNU's own readers."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.bundle.tar_layout import BLOCK, Entry, TarLayout, header_for, padding_after

_NAMES = st.from_regex(r"\Ablobs/[a-z0-9]{1,8}/[0-9a-f]{1,140}\Z")


def archive(files: dict[str, bytes]) -> bytes:
    """Write a whole archive by the layout."""
    layout = TarLayout(Entry(name, len(data)) for name, data in files.items())
    out = bytearray(layout.total_bytes)
    for member in layout:
        out[member.header_at : member.offset] = header_for(Entry(member.name, member.size))
        out[member.offset : member.offset + member.size] = files[member.name]
    return bytes(out)


@given(st.dictionaries(_NAMES, st.binary(max_size=1500), max_size=6))
def test_pythons_tarfile_reads_what_the_layout_says(files: dict[str, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive(files))) as tar:
        found = {}
        for info in tar:
            content = tar.extractfile(info)
            assert content is not None
            assert (info.mode, info.mtime, info.uid, info.gid) == (0o644, 0, 0, 0)
            found[info.name] = content.read()
    assert found == files


@given(st.dictionaries(_NAMES, st.binary(max_size=600), min_size=1, max_size=6))
def test_members_follow_each_other_without_gaps(files: dict[str, bytes]) -> None:
    layout = TarLayout(Entry(name, len(data)) for name, data in files.items())
    position = 0
    for member in layout:
        assert member.header_at == position
        assert member.header_at % BLOCK == member.offset % BLOCK == 0
        position = member.offset + member.size + padding_after(member.size)
    assert position == layout.content_end
    assert layout.total_bytes == layout.content_end + 2 * BLOCK


@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 8**11 + 1, 10**15])
@pytest.mark.parametrize("name", ["blobs/sha256/" + "a" * 64, "blobs/sha512/" + "a" * 128])
def test_large_sizes_and_long_names_are_read_back_by_tarfile(name: str, size: int) -> None:
    # Only the header is there: tarfile reads it without the content.
    header = header_for(Entry(name, size))
    with tarfile.open(fileobj=io.BytesIO(header)) as tar:
        info = tar.next()
    assert info is not None
    assert (info.name, info.size) == (name, size)


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
def test_gnu_tar_lists_long_names(tmp_path: Path) -> None:
    name = "blobs/sha512/" + "b" * 128
    (tmp_path / "a.tar").write_bytes(archive({"oci-layout": b"{}", name: b"x" * 513}))
    done = subprocess.run(["tar", "tf", "a.tar"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["oci-layout", name]
    assert done.stderr == ""
