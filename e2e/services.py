"""Asking a service of the cluster over HTTP, as something in the site does that reaches the cluster's addresses."""

import http.client
from typing import Any

from e2e.cluster.cluster import Cluster
from e2e.cluster.process import wait_until

__all__ = ["ask"]

# What people wait for, and no more: the machine may be busy.
_ANSWER_SECONDS = 120
_NO_BACKEND = {http.client.BAD_GATEWAY, http.client.SERVICE_UNAVAILABLE, http.client.GATEWAY_TIMEOUT}


def ask(cluster: Cluster, namespace: str, service: str, path: str) -> str:
    """GET ``path`` at the first port of a service, and return what it answers.

    A ready pod is known to every node's proxy a moment later; until then a front finds no backend, and is asked again.
    """
    found: dict[str, Any] = cluster.get(f"/api/v1/namespaces/{namespace}/services/{service}") or {}
    address, port = found["spec"]["clusterIP"], found["spec"]["ports"][0]["port"]

    def fetch() -> str | None:
        connection = http.client.HTTPConnection(address, port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status in _NO_BACKEND:
                return None
            assert answer.status == http.client.OK, answer.read()
            return answer.read().decode()
        finally:
            connection.close()

    return wait_until(
        lambda: cluster.call(lambda _: fetch()), f"{service} to answer {path}", timeout_seconds=_ANSWER_SECONDS
    )
