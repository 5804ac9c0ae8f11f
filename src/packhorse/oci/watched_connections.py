"""Connections that do not wait for ever: a server that keeps one waiting with a few bytes now and then is given up.

The timeout of a socket is for one call, and starts anew with every byte; the watch is over many calls, from the first
byte of an answer's head to the last of its body.
"""

import http.client
import io
import socket
from collections.abc import Callable
from typing import Any, Protocol

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from packhorse.oci.registry_settings import Timeouts

__all__ = ["watched_pools"]


def watched_pools(timeouts: Timeouts, clock: Callable[[], float]) -> dict[str, type[HTTPConnectionPool]]:
    """Make classes of connection pools, by scheme, for :attr:`urllib3.PoolManager.pool_classes_by_scheme`.

    Args:
        timeouts: How long to wait.
        clock: Seconds that only go forward.
    """

    class WatchedResponse(http.client.HTTPResponse):
        def __init__(
            self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
        ) -> None:
            super().__init__(sock, debuglevel, method, url)
            # The wait for the first byte is the request's own timeout, which may be longer than the watch's window.
            window = max(timeouts.stall_seconds, sock.gettimeout() or 0.0)
            watched = _Watched(self.fp.detach(), (window, timeouts.stall_bytes), clock)
            self.fp = io.BufferedReader(watched)

        def begin(self) -> None:
            super().begin()
            lengths = {each.strip() for line in self.headers.get_all("Content-Length", ()) for each in line.split(",")}
            # Raised here, the connection is closed; urllib3 would find it later, and leave it open.
            if len(lengths) > 1 or not all(each.isascii() and each.isdigit() for each in lengths):
                message = f"Content-Length is {', '.join(sorted(lengths))[:80]!r}"
                raise http.client.HTTPException(message)

    class WatchedConnection(HTTPConnection):
        response_class = WatchedResponse

        def send(self, data: Any) -> None:
            if self.sock is not None:
                self.sock.settimeout(timeouts.send_seconds)
            super().send(data)

    class WatchedTlsConnection(HTTPSConnection):
        response_class = WatchedResponse

        def send(self, data: Any) -> None:
            if self.sock is not None:
                self.sock.settimeout(timeouts.send_seconds)
            super().send(data)

    class Pool(HTTPConnectionPool):
        ConnectionCls = WatchedConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = WatchedTlsConnection

    return {"http": Pool, "https": TlsPool}


class _Receiver(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...
    def close(self) -> None: ...


class _Watched(io.RawIOBase):
    """Receives from a socket, and adds up what came in the time spent waiting.

    Args:
        raw: The socket, as :meth:`socket.socket.makefile` gives it.
        limits: So many seconds of waiting, in which at least so many bytes must come.
        clock: Seconds that only go forward.
    """

    def __init__(self, raw: _Receiver, limits: tuple[float, int], clock: Callable[[], float]) -> None:
        self._raw = raw
        self._window_seconds, self._window_bytes = limits
        self._clock = clock
        self._waited = 0.0
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        started = self._clock()
        count = self._raw.readinto(buffer)
        self._waited += self._clock() - started
        self._received += count or 0
        if self._waited >= self._window_seconds:
            if count and self._received < self._window_bytes:
                message = f"only {self._received} bytes came in {self._waited:.0f} s"
                raise TimeoutError(message)
            self._waited, self._received = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
