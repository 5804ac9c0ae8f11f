"""Sending stored bytes to a client.

Over plain HTTP the kernel sends them straight from the file (``sendfile``); over TLS, and where the kernel cannot,
they go through memory in blocks. Neither the disk nor a slow client may hold up the others: what is not in the page
cache is read in a thread first, and a client that takes next to nothing for minutes is dropped.
"""

import asyncio
import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.units import KIB, MIB
from packhorse.oci.ports import BlobStream, Extent
from packhorse.registry.aiohttp_server import web
from packhorse.registry.ranges import Span

__all__ = ["Run", "Sender", "StalledError"]

_SLICE = 16 * MIB
_BLOCK = MIB
_PROBE_EVERY = 4 * MIB
_OF_THE_MEDIUM = frozenset({errno.EIO, errno.EBADMSG, errno.ENODATA, errno.EREMOTEIO, errno.ESTALE, errno.EUCLEAN})
"""What ``sendfile`` says of the file, not of the client."""


class StalledError(ConnectionError):
    """The client took too little for too long."""


class _File(msgspec.Struct, frozen=True):
    """What ``loop.sendfile`` wants to see of a file."""

    descriptor: int

    def fileno(self) -> int:
        return self.descriptor


class Run:
    """What is still to be sent: a position in a file, and how many bytes from there."""

    __slots__ = ("count", "extent", "fd", "offset", "sent")

    def __init__(self, extent: Extent | None, span: Span) -> None:
        # Holding the extent keeps its file open.
        self.extent = extent
        self.fd = extent.fd if extent is not None else -1
        self.offset = (extent.offset if extent is not None else 0) + span.start
        self.count = span.length
        self.sent = 0

    def advance(self, count: int) -> None:
        """Note that ``count`` bytes more are on their way."""
        self.offset += count
        self.count -= count
        self.sent += count


class Sender:
    """Sends content on the event loop, with the help of some threads for what the disk is slow to give."""

    def __init__(self, pool: ThreadPoolExecutor, *, stall_seconds: float) -> None:
        """Make a sender.

        Args:
            pool: Threads for what must wait for the disk.
            stall_seconds: How long a client may take for one slice of 16 MiB, or over TLS one block of 1 MiB.
        """
        self._pool = pool
        self._stall_seconds = stall_seconds
        self._scratch = threading.local()

    async def send_extent(self, response: web.StreamResponse, transport: asyncio.Transport, run: Run) -> None:
        """Send the bytes of a file after the headers of ``response``, which have been sent.

        Raises:
            ConnectionError: The client went away, or stalled.
            IntegrityError: The file is shorter than it should be, or cannot be read.
        """
        if transport.get_extra_info("sslcontext") is not None:
            await self._send_blocks(response, transport, run)
            return
        loop = asyncio.get_running_loop()
        while run.count:
            count = min(run.count, _SLICE)
            if not _is_cached(run.fd, run.offset, count):
                try:
                    await loop.run_in_executor(self._pool, self._warm, run.fd, run.offset, count)
                except OSError as error:
                    raise _unreadable(run.offset, error) from error
            try:
                async with asyncio.timeout(self._stall_seconds):
                    await _send_file(loop, transport, run, count)
            except TimeoutError as error:
                transport.abort()
                message = f"the client took less than {count} bytes in {self._stall_seconds:.0f} s"
                raise StalledError(message) from error
            except asyncio.SendfileNotAvailableError:
                # The file system has no sendfile, or the client is gone: writing a block tells which.
                await self._send_blocks(response, transport, run)
                return
            run.advance(count)

    async def send_stream(
        self, response: web.StreamResponse, transport: asyncio.Transport, stream: BlobStream, run: Run
    ) -> None:
        """Send content that lies in no file, read from ``stream``.

        Raises:
            ConnectionError: The client went away, or stalled.
            PackhorseError: The source cannot give what it promised.
        """
        loop = asyncio.get_running_loop()
        while run.count:
            block = await loop.run_in_executor(self._pool, _read_block, stream, min(run.count, _BLOCK))
            await self._write(response, transport, block)
            run.advance(len(block))

    async def _send_blocks(self, response: web.StreamResponse, transport: asyncio.Transport, run: Run) -> None:
        loop = asyncio.get_running_loop()
        while run.count:
            count = min(run.count, _BLOCK)
            block: bytes | bytearray | None = _read_cached(run.fd, run.offset, count)
            if block is None:
                block = await loop.run_in_executor(self._pool, _read_exactly, run.fd, run.offset, count)
            await self._write(response, transport, block)
            run.advance(count)

    async def _write(
        self, response: web.StreamResponse, transport: asyncio.Transport, block: bytes | bytearray
    ) -> None:
        try:
            async with asyncio.timeout(self._stall_seconds):
                await response.write(block)
        except TimeoutError as error:
            transport.abort()
            message = f"the client took less than {len(block)} bytes in {self._stall_seconds:.0f} s"
            raise StalledError(message) from error

    def _warm(self, fd: int, offset: int, count: int) -> None:
        """Read a run into the page cache, and ask for the one after it."""
        buffer: bytearray | None = getattr(self._scratch, "buffer", None)
        if buffer is None:
            buffer = self._scratch.buffer = bytearray(256 * KIB)
        view = memoryview(buffer)
        end = offset + count
        while offset < end:
            read = os.preadv(fd, [view[: end - offset]], offset)
            if not read:
                break
            offset += read
        os.posix_fadvise(fd, end, _SLICE, os.POSIX_FADV_WILLNEED)


async def _send_file(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, run: Run, count: int) -> None:
    if transport.is_closing():
        raise ConnectionResetError
    try:
        sent = await loop.sendfile(transport, _File(run.fd), run.offset, count, fallback=False)  # type: ignore[arg-type]
    except ConnectionError:
        raise
    except OSError as error:
        if error.errno not in _OF_THE_MEDIUM:
            raise
        raise _unreadable(run.offset, error) from error
    if sent != count:
        message = f"the file ends {count - sent} bytes too early"
        raise IntegrityError(message)


def _is_cached(fd: int, offset: int, count: int) -> bool:
    """Whether a run seems to be in the page cache, by looking here and there; what cannot be told counts as no."""
    probes = (*range(offset, offset + count, _PROBE_EVERY), offset + count - 1)
    return all(_read_cached(fd, position, 1) is not None for position in probes)


def _read_cached(fd: int, offset: int, count: int) -> bytearray | None:
    """Read a run, unless that would have to wait for the disk."""
    block = bytearray(count)
    try:
        read = os.preadv(fd, [block], offset, os.RWF_NOWAIT)
    except OSError:
        return None
    return block if read == count else None


def _read_exactly(fd: int, offset: int, count: int) -> bytes:
    pieces = []
    while count:
        try:
            piece = os.pread(fd, count, offset)
        except OSError as error:
            raise _unreadable(offset, error) from error
        if not piece:
            message = f"the file ends at byte {offset}; {count} more bytes should be there"
            raise IntegrityError(message)
        pieces.append(piece)
        offset += len(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _unreadable(offset: int, error: OSError) -> IntegrityError:
    return IntegrityError(f"the file cannot be read from byte {offset:,} on: {error.strerror}")


def _read_block(stream: BlobStream, count: int) -> bytearray:
    block = bytearray(count)
    with memoryview(block) as view:
        filled = 0
        while filled < count:
            read = stream.readinto(view[filled:])
            if not read:
                message = f"the source ends {count - filled} bytes too early"
                raise IntegrityError(message)
            filled += read
    return block
