import gzip
import io
import shutil
import subprocess

import pytest

from corpus import compression
from corpus.errors import CorpusError
from corpus.pipe import through
from corpus.workshop import Workshop

CONTENT = b"".join(b"line %d of what is packed\n" % number for number in range(60_000))


class Full(io.BytesIO):
    """A disk that takes nothing."""

    def write(self, _: object, /) -> int:
        raise OSError(28, "No space left on device")


def send(command: list[str], sink: io.BytesIO, failure: Exception | None = None) -> None:
    """Write more than a pipe holds, then fail."""
    with through(command, sink) as stream:
        for _ in range(20):
            stream.write(CONTENT)
        if failure is not None:
            raise failure


def packed(way: str, workshop: Workshop, content: bytes = CONTENT) -> bytes:
    sink = io.BytesIO()
    with compression.by_name(way).open(sink, workshop) as stream:
        for begin in range(0, len(content), 70_000):
            stream.write(content[begin : begin + 70_000])
    return sink.getvalue()


@pytest.mark.parametrize("way", ["gzip", "gnu-gzip"])
def test_gzip_is_read_by_any_gunzip_and_says_neither_time_nor_name(workshop: Workshop, way: str) -> None:
    data = packed(way, workshop)
    assert gzip.decompress(data) == CONTENT
    # RFC 1952, section 2.3: magic, deflate, no flags, time zero.
    assert data[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert data == packed(way, workshop)


def test_gnu_gzip_is_the_program_itself(workshop: Workshop) -> None:
    done = subprocess.run(["gzip", "-n"], input=CONTENT, stdout=subprocess.PIPE, check=True)
    assert packed("gnu-gzip", workshop) == done.stdout


def test_every_way_says_what_its_bytes_depend_on(workshop: Workshop) -> None:
    assert "gzip" in str(compression.by_name("gnu-gzip").identity(workshop)["program"])
    assert compression.by_name("gzip").identity(workshop)["zlib"]


def test_a_program_that_ends_early_is_told() -> None:
    with pytest.raises(CorpusError, match="false"):
        send(["false"], io.BytesIO())


def test_a_program_that_fails_at_the_end_is_told() -> None:
    command = ["sh", "-c", "cat >/dev/null; exit 3"]
    with pytest.raises(CorpusError, match="ended with 3"), through(command, io.BytesIO()) as stream:
        stream.write(b"all of it")


def test_a_program_that_is_not_there_is_told() -> None:
    with (
        pytest.raises(CorpusError, match='Expected the program "no-such-program"'),
        through(["no-such-program"], io.BytesIO()),
    ):
        pass


def test_a_full_disk_ends_the_program() -> None:
    with pytest.raises((OSError, CorpusError)) as caught:
        send(["cat"], Full())
    assert "No space left" in str(caught.value) or "No space left" in str(caught.value.__cause__)


def test_what_fails_in_the_block_ends_the_program() -> None:
    sink = io.BytesIO()
    with pytest.raises(RuntimeError, match="elsewhere"):
        send(["cat"], sink, RuntimeError("elsewhere"))


@pytest.mark.peer("go")
@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
class TestGo:
    """Needs the Go module proxy the first time."""

    @pytest.mark.parametrize("way", ["go-gzip", "pgzip"])
    def test_gzip_of_go_is_read_by_any_gunzip_and_is_the_same_each_time(self, workshop: Workshop, way: str) -> None:
        data = packed(way, workshop)
        assert gzip.decompress(data) == CONTENT
        assert data == packed(way, workshop)

    def test_the_ways_differ(self, workshop: Workshop) -> None:
        ways = ("gzip", "gnu-gzip", "go-gzip", "pgzip", "zstd", "none")
        assert len({packed(way, workshop) for way in ways}) == len(ways)

    @pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
    def test_zstd_is_read_by_its_own_program(self, workshop: Workshop) -> None:
        data = packed("zstd", workshop)
        done = subprocess.run(["zstd", "-d", "-c"], input=data, stdout=subprocess.PIPE, check=True)
        assert done.stdout == CONTENT
        assert data == packed("zstd", workshop)

    def test_the_version_of_go_decides(self, workshop: Workshop) -> None:
        assert "go1." in str(compression.by_name("pgzip").identity(workshop))
