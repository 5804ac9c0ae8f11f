"""Tells a cache's figures in the text format that Prometheus reads: GET /metrics."""

import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_FIGURES = {
    "used_memory": ("cache_memory_bytes", "gauge", "What the cache holds and what it needs for that."),
    "connected_clients": ("cache_clients", "gauge", "Clients that are connected."),
    "keyspace_hits": ("cache_hits_total", "counter", "Times that something asked for was there."),
    "keyspace_misses": ("cache_misses_total", "counter", "Times that it was not."),
    "evicted_keys": ("cache_evicted_total", "counter", "Entries that had to make room."),
}
_TIMEOUT_SECONDS = 3


def information(port: int) -> dict[str, str]:
    """Ask the server beside us what it says of itself; nothing while it does not answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection:
            stream = connection.makefile("rwb")
            stream.write(b"INFO\r\n")
            stream.flush()
            # A bulk string: "$", its length, a line break, and so many bytes.
            text = stream.read(int(stream.readline()[1:])).decode()
    except (OSError, ValueError):
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value for name, colon, value in pairs if colon}


def metrics(found: dict[str, str]) -> str:
    """Write the figures down."""
    lines = ["# HELP cache_up Whether the server answers.", "# TYPE cache_up gauge", f"cache_up {int(bool(found))}"]
    for name, (metric, kind, meaning) in _FIGURES.items():
        if name in found:
            lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} {kind}", f"{metric} {found[name]}"]
    return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        """Answer a GET."""
        known = self.path == "/metrics"
        data = metrics(information(int(os.environ.get("CACHE_PORT", "6379")))).encode() if known else b"see /metrics\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: it is asked every few seconds."""


def main() -> None:
    """Serve until SIGTERM."""
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "9121"))), Handler)
    # shutdown() waits for the loop that this very thread runs, so another thread has to ask for it.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
