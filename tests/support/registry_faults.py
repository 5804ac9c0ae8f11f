"""How a test registry misbehaves: each fault matches requests, and takes their answer over for a number of times."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "Fault",
    "FaultyHandler",
    "answer",
    "corrupt",
    "drip",
    "drop",
    "flood",
    "garbage",
    "header_drip",
    "truncate",
    "with_headers",
]


class FaultyHandler(Protocol):
    """What a fault needs of the handler of a request."""

    close_connection: bool

    def respond(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Answer."""

    def drain(self) -> None:
        """Read the body of the request, and forget it."""

    def write_raw(self, content: bytes) -> None:
        """Write to the connection, past HTTP."""

    def proceed(self) -> None:
        """Answer as a good registry does."""


Action = Callable[[FaultyHandler, "Fault"], None]


@dataclass
class Fault:
    """One way to misbehave.

    ``pattern`` is matched from the start of ``METHOD /path?query``. ``times`` counts down; -1 is for ever.
    """

    pattern: str
    action: Action
    times: int = 1
    skip: int = 0
    """How many matching requests are let through first."""
    alter_body: Callable[[bytes], bytes] | None = None
    extra_headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    """Set it to end a slow answer."""

    def takes(self, line: str) -> bool:
        """Whether this request is for this fault; counts it."""
        if self.times == 0 or not re.match(self.pattern, line):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        return True


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Action:
    """Answer so, whatever was asked."""

    def act(handler: FaultyHandler, _fault: Fault) -> None:
        handler.drain()
        handler.respond(status, headers, body)

    return act


def drop(handler: FaultyHandler, _fault: Fault) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def garbage(content: bytes) -> Action:
    """Write what is no HTTP, and close."""

    def act(handler: FaultyHandler, _fault: Fault) -> None:
        handler.drain()
        handler.write_raw(content)
        handler.close_connection = True

    return act


def truncate(after: int) -> Action:
    """Answer well, but close the connection after so many bytes of the body."""

    def act(handler: FaultyHandler, fault: Fault) -> None:
        fault.cut_after = after
        handler.proceed()

    return act


def corrupt(handler: FaultyHandler, fault: Fault) -> None:
    """Answer well, but for one flipped bit in the middle of the body."""
    fault.alter_body = _flip
    handler.proceed()


def with_headers(headers: dict[str, str]) -> Action:
    """Answer well, but with these headers in place of the right ones."""

    def act(handler: FaultyHandler, fault: Fault) -> None:
        fault.extra_headers = headers
        handler.proceed()

    return act


def drip(seconds: float, length: int) -> Action:
    """Promise a body of so many bytes, and send a byte of it now and then until the fault's ``stop`` is set."""

    def act(handler: FaultyHandler, fault: Fault) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: application/json\r\n\r\n"
        handler.write_raw(head.encode())
        while not fault.stop.wait(seconds):
            handler.write_raw(b"x")
        handler.close_connection = True

    return act


def header_drip(seconds: float) -> Action:
    """Send headers that never end, a few bytes at a time, until the fault's ``stop`` is set."""

    def act(handler: FaultyHandler, fault: Fault) -> None:
        handler.write_raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not fault.stop.wait(seconds):
            handler.write_raw(b"x")
        handler.close_connection = True

    return act


def flood(content_type: str, total: int) -> Action:
    """Send a body of so many bytes, in chunks, without saying how long it will be."""

    def act(handler: FaultyHandler, _fault: Fault) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        handler.write_raw(head.encode())
        block = b" " * 65536
        for _ in range(total // len(block)):
            handler.write_raw(b"10000\r\n" + block + b"\r\n")
        handler.write_raw(b"0\r\n\r\n")
        handler.close_connection = True

    return act


def _flip(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
