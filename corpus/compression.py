"""The ways in which a layer's tar is compressed, by name.

Each way is a function that wraps a sink; closing what it returns finishes the compressed data and
leaves the sink below open. The bytes depend on the library that compresses, not on the time or the machine.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from corpus.errors import CorpusError
from corpus.sinks import HashingSink, Sink

__all__ = ["Compression", "by_name"]


@dataclass(frozen=True, slots=True)
class Compression:
    """One way: the suffixes of its media types, and how to wrap a sink."""

    name: str
    oci_suffix: str
    docker_suffix: str | None
    """None where Docker's schema 2 has no media type for it."""
    wrap: Callable[[Sink], Sink]


def _gzip(sink: Sink) -> Sink:
    # Level 6 is what docker, buildah and skopeo write; no name and time zero, so that only the content decides.
    return cast("Sink", gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=cast("BinaryIO", sink), mtime=0))


def _plain(sink: Sink) -> Sink:
    return HashingSink(sink)


_ALL = {
    "gzip": Compression("gzip", "+gzip", ".gzip", _gzip),
    "none": Compression("none", "", "", _plain),
}


def by_name(name: str) -> Compression:
    """Give the compression called ``name``.

    Raises:
        CorpusError: There is none of that name.
    """
    if name not in _ALL:
        raise CorpusError(f'Expected a compression of {", ".join(sorted(_ALL))}, found "{name}".')
    return _ALL[name]
