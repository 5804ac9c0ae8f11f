"""The HTTP API.

GET /api/items     the items, and how often they were asked for
GET /api/version   which release answers
GET /healthz       the process lives
GET /readyz        the database and the cache answer
"""

import json
import signal
import socket
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import redis

from shop_api.settings import Settings
from shop_api.storage import Storage
from shop_api.version import VERSION


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version = f"shop-api/{VERSION}"
    timeout = 30
    storage: Storage

    def do_GET(self) -> None:
        """Answer a GET."""
        routes = {
            "/api/items": self._items,
            "/api/version": lambda: {"version": VERSION, "pod": socket.gethostname()},
            "/healthz": lambda: {"status": "alive"},
            "/readyz": self._ready,
        }
        route = routes.get(self.path.partition("?")[0])
        if route is None:
            self._answer(404, {"error": f"nothing at {self.path}"})
            return
        try:
            answer = route()
        except (psycopg2.Error, redis.RedisError) as error:
            traceback.print_exc()
            self._answer(503, {"error": str(error).strip()})
            return
        self._answer(200, answer)

    def _items(self) -> dict:
        return {"items": self.storage.items(), "hits": self.storage.count_hit()}

    def _ready(self) -> dict:
        self.storage.check()
        return {"status": "ready"}

    def _answer(self, status: int, body: dict) -> None:
        data = json.dumps(body, default=str).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write one line per request, but none for the probes."""
        del size
        # A request line that could not be read has left no path.
        if getattr(self, "path", "") not in ("/healthz", "/readyz"):
            print(f"{self.address_string()} {self.requestline} {int(code)}", flush=True)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM."""
    Handler.storage = Storage(settings)
    server = ThreadingHTTPServer(("", settings.port), Handler)
    # shutdown() waits for the loop that this very thread runs, so another thread has to ask for it.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"shop-api {VERSION} listens on port {settings.port}", flush=True)
    server.serve_forever()
    server.server_close()
