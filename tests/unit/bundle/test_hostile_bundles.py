"""Bundles that are broken or made to harm: each is refused, with what was expected and where, in bounded memory."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.app.build import build
from packhorse.base.errors import IntegrityError, UsageError
from packhorse.base.events import NullReporter
from packhorse.bundle import content
from packhorse.bundle.content import Blobs
from packhorse.bundle.reader import Bundle
from packhorse.bundle.tar_layout import BLOCK, Entry, header_for
from packhorse.bundle.verify import check_root, verify
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from tests.support.packages import materials, sample
from tests.support.peak_memory import PEAK_MIB
from tests.support.sealing import bundle_index, nested, raw, seal, seal_tree


def check(path: Path) -> None:
    """Open and verify; raise what a person would see."""
    with Bundle.open_file(path) as bundle:
        for damage in verify(bundle, workers=1, progress=lambda _blob, _count: None):
            raise IntegrityError(damage.message)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that is as it should be."""
    what, upstream = sample(tmp_path_factory.mktemp("good"), images=1)
    build(what, materials(upstream), NullReporter())
    check(what.output)
    return what.output


@given(data=st.data())
def test_any_changed_bit_is_found(good: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    bytes_ = bytearray(good.read_bytes())
    at = data.draw(st.integers(0, len(bytes_) - 1))
    bytes_[at] ^= 1 << data.draw(st.integers(0, 7))
    broken = tmp_path_factory.mktemp("bits") / "broken.tar"
    broken.write_bytes(bytes_)
    with pytest.raises(IntegrityError):
        check(broken)


def test_a_medium_that_gives_less_than_it_is_asked_for_is_read_to_the_end(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread, preadv = os.pread, os.preadv
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, min(size, 100), at))
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, at: preadv(fd, [buffers[0][:100]], at))
    check(good)


def test_cut_off_at_any_block_it_is_refused(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    broken = tmp_path / "broken.tar"
    for end in (*range(0, len(data), BLOCK), len(data) - 1):
        broken.write_bytes(data[:end])
        with pytest.raises(IntegrityError):
            check(broken)


@pytest.mark.parametrize("extra", [b"\0" * BLOCK, b"x", header_for(Entry("blobs/../../etc/passwd", 0))])
def test_what_stands_after_the_end_is_refused(good: Path, tmp_path: Path, extra: bytes) -> None:
    broken = tmp_path / "broken.tar"
    broken.write_bytes(good.read_bytes() + extra)
    with pytest.raises(IntegrityError, match="goes on after its end"):
        check(broken)


def test_a_sparse_file_of_the_right_size_is_refused(good: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar"
    shutil.copy(good, broken)
    with broken.open("r+b") as file:
        size = len(good.read_bytes())
        file.truncate(size - 30_000)
        file.truncate(size)
    with pytest.raises(IntegrityError):
        check(broken)


def files_of(path: Path) -> list[tuple[str, bytes]]:
    """The files of a bundle, in their order."""
    with Bundle.open_file(path) as bundle:
        return [(member.name, bundle.read_at(member.offset, member.size)) for member in bundle.layout]


@pytest.mark.parametrize(
    "change",
    [
        lambda files: [*files, files[-1]],
        lambda files: [*files[:-2], files[-1], files[-2]],
        lambda files: [*files[:3], *files[4:5], files[3], *files[5:]],
        lambda files: [*files[:-1], ("../../etc/passwd", files[-1][1])],
        lambda files: [*files[:-1], ("/etc/passwd", files[-1][1])],
        lambda files: [*files, ("blobs/sha256/" + "0" * 64, b"unlisted")],
        lambda files: files[:-1],
        lambda files: [files[1], files[0], *files[2:]],
        lambda files: [files[0], *files[2:]],
        lambda files: [(files[0][0], b'{"imageLayoutVersion":"9.0.0"}'), *files[1:]],
    ],
    ids=[
        "twice",
        "layers swapped",
        "manifests swapped",
        "dots",
        "absolute",
        "unlisted",
        "missing",
        "front swapped",
        "no index",
        "newer layout",
    ],
)
def test_other_entries_than_the_manifests_list_are_refused(
    good: Path, tmp_path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]
) -> None:
    broken = tmp_path / "broken.tar"
    seal(broken, change(files_of(good)))
    with pytest.raises(IntegrityError):
        check(broken)


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"5", b"S", b"L"])
def test_links_devices_folders_and_sparse_entries_are_refused(good: Path, tmp_path: Path, kind: bytes) -> None:
    data = bytearray(good.read_bytes())
    with Bundle.open_file(good) as bundle:
        at = list(bundle.layout)[-1].header_at
    data[at + 156 : at + 157] = kind
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + BLOCK])
    broken = tmp_path / "broken.tar"
    broken.write_bytes(data)
    with pytest.raises(IntegrityError, match="header"):
        check(broken)


def test_an_index_json_that_names_images_otherwise_is_refused(good: Path, tmp_path: Path) -> None:
    files = files_of(good)
    swapped = json.loads(files[1][1])
    swapped["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"] = "docker.io/library/evil:1"
    text = json.dumps(swapped, separators=(",", ":"), sort_keys=True).encode()
    broken = tmp_path / "broken.tar"
    seal(broken, [files[0], (files[1][0], text), *files[2:]])
    with pytest.raises(IntegrityError, match=r"index\.json"):
        check(broken)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    blobs = Blobs()
    root, order = nested(blobs, 40)
    seal_tree(tmp_path / "deep.tar", blobs, root, order)
    with pytest.raises(IntegrityError, match="deep"):
        check(tmp_path / "deep.tar")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"schemaVersion":2,"manifests":[],"manifests":[]}', "twice"),
        (b'{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"md5:00","size":1}]}', "digest"),
        (b'{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:00","size":1}]}', "digest"),
        (b'{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:%s","size":-1}]}' % (b"0" * 64), "size"),
        (b'{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:%s","size":1e400}]}' % (b"0" * 64), None),
        (
            b'{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:%s","size":1%s}]}'
            % (b"0" * 64, b"0" * 5000),
            None,
        ),
        (b'{"schemaVersion":1,"manifests":[]}', "schemaVersion"),
        (b'{"schemaVersion":2,"mediaType":"application/json","manifests":[]}', "says of itself"),
        (b"[" * 100_000, None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_manifests_that_make_no_sense_are_refused(tmp_path: Path, text: bytes, said: str | None) -> None:
    blobs = Blobs()
    child = raw(blobs, media_types.OCI_INDEX, text)
    root = bundle_index(blobs, child)
    seal_tree(tmp_path / "bad.tar", blobs, root, [root.digest, child.digest])
    with pytest.raises(IntegrityError, match=said):
        check(tmp_path / "bad.tar")


def test_a_manifest_that_claims_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    blobs = Blobs()
    huge = Descriptor(media_type=media_types.OCI_INDEX, digest=Digest.of(b"huge"), size=1 << 30)
    root = bundle_index(blobs, huge)
    seal_tree(tmp_path / "huge.tar", blobs, root, [root.digest])
    with pytest.raises(IntegrityError, match="claims"):
        check(tmp_path / "huge.tar")


def test_an_index_file_that_claims_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tar"
    with path.open("wb") as file:
        file.write(header_for(Entry(content.LAYOUT_FILE, len(content.LAYOUT_CONTENT))))
        file.write(content.LAYOUT_CONTENT.ljust(BLOCK, b"\0"))
        file.write(header_for(Entry(content.INDEX_FILE, 1 << 30)))
        file.truncate((1 << 30) + 10_000)
    with pytest.raises(IntegrityError, match=r"index\.json"):
        check(path)


@pytest.mark.parametrize("size", [b"00000000089", b"9" * 11, b"", b"-0000000001", b"0x000000001", b"\x80\0\0\0"])
def test_an_index_file_with_a_size_that_is_no_octal_number_is_refused(tmp_path: Path, size: bytes) -> None:
    path = tmp_path / "odd.tar"
    header = bytearray(header_for(Entry(content.INDEX_FILE, 10)))
    header[124:136] = size.ljust(12, b"\0")
    with path.open("wb") as file:
        file.write(header_for(Entry(content.LAYOUT_FILE, len(content.LAYOUT_CONTENT))))
        file.write(content.LAYOUT_CONTENT.ljust(BLOCK, b"\0"))
        file.write(bytes(header).ljust(10 * BLOCK, b"\0"))
    with pytest.raises(IntegrityError, match=r"index\.json claims no size"):
        check(path)


def test_one_digest_with_two_sizes_is_refused(tmp_path: Path) -> None:
    blobs = Blobs()
    layer = blobs.add("application/octet-stream", b"12345")
    other = Descriptor(media_type="application/octet-stream", digest=layer.digest, size=6)
    root = bundle_index(blobs, layer, other)
    seal_tree(tmp_path / "sizes.tar", blobs, root, [root.digest, layer.digest])
    with pytest.raises(IntegrityError, match="two sizes"):
        check(tmp_path / "sizes.tar")


def test_a_root_of_another_version_is_named(tmp_path: Path) -> None:
    blobs = Blobs()
    text = b'{"schemaVersion":2,"artifactType":"application/vnd.packhorse.bundle.v9+json","manifests":[]}'
    root = raw(blobs, media_types.OCI_INDEX, text, "application/vnd.packhorse.bundle.v9+json")
    seal_tree(tmp_path / "v9.tar", blobs, root, [root.digest])
    with pytest.raises(IntegrityError, match=r"bundle\.v9") as caught:
        check(tmp_path / "v9.tar")
    assert "newer" in (caught.value.hint or "")


@pytest.mark.parametrize("text", [b"", b"not a tar at all" * 100, b"\x1f\x8b\x08" + b"\0" * 2000])
def test_what_is_no_bundle_is_called_that(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(text)
    with pytest.raises(IntegrityError):
        check(path)


def test_folders_pipes_and_missing_files_are_usage_errors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing.tar", tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError):
            check(path)


def test_another_root_than_expected_is_refused(good: Path) -> None:
    with Bundle.open_file(good) as bundle, pytest.raises(IntegrityError, match="expected root"):
        check_root(bundle, Digest.of(b"another"))


_MEASURE = f"""{PEAK_MIB}
import sys
from pathlib import Path
from packhorse.bundle.reader import Bundle
from packhorse.base.errors import IntegrityError
try:
    Bundle.open_file(Path(sys.argv[1])).close()
except IntegrityError as error:
    print(error, file=sys.stderr)
print(peak_mib())
"""


def test_a_hundred_thousand_entries_cost_no_more_than_200_mib(tmp_path: Path) -> None:
    blobs = Blobs()
    children = []
    for group in range(10):
        listed = ",".join(
            '{"mediaType":"a/b","digest":"%s","size":1}' % Digest.of(f"{group}/{number}".encode())  # noqa: UP031
            for number in range(10_000)
        )
        children.append(raw(blobs, media_types.OCI_INDEX, f'{{"schemaVersion":2,"manifests":[{listed}]}}'.encode()))
    root = bundle_index(blobs, *children)
    seal_tree(tmp_path / "many.tar", blobs, root, [root.digest, *(child.digest for child in children)])
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path / "many.tar")], check=True, capture_output=True, text=True
    )
    assert "cut off" in done.stderr
    assert int(done.stdout) < 200
