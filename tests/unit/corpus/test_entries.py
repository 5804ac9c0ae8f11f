import io
import tarfile
from collections.abc import Iterable

from corpus import entries
from corpus.entries import CLAMP_SECONDS, Entry, write_tar


def tar_of(items: Iterable[Entry]) -> bytes:
    stream = io.BytesIO()
    write_tar(items, stream)
    return stream.getvalue()


def members(data: bytes) -> list[tarfile.TarInfo]:
    return tarfile.open(fileobj=io.BytesIO(data)).getmembers()


def test_parents_that_no_entry_names_come_first() -> None:
    found = members(tar_of([entries.file("/usr/bin/tool", b"x", mode=0o755)]))
    assert [(member.name, member.isdir(), member.mode) for member in found] == [
        ("usr", True, 0o755),
        ("usr/bin", True, 0o755),
        ("usr/bin/tool", False, 0o755),
    ]


def test_the_first_word_on_a_directory_holds() -> None:
    found = members(tar_of([entries.directory("/tmp", mode=0o1777, uid=7), entries.directory("tmp", mode=0o700)]))
    assert [(member.name, member.mode, member.uid) for member in found] == [("tmp", 0o1777, 7)]


def test_no_time_is_later_than_the_clamp_and_earlier_ones_stay() -> None:
    late = Entry("late", "directory", 0o755, mtime=CLAMP_SECONDS + 1)
    early = Entry("early", "directory", 0o755, mtime=1_600_000_000)
    assert [member.mtime for member in members(tar_of([late, early]))] == [CLAMP_SECONDS, 1_600_000_000]


def test_links_and_long_names_survive() -> None:
    long = "d/" * 60 + "name"
    found = members(
        tar_of(
            [
                entries.file(long, b"content"),
                Entry("hard", "hardlink", 0o644, link=long),
                entries.symlink("soft", "/elsewhere"),
            ]
        )
    )
    by_name = {member.name: member for member in found}
    assert by_name[long].size == len(b"content")
    assert by_name["hard"].islnk()
    assert by_name["hard"].linkname == long
    assert by_name["soft"].issym()
    assert by_name["soft"].linkname == "/elsewhere"


def test_owners_have_numbers_and_no_names() -> None:
    (member,) = members(tar_of([entries.file("a", b"", uid=65532, gid=100)]))
    assert (member.uid, member.gid, member.uname, member.gname) == (65532, 100, "", "")
