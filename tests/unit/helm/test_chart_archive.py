"""Chart archives: the same files give the same bytes, and nothing hostile is read."""

import gzip
import io
import tarfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.helm.chart_archive import MAX_CHART_BYTES, chart_config, pack, parse_metadata, unpack

CHART = b"apiVersion: v2\nname: shop\nversion: 1.2.3\n"
FILES = {"Chart.yaml": CHART, "values.yaml": b"a: 1\n", "templates/a.yaml": b"kind: A\n", "templates/empty.txt": b""}


def tar(*entries: tuple[str, bytes] | tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            archive.addfile(info, io.BytesIO(entry[1]))
    return stream.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def test_what_is_packed_is_read_back() -> None:
    archive = unpack(pack("shop", FILES), "x")
    assert archive.files == FILES
    assert (archive.metadata.name, archive.metadata.version) == ("shop", "1.2.3")


def test_other_programs_read_it_too() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack("shop", FILES)), mode="r:gz") as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(f"shop/{name}" for name in FILES)
    assert {(m.mtime, m.mode, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0o644, 0, 0, "", "")}


def test_the_bytes_are_these() -> None:
    packed = pack("a", {"Chart.yaml": b"x"})
    plain = gzip.decompress(packed)
    assert len(plain) == 512 * 4
    assert packed[:10] == bytes.fromhex("1f8b08000000000000ff")
    assert packed[10:15] == bytes([1, 0x00, 0x08, 0xFF, 0xF7])
    assert packed[15:-8] == plain
    assert zlib.crc32(packed) == 3844879258


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}(/[a-z]{1,9}){0,3}\.x", fullmatch=True), st.binary(max_size=2000)))
def test_order_does_not_matter(files: dict[str, bytes]) -> None:
    files["Chart.yaml"] = CHART
    backwards = dict(reversed(list(files.items())))
    assert pack("shop", files) == pack("shop", backwards)
    assert unpack(pack("shop", files), "x").files == files


def test_content_of_more_than_one_block() -> None:
    files = {"Chart.yaml": CHART, "big": bytes(range(256)) * 1000}
    assert unpack(pack("shop", files), "x").files == files


def test_long_paths_are_cut_at_a_slash() -> None:
    files = {"Chart.yaml": CHART, f"{'d' * 90}/{'e' * 40}/{'f' * 90}": b"x"}
    assert unpack(pack("shop", files), "x").files == files


@pytest.mark.parametrize("path", ["x" * 120, f"{'d' * 160}/{'f' * 90}"])
def test_paths_that_do_not_fit_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="too long for an archive"):
        pack("shop", {path: b""})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "is not gzip"),
        (pack("shop", FILES)[:-20], "ends in the middle"),
        (gzip.compress(b"x" * 600), "not a chart archive"),
        (tar(("shop/../evil", b"x")), "does not lie in the chart's folder"),
        (tar(("/etc/passwd", b"x")), "does not lie in the chart's folder"),
        (tar(("shop", b"x")), "does not lie in the chart's folder"),
        (tar(("shop//x", b"x")), "does not lie in the chart's folder"),
        (tar(("shop/a\\..\\b", b"x")), "does not lie in the chart's folder"),
        (tar(special("shop/link", tarfile.SYMTYPE, "/etc/passwd")), "neither a file nor a folder"),
        (tar(special("shop/link", tarfile.LNKTYPE, "x")), "neither a file nor a folder"),
        (tar(special("shop/pipe", tarfile.FIFOTYPE)), "neither a file nor a folder"),
        (tar(("shop/a", b"1"), ("shop/a", b"2")), "twice"),
    ],
)
def test_hostile_archives_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        unpack(content, "shop.tgz")


def test_a_decompression_bomb_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(MAX_CHART_BYTES + 1), compresslevel=1)
    with pytest.raises(IntegrityError, match="more than 100 MiB unpacked"):
        unpack(bomb, "shop.tgz")


def test_too_many_entries_are_refused() -> None:
    with pytest.raises(IntegrityError, match="more than 20000 entries"):
        unpack(tar(*((f"shop/{number}", b"") for number in range(20_001))), "shop.tgz")


@pytest.mark.parametrize("content", [b"a: [", b"- 1", b"name: a", b"version: 1", b"name: ../x\nversion: 1", b"\xff"])
def test_a_chart_must_say_what_it_is(content: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_metadata(content, "Chart.yaml")


def test_a_chart_without_metadata_is_none() -> None:
    with pytest.raises(ConfigError, match=r"no Chart\.yaml"):
        unpack(tar(("shop/values.yaml", b"")), "shop.tgz")


def test_subcharts_say_what_they_are_packed_or_not() -> None:
    sub = b"name: redis\nversion: 2.0.0\nannotations: {a: b}\n"
    deepest = pack("deepest", {"Chart.yaml": b"name: deepest\nversion: 1.0.0\n", "values.yaml": b"a: 1\n"})
    packed = pack("database", {"Chart.yaml": b"name: database\nversion: 1.0.0\n", "charts/deepest-1.0.0.tgz": deepest})
    files = {
        "Chart.yaml": CHART,
        "charts/redis/Chart.yaml": sub,
        "charts/database-1.0.0.tgz": packed,
        "templates/Chart.yaml": b"not: one",
        "files/other.tgz": b"no chart",
    }
    archive = unpack(pack("shop", files), "x")
    assert [(place, metadata.name) for place, metadata in archive.charts()] == [
        ("", "shop"),
        ("charts/database/", "database"),
        ("charts/database/charts/deepest/", "deepest"),
        ("charts/redis/", "redis"),
    ]
    everything = dict(archive.everything())
    assert everything["charts/database/charts/deepest/values.yaml"] == b"a: 1\n"
    assert everything["files/other.tgz"] == b"no chart"


def test_charts_are_not_packed_into_each_other_without_end() -> None:
    content = pack("a", {"Chart.yaml": CHART})
    for _ in range(10):
        content = pack("a", {"Chart.yaml": CHART, "charts/a.tgz": content})
    with pytest.raises(ConfigError, match="packed into each other"):
        list(unpack(content, "x").charts())


def test_the_config_of_a_registry_keeps_text_as_text() -> None:
    content = CHART + b"appVersion: 1.10\ndeprecated: true\nkeywords: [a, 1]\nannotations: {on: yes}\n"
    assert chart_config(pack("shop", {"Chart.yaml": content})) == {
        "apiVersion": "v2",
        "name": "shop",
        "version": "1.2.3",
        "appVersion": "1.10",
        "deprecated": True,
        "keywords": ["a", "1"],
        "annotations": {"on": "yes"},
    }
