"""What is logged of each request, and the id that the client, its error and the log have in common."""

import logging
import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from packhorse.registry.metrics import Finished
from packhorse.registry.routes import Route

__all__ = ["REQUEST_ID", "Logged", "log_request", "request_id", "request_id_of"]

REQUEST_ID = "X-Request-Id"

_access = logging.getLogger("packhorse.registry.access")
_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)
_ID_BYTES = 8
_SHOWN = frozenset(
    {"ns", "digest", "digest-algorithm", "mount", "from", "n", "last", "tag", "artifactType", "q", "after"}
)
"""Parameters whose values are logged. Others may be anything, passwords too."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered, for everything that is logged on the way."""


class Logged(msgspec.Struct, frozen=True):
    """What the log says of a request beside its figures."""

    remote: str
    path: str
    query: str
    route: Route
    agent: str
    user: str = ""


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the id that a client or a proxy gave its request, or a new one where it gave none that can be logged."""
    given = headers.get(REQUEST_ID, "")
    return given if _ID.fullmatch(given) else secrets.token_hex(_ID_BYTES)


def log_request(logged: Logged, finished: Finished) -> None:
    """Log one request: a line for people, and its parts under ``event`` for programs."""
    if not _access.isEnabledFor(logging.INFO):
        return
    target = quote(logged.path, safe="/:@") + _shown_query(logged.query)
    event: dict[str, Any] = {
        "remote": logged.remote,
        "method": finished.method,
        "path": target,
        "operation": finished.operation.value,
        "repository": logged.route.name,
        "status": finished.status,
        "receivedBytes": finished.received_bytes,
        "sentBytes": finished.sent_bytes,
        "seconds": round(finished.seconds, 6),
        "aborted": finished.aborted,
        "agent": logged.agent,
        "user": logged.user,
    }
    _access.info(
        "%s %s %s %d %d bytes %.3f s%s",
        logged.remote,
        finished.method,
        target,
        finished.status,
        finished.sent_bytes,
        finished.seconds,
        " aborted" if finished.aborted else "",
        extra={"event": {key: value for key, value in event.items() if value is not False and value != ""}},
    )


def _shown_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=None)
    shown = [(name, value if name in _SHOWN else "...") for name, value in pairs]
    return f"?{urlencode(shown, safe=':/,')}" if shown else ""
