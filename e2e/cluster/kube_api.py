"""The Kubernetes API as a few HTTP requests: what the bed itself needs, and what tests look with.

Deliberately not the product's client, so that a test does not ask the product whether the product is right.
"""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

from e2e.cluster.errors import BedError
from e2e.cluster.pki import Issued

__all__ = ["Json", "KubeApi"]

Json = dict[str, Any]

_TIMEOUT_SECONDS = 10.0
_APPLY = "application/apply-patch+yaml"


class KubeApi:
    """Requests to one API server as one user. Each opens a connection of its own, so any thread may call."""

    def __init__(self, host: str, port: int, authority: Path, user: Issued) -> None:
        """Remember where the server is and who asks; nothing is sent yet."""
        self._address = (host, port)
        self._tls = ssl.create_default_context(cafile=authority)
        self._tls.load_cert_chain(user.certificate, user.key)

    def request(self, method: str, path: str, body: Json | None = None, content_type: str = "application/json") -> Json:
        """Send one request and return the decoded answer.

        Raises:
            BedError: The server answered with an error; the message has its status object.
            OSError: No connection, or it broke.
        """
        return _decode(_accepted(f"{method} {path}", *self._exchange(method, path, body, content_type)))

    def is_ready(self) -> bool:
        """Tell whether the server answers ``/readyz`` with ``ok``; false too while it does not listen yet."""
        try:
            return self._exchange("GET", "/readyz", None, "")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path: str) -> Json | None:
        """Return the object or list at ``path``, or ``None`` if there is none."""
        status, payload = self._exchange("GET", path, None, "")
        return None if status == http.client.NOT_FOUND else _decode(_accepted(f"GET {path}", status, payload))

    def text(self, path: str) -> str:
        """Return a plain-text answer, such as a container's log."""
        return _accepted(f"GET {path}", *self._exchange("GET", path, None, "")).decode(errors="replace")

    def apply(self, collection: str, body: Json) -> Json:
        """Apply one object on the server's side, under a field manager of the bed's own.

        Args:
            collection: Path of its kind: ``/api/v1/namespaces/default/pods``.
            body: The object.
        """
        path = f"{collection}/{body['metadata']['name']}?fieldManager=e2e&force=true"
        return self.request("PATCH", path, body, _APPLY)

    def _exchange(self, method: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        host, port = self._address
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=self._tls)
        try:
            headers = {"Accept": "application/json", "Content-Type": content_type} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _accepted(what: str, status: int, payload: bytes) -> bytes:
    if status >= http.client.BAD_REQUEST:
        message = f"{what} was answered with {status}: {payload.decode(errors='replace')}"
        raise BedError(message)
    return payload


def _decode(payload: bytes) -> Json:
    decoded: Json = json.loads(payload)
    return decoded
