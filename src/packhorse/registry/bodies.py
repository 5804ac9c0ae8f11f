"""Bodies of requests on their way into the store: received on the event loop, hashed and written in a thread.

While a block is written the next one is received; no more than two are in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from packhorse.base.units import MIB
from packhorse.registry.aiohttp_server import web
from packhorse.registry.answers import Answer
from packhorse.registry.push_api import Receive

__all__ = ["BodyError", "InThread", "move_body", "read_body"]

_BLOCK = MIB
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_Result = TypeVar("_Result")


class BodyError(Exception):
    """The body is not as long as was said, or the client has broken off."""


class InThread(Protocol):
    """Runs something in a thread that may wait."""

    def __call__(self, work: Callable[[], _Result], /) -> Awaitable[_Result]:
        """Return what it returns."""


async def read_body(request: web.BaseRequest, max_bytes: int) -> bytes | None:
    """Read a small body; None when it has more than ``max_bytes``.

    Raises:
        BodyError: The client broke off.
    """
    if (request.content_length or 0) > max_bytes:
        return None
    await _let_it_come(request)
    found = bytearray()
    while block := await _next(request):
        found += block
        if len(found) > max_bytes:
            return None
    return bytes(found)


async def move_body(request: web.BaseRequest, receive: Receive, in_thread: InThread) -> Answer:
    """Move a body into its sink, and answer.

    Raises:
        BodyError: The client broke off, or sent another number of bytes than it said; what came is kept.
        StoreRefusal: The store does not take it.
    """
    sink = receive.sink
    try:
        begun = sink.received
        await _let_it_come(request)
        await _pump(request, receive, in_thread)
        if receive.most_bytes is not None and sink.received - begun != receive.most_bytes:
            raise BodyError(f"expected {receive.most_bytes} bytes, found {sink.received - begun}")
    finally:
        await in_thread(sink.close)
    return await in_thread(receive.answer)


async def _pump(request: web.BaseRequest, receive: Receive, in_thread: InThread) -> None:
    writing: asyncio.Future[None] | None = None
    left = receive.most_bytes
    try:
        while True:
            blocks, size = await _collect(request)
            if left is not None:
                left -= size
                if left < 0:
                    raise BodyError(f"expected {receive.most_bytes} bytes, found more")
            if writing is not None:
                await writing
                writing = None
            if not blocks:
                return
            writing = asyncio.ensure_future(in_thread(partial(receive.sink.write, blocks)))
    finally:
        # The sink is closed next: nobody may be writing to it then.
        if writing is not None:
            await asyncio.wait([writing])
            writing.exception()


async def _collect(request: web.BaseRequest) -> tuple[list[bytes], int]:
    blocks = []
    size = 0
    while size < _BLOCK and (block := await _next(request)):
        blocks.append(block)
        size += len(block)
    return blocks, size


async def _next(request: web.BaseRequest) -> bytes:
    try:
        return await request.content.readany()
    except (ConnectionError, web.HTTPException, web.RequestPayloadError) as error:
        raise BodyError(f"the client broke off: {error}") from error


async def _let_it_come(request: web.BaseRequest) -> None:
    """Send what a client waits for that asks before it sends a large body (RFC 9110, section 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and (transport := request.transport) is not None:
        transport.write(_CONTINUE)
