"""The controller: whatever changes, make the cache that it belongs to true again.

Two watches put names into a queue, one loop takes them out. A name is all that is queued: what is done depends on what
is there when it is done, so that events may come late, twice or not at all. Applying what is there already changes
nothing, and so causes no further event.
"""

import http.client
import os
import queue
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from cache_operator.api import Api, ApiError
from cache_operator.children import CACHES, NAME_LABEL, children, status

_RETRY_SECONDS = 5
_READY = Path("/tmp/ready")  # noqa: S108 - the container's own, a volume of the pod

Name = tuple[str, str]  # namespace and name


class Controller:
    """Keeps the caches of one cluster."""

    def __init__(self, api: Api, exporter_image: str) -> None:
        """Remember what to work with; nothing is asked yet."""
        self._api = api
        self._exporter_image = exporter_image
        self._names: queue.SimpleQueue[Name] = queue.SimpleQueue()

    def run(self) -> None:
        """Work for ever."""
        for path, query in ((f"{CACHES}/caches", ""), ("/apis/apps/v1/deployments", f"labelSelector={NAME_LABEL}")):
            threading.Thread(target=self._api.watch, args=(path, self._changed, query), daemon=True).start()
        _READY.touch()
        while True:
            name = self._names.get()
            try:
                self._reconcile(*name)
            except (OSError, http.client.HTTPException, ApiError) as error:
                print(f"{'/'.join(name)}: {error}; trying again in {_RETRY_SECONDS} s", flush=True)
                threading.Timer(_RETRY_SECONDS, self._names.put, [name]).start()

    def _changed(self, item: dict) -> None:
        """Note the cache that an object is, or belongs to: its Deployment has the same name."""
        self._names.put((item["metadata"]["namespace"], item["metadata"]["name"]))

    def _reconcile(self, namespace: str, name: str) -> None:
        path = f"{CACHES}/namespaces/{namespace}/caches/{name}"
        cache = self._api.get(path)
        if cache is None or "deletionTimestamp" in cache["metadata"]:
            return  # what it owns goes with it
        applied = {
            child["kind"]: self._api.apply(where, child)
            for where, child in children(cache, self._exporter_image).items()
        }
        found = status(cache, applied["Deployment"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if found != cache.get("status"):
            identity = {"apiVersion": cache["apiVersion"], "kind": cache["kind"], "metadata": {"name": name}}
            self._api.apply(f"{path}/status", {**identity, "status": found})
            print(f"{namespace}/{name}: {found['conditions'][0]['message']}", flush=True)


def main() -> None:
    """Read the environment, and work."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    api = Api(os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"]))
    Controller(api, os.environ["RELATED_IMAGE_EXPORTER"]).run()


if __name__ == "__main__":
    main()
