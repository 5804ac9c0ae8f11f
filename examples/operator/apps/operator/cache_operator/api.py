"""The Kubernetes API, as a pod's service account may use it: read, apply on the server's side, and watch."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FIELD_MANAGER = "cache-operator"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_SECONDS = 30
# The server ends a watch after this time; then everything is read again, so that nothing stays missed for longer.
_WATCH_SECONDS = 300
_PAUSE_SECONDS = 2


class ApiError(Exception):
    """The API server refused."""


class Api:
    """One cluster's API. Each request has a connection and the token of its own time, so any thread may ask."""

    def __init__(self, host: str, port: int) -> None:
        """Say where the server is; it is trusted by the certificate that every pod is given."""
        self._address = (host, port)
        self._tls = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))

    def get(self, path: str) -> dict | None:
        """Read an object or a list; None where there is none."""
        with self._ask("GET", path) as answer:
            return None if answer is None else json.load(answer)

    def apply(self, path: str, body: dict) -> dict:
        """Apply an object, or its status, on the server's side: what others set in other fields stays theirs."""
        query = f"?fieldManager={FIELD_MANAGER}&force=true"
        with self._ask("PATCH", path + query, body) as answer:
            if answer is None:
                raise ApiError(f"{path}: there is no such object any more")
            return json.load(answer)

    def watch(self, path: str, changed: Callable[[dict], None], query: str = "") -> None:
        """Call ``changed`` with every object that is there, and from then on with each that changes. Never returns."""
        while True:
            try:
                listed = self.get(f"{path}?{query}") or {}
                for item in listed["items"]:
                    changed(item)
                self._follow(f"{path}?{query}", listed["metadata"]["resourceVersion"], changed)
            except (OSError, http.client.HTTPException, ApiError) as error:
                print(f"watching {path}: {error}; trying again", flush=True)
                time.sleep(_PAUSE_SECONDS)

    def _follow(self, path: str, version: str, changed: Callable[[dict], None]) -> None:
        options = f"&watch=true&resourceVersion={version}&timeoutSeconds={_WATCH_SECONDS}"
        with self._ask("GET", path + options, timeout_seconds=_WATCH_SECONDS + _TIMEOUT_SECONDS) as answer:
            for line in answer or ():
                event = json.loads(line)
                if event["type"] == "ERROR":  # the version is too old: read everything again
                    return
                changed(event["object"])

    @contextmanager
    def _ask(
        self, method: str, path: str, body: dict | None = None, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> Iterator[http.client.HTTPResponse | None]:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {(_ACCOUNT / 'token').read_text()}"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"  # JSON is YAML
        connection = http.client.HTTPSConnection(*self._address, context=self._tls, timeout=timeout_seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.status >= http.client.BAD_REQUEST and answer.status != http.client.NOT_FOUND:
                raise ApiError(f"{method} {path}: {answer.status}: {answer.read(500).decode(errors='replace')}")
            yield None if answer.status == http.client.NOT_FOUND else answer
        finally:
            connection.close()
