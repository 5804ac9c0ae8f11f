"""Verifying a bundle: every byte of the tar, with all cores, and what each damaged blob was for."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.bundle import content
from packhorse.bundle.reader import Bundle
from packhorse.bundle.tar_layout import BLOCK, Entry, Member, header_for, padding_after
from packhorse.oci.blob_streams import ThreadBuffer
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor

__all__ = ["Damage", "check_root", "verify"]


class Damage(msgspec.Struct, frozen=True):
    """One thing that is not as the root says. ``digest`` is None for the bytes between blobs."""

    digest: Digest | None
    name: str
    message: str


def check_root(bundle: Bundle, expected: Digest) -> None:
    """Hold the bundle's root digest against the one that the receiver was told.

    Raises:
        IntegrityError: It is another.
    """
    if bundle.root.digest != expected:
        message = f"{bundle.path} is another bundle: expected root {expected}, its root is {bundle.root.digest}"
        raise IntegrityError(message, hint="ask the sender for the root digest that packhorse build printed")


def verify(bundle: Bundle, *, workers: int, progress: Callable[[Descriptor, int], None]) -> list[Damage]:
    """Hash every blob and compare every other byte with the only one that may stand there.

    Args:
        bundle: An open bundle; opening it has verified its manifests and its size already.
        workers: How many threads hash.
        progress: Told how many bytes of which blob are done, from any thread.

    Returns:
        What is damaged, in the order of the tar; empty when all is as it should be.
    """
    reader = _Reader(bundle)
    largest_first = sorted(bundle.blobs, key=lambda blob: -blob.size)
    found: dict[str, Damage] = {}

    def check(descriptor: Descriptor) -> None:
        for damage in reader.check(descriptor, lambda count: progress(descriptor, count)):
            found.setdefault(damage.name, damage)

    with ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        for future in [pool.submit(check, blob) for blob in largest_first]:
            future.result()
    found.update({damage.name: damage for damage in reader.check_frame()})
    order = {member.name: place for place, member in enumerate(bundle.layout)}
    return sorted(found.values(), key=lambda damage: order.get(damage.name, len(order)))


class _Reader:
    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._buffer = ThreadBuffer()

    def check(self, descriptor: Descriptor, progress: Callable[[int], None]) -> Iterator[Damage]:
        name = content.blob_name(descriptor.digest)
        member = self._bundle.layout[name]
        buffer = self._buffer.get()
        hasher = descriptor.digest.hasher()
        try:
            yield from self._check_around(member, descriptor.digest)
            with self._bundle.open(descriptor) as stream:
                while count := stream.readinto(buffer):
                    hasher.update(buffer[:count])
                    progress(count)
        except IntegrityError as error:
            yield Damage(descriptor.digest, name, error.message)
            return
        if hasher.hexdigest() != descriptor.digest.hex:
            message = f"expected {descriptor.digest}, got {descriptor.digest.algorithm}:{hasher.hexdigest()}"
            yield Damage(descriptor.digest, name, message)

    def check_frame(self) -> Iterator[Damage]:
        """Check what stands around the two files at the front, and the end of the archive."""
        layout = self._bundle.layout
        for name in (content.LAYOUT_FILE, content.INDEX_FILE):
            yield from self._check_around(layout[name], None)
        end = self._read(layout.content_end, 2 * BLOCK)
        if end != bytes(2 * BLOCK):
            yield Damage(None, "the end of the archive", "expected two blocks of zeros, found something else")

    def _check_around(self, member: Member, digest: Digest | None) -> Iterator[Damage]:
        header = self._read(member.header_at, member.offset - member.header_at)
        if header != header_for(Entry(member.name, member.size)):
            message = f"the header at byte {member.header_at:,} is not the one that belongs there"
            yield Damage(digest, member.name, message)
        padding = padding_after(member.size)
        if padding and self._read(member.offset + member.size, padding) != bytes(padding):
            message = f"{padding} bytes after it, from {member.offset + member.size:,} on, should be zero"
            yield Damage(digest, member.name, message)

    def _read(self, offset: int, size: int) -> bytes:
        return self._bundle.read_at(offset, size)


def default_workers() -> int:
    """As many threads as there are cores to hash with."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
