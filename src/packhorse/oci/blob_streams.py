"""Streams of blobs: from memory, and on their way out in blocks that are hashed as they go."""

import threading
from collections.abc import Iterator
from typing import Self

from packhorse.base.errors import IntegrityError
from packhorse.base.units import MIB
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource

__all__ = ["BytesStream", "ThreadBuffer", "verified_blocks"]

_BLOCK_BYTES = MIB
"""Larger blocks fall out of the processor's cache between receiving, hashing and sending; smaller ones cost calls.

Measured: 4 MiB takes twice as long, 128 KiB 1.2 times.
"""


class ThreadBuffer:
    """A block for each thread, used again: a fresh one for each blob costs more than hashing a small blob."""

    def __init__(self) -> None:
        self._local = threading.local()

    def get(self) -> memoryview:
        """Return this thread's block; what it holds is good until the thread asks again."""
        view: memoryview | None = getattr(self._local, "view", None)
        if view is None:
            view = self._local.view = memoryview(bytearray(_BLOCK_BYTES))
        return view


class BytesStream:
    """A blob that is in memory already."""

    def __init__(self, content: bytes, offset: int = 0) -> None:
        self._rest = memoryview(content)[offset:]

    def readinto(self, buffer: memoryview) -> int:
        """Give the next bytes."""
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Let go of the bytes."""
        self._rest = memoryview(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def verified_blocks(source: ContentSource, descriptor: Descriptor, *, skip: int = 0) -> Iterator[memoryview]:
    """Read a blob and give it in blocks; the last one only when length and digest of the whole are right.

    So whoever receives the blocks never has a whole blob that is wrong. Each block is good until the next is asked
    for.

    Args:
        source: Where it is read.
        descriptor: What it must be.
        skip: How many bytes to hash but not give: what the receiver has already.

    Raises:
        IntegrityError: The source gives other bytes.
    """
    hasher = descriptor.digest.hasher()
    buffer = memoryview(bytearray(min(_BLOCK_BYTES, descriptor.size) or 1))
    position = 0
    with source.open(descriptor) as stream:
        while position < descriptor.size:
            count = _fill(stream, buffer[: descriptor.size - position])
            if not count:
                raise IntegrityError(
                    f"expected {descriptor.size} bytes of {descriptor.digest.short}, the source ends at {position}"
                )
            block = buffer[:count]
            hasher.update(block)
            start, position = position, position + count
            if position == descriptor.size:
                _check_end(stream, descriptor, hasher.hexdigest())
            if position > skip:
                yield block[max(0, skip - start) :]
        if not descriptor.size:
            _check_end(stream, descriptor, hasher.hexdigest())


def _fill(stream: BlobStream, buffer: memoryview) -> int:
    filled = 0
    while filled < len(buffer) and (count := stream.readinto(buffer[filled:])):
        filled += count
    return filled


def _check_end(stream: BlobStream, descriptor: Descriptor, found: str) -> None:
    if stream.readinto(memoryview(bytearray(1))):
        raise IntegrityError(f"expected {descriptor.size} bytes of {descriptor.digest.short}, the source gives more")
    if found != descriptor.digest.hex:
        raise IntegrityError(
            f"expected {descriptor.digest}, the source's bytes hash to {descriptor.digest.algorithm}:{found}"
        )
