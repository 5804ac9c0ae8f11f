"""The ways in which a layer's tar is compressed, by name: those whose bytes are found in registries.

A way is opened around a sink; the end of the block finishes the compressed data and leaves the sink below open. The
bytes depend on the program that compresses, which the way's identity names, not on the time or the machine.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from corpus.errors import CorpusError
from corpus.pipe import through
from corpus.sinks import Sink
from corpus.sources.golang import GoProgram
from corpus.workshop import Workshop

__all__ = ["Compression", "by_name"]

_GO = GoProgram("corpus.invalid/compress", "/compress", folder=Path(__file__).parent / "go")
"""A program of our own over the libraries that container tools written in Go compress with."""


@dataclass(frozen=True, slots=True)
class Compression:
    """One way."""

    name: str
    oci_suffix: str
    """Of a layer's media type."""
    docker_suffix: str | None
    """None where Docker's schema 2 has no media type for it."""
    identity: Callable[[Workshop], Mapping[str, object]]
    """Says what decides about the bytes, as JSON values."""
    open: Callable[[Sink, Workshop], AbstractContextManager[Sink]]


def by_name(name: str) -> Compression:
    """Give the compression called ``name``.

    Raises:
        CorpusError: There is none of that name.
    """
    if name not in _ALL:
        raise CorpusError(f'Expected a compression of {", ".join(sorted(_ALL))}, found "{name}".')
    return _ALL[name]


@contextmanager
def _zlib(sink: Sink, workshop: Workshop) -> Iterator[Sink]:
    del workshop
    # Level 6 is what docker, buildah and skopeo write; no name and time zero, so that only the content decides.
    stream = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=cast("BinaryIO", sink), mtime=0)
    with stream:
        yield cast("Sink", stream)


@contextmanager
def _plain(sink: Sink, workshop: Workshop) -> Iterator[Sink]:
    del workshop
    yield sink


def _gnu(sink: Sink, workshop: Workshop) -> AbstractContextManager[Sink]:
    del workshop
    return through(["gzip", "-n"], sink)


def _go(way: str) -> Compression:
    def identity(workshop: Workshop) -> Mapping[str, object]:
        return {"way": way, "program": _GO.identity("", workshop)}

    def opened(sink: Sink, workshop: Workshop) -> AbstractContextManager[Sink]:
        return through([str(_GO.host_program(workshop)), way], sink)

    suffix = "zstd" if way == "zstd" else "gzip"
    return Compression(way, f"+{suffix}", None if suffix == "zstd" else ".gzip", identity, opened)


_WAYS = (
    Compression("gzip", "+gzip", ".gzip", lambda _: {"way": "gzip", "zlib": zlib.ZLIB_RUNTIME_VERSION}, _zlib),
    Compression(
        "gnu-gzip",
        "+gzip",
        ".gzip",
        lambda workshop: {"way": "gnu-gzip", "program": workshop.run(["gzip", "--version"]).partition("\n")[0]},
        _gnu,
    ),
    _go("go-gzip"),
    _go("pgzip"),
    _go("zstd"),
    Compression("none", "", "", lambda _: {"way": "none"}, _plain),
)
_ALL = {way.name: way for way in _WAYS}
