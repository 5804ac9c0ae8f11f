"""The proxy itself: it takes a request, has it answered by the good server, and hands that on, or something else."""

import contextlib
import http.client
import socket
import ssl
import struct
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

from faults.proxy.schedule import Schedule

__all__ = ["Answer", "Handler", "Proxy", "Seen", "running"]

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_BLOCK = 64 * 1024
_MOST_KEPT_BODIES = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What the good server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Seen:
    """One request and what became of it."""

    method: str
    path: str
    kind: str = ""
    """The misdeed; empty where there was none."""
    received_bytes: int = 0
    """Of the request's body."""
    sent_bytes: int = 0
    """Of the answer's body, as far as the client took it."""
    status: int = 0

    @property
    def line(self) -> str:
        """``GET /v2/…``."""
        return f"{self.method} {self.path}"


@dataclass
class _State:
    """What all connections share; a new one for each run."""

    schedule: Schedule = field(default_factory=Schedule)
    seen: list[Seen] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the run is over: whoever keeps a client waiting lets go."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client. Misdeeds use its methods."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Begin a connection; its own to the good server is made when it is needed."""
        super().setup()
        self.state: _State = self.proxy.state
        self._upstream: http.client.HTTPConnection | None = None
        self.record = Seen("", "")
        self._body: bytes | None = None

    def finish(self) -> None:
        """End both connections."""
        if self._upstream is not None:
            self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    @property
    def proxy(self) -> "Proxy":
        """The proxy that this connection belongs to."""
        return cast("_Server", self.server).proxy

    def do_GET(self) -> None:
        """Take any request."""
        state = self.state = self.proxy.state
        self._body = None
        self.record = Seen(self.command, self.path)
        chosen = state.schedule.choose(self.record.line)
        self.record.kind = chosen.kind
        state.seen.append(self.record)
        misdeed = self.proxy.misdeeds.get(chosen.kind)
        if misdeed is None:
            self.hand_on()
        else:
            misdeed(self, chosen.random)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Keep still."""

    # --- what misdeeds are made of --------------------------------------------------------------------------------

    @property
    def other_bodies(self) -> list[bytes]:
        """Bodies of answers to other requests."""
        return self.proxy.bodies

    def length_of_body(self) -> int:
        """How long the request's body says it is."""
        return int(self.headers.get("Content-Length") or 0)

    def body(self) -> bytes:
        """Read the request's body."""
        if self._body is None:
            self._body = self.read_part(self.length_of_body())
        return self._body

    def read_part(self, size: int) -> bytes:
        """Read so much of the request's body."""
        found = bytearray()
        while len(found) < size and (block := self.rfile.read(min(_BLOCK, size - len(found)))):
            found += block
            self.record.received_bytes += len(block)
        return bytes(found)

    def fetch(self, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Have the request answered by the good server."""
        sent = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        sent.update(headers or {})
        content = self.body() if body is None else body
        for last in (False, True):
            try:
                connection = self._connect()
                connection.request(self.command, self.path, body=content or None, headers=sent)
                response = connection.getresponse()
                answer = Answer(response.status, dict(response.getheaders()), response.read())
                break
            except (OSError, http.client.HTTPException) as error:
                self._upstream = None
                if last:
                    # No fault of the schedule's: whoever reads of a round that did not hold must know.
                    print(f"{self.command} {self.path}: the proxy's own way failed: {error!r}", file=sys.stderr)
                    raise
        if self.command == "GET" and answer.body:
            self.proxy.keep(answer.body)
        return answer

    def hand_on(self) -> None:
        """Be good."""
        if "watch=" in self.path or "follow=" in self.path:
            self._stream()
        else:
            self.give(self.fetch())

    def give(self, answer: Answer, *, length: int | None = None, cut: int | None = None) -> None:
        """Send an answer.

        Args:
            answer: Its own ``Content-Length`` counts for the answer to a HEAD.
            length: What ``Content-Length`` says; the body's length where it is left out.
            cut: How many bytes of the body are sent; all where it is left out.
        """
        own = answer.headers.get("Content-Length", "") if self.command == "HEAD" else ""
        said = str(length) if length is not None else own or str(len(answer.body))
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        self.head(answer.status, {**headers, "Content-Length": said})
        if self.command != "HEAD":
            self.push(answer.body if cut is None else answer.body[:cut])

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of an answer."""
        self.record.status = status
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def push(self, content: bytes) -> bool:
        """Send a part of a body; whether the client takes it."""
        try:
            for start in range(0, len(content), _BLOCK):
                block = content[start : start + _BLOCK]
                self.wfile.write(block)
                self.record.sent_bytes += len(block)
        except OSError:
            self.close_connection = True
            return False
        return True

    def reset(self) -> None:
        """Break the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def hang_up(self) -> None:
        """Close the connection in good form."""
        self.close_connection = True

    def wait(self, seconds: float) -> bool:
        """Wait, but not longer than the run goes on; whether it goes on."""
        return not self.state.over.wait(seconds)

    def _connect(self) -> http.client.HTTPConnection:
        if self._upstream is None:
            self._upstream = self.proxy.connect()
        return self._upstream

    def _stream(self) -> None:
        """Hand on an answer that does not end by itself, piece by piece."""
        sent = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        connection = self._connect()
        connection.request(self.command, self.path, headers=sent)
        response = connection.getresponse()
        headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        self.head(response.status, {**headers, "Connection": "close"})
        self.close_connection = True
        self._upstream = None
        while (piece := response.read1(_BLOCK)) and self.push(piece):
            continue
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: "Proxy", tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.proxy = proxy
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is not None:
            request = self._tls.wrap_socket(request, server_side=True)
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def shutdown_request(self, request: Any) -> None:
        # A shutdown would end a connection in good form that is to be reset.
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Keep still where clients go away or are killed; tell what is the proxy's own fault."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            traceback.print_exc()


class Proxy:
    """The proxy with its address; :meth:`begin` starts a run."""

    def __init__(
        self, upstream: str, misdeeds: Mapping[str, Any], *, trust: ssl.SSLContext | None, tls: ssl.SSLContext | None
    ) -> None:
        self.upstream = urlsplit(upstream)
        self.misdeeds = misdeeds
        self.state = _State()
        self.bodies: list[bytes] = []
        self._trust = trust
        self._server = _Server(self, tls)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="faulty-proxy", daemon=True
        )
        self._thread.start()

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, or with TLS."""
        return f"{self._scheme}://{self.host}"

    def begin(self, schedule: Schedule | None = None) -> list[Seen]:
        """Begin a run; return the list to which its requests are added."""
        self.state.over.set()
        self.state = _State(schedule or Schedule())
        return self.state.seen

    def keep(self, body: bytes) -> None:
        """Keep a body, to be given to somebody else."""
        self.bodies = [*self.bodies[1 - _MOST_KEPT_BODIES :], body]

    def connect(self) -> http.client.HTTPConnection:
        """Make a connection to the good server."""
        host, port = self.upstream.hostname or "", self.upstream.port
        if self._trust is not None:
            return http.client.HTTPSConnection(host, port, timeout=60, context=self._trust)
        return http.client.HTTPConnection(host, port, timeout=60)

    def close(self) -> None:
        """Stop."""
        self.state.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def running(
    upstream: str,
    misdeeds: Mapping[str, Any],
    *,
    trust: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Proxy]:
    """Run a proxy for a while.

    Args:
        upstream: The good server's URL.
        misdeeds: What the proxy can do wrong, by name.
        trust: How the good server is spoken to, where that is over TLS.
        tls: How clients speak to the proxy; plain HTTP where it is left out.
    """
    proxy = Proxy(upstream, misdeeds, trust=trust, tls=tls)
    try:
        yield proxy
    finally:
        proxy.close()
