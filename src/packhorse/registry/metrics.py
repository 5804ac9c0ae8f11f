"""Counters of the server, in Prometheus' text format."""

import time
from collections import Counter

from packhorse.registry.routes import Operation

__all__ = ["Metrics"]

_HELP = {
    "packhorse_registry_requests_total": "Requests answered, by operation, method and status.",
    "packhorse_registry_sent_bytes_total": "Bytes of bodies sent.",
    "packhorse_registry_aborted_total": "Answers that the client did not take to their end.",
    "packhorse_registry_probe_requests_total": "Requests for the repositories that nodes are probed with.",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """Counts what the server does; used by one thread."""

    def __init__(self) -> None:
        self._started = time.time()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._sent_bytes = 0
        self._aborted = 0

    def count(self, operation: Operation, method: str, status: int, sent_bytes: int, *, aborted: bool) -> None:
        """Count one request."""
        # Any word can be a method; each would be a series of its own for ever.
        label = method if method in _METHODS else "other"
        self._requests[operation.value, label, status] += 1
        self._sent_bytes += sent_bytes
        self._aborted += aborted

    def render(self, *, connections: int, probes: int) -> str:
        """Return all counters as text."""
        lines = []
        for (operation, method, status), count in sorted(self._requests.items()):
            labels = f'operation="{operation}",method="{method}",status="{status}"'
            lines.append(f"packhorse_registry_requests_total{{{labels}}} {count}")
        lines = _family("packhorse_registry_requests_total", lines)
        for name, value in (
            ("packhorse_registry_sent_bytes_total", self._sent_bytes),
            ("packhorse_registry_aborted_total", self._aborted),
            ("packhorse_registry_probe_requests_total", probes),
        ):
            lines += _family(name, [f"{name} {value}"])
        lines += ["# TYPE packhorse_registry_connections gauge", f"packhorse_registry_connections {connections}"]
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self._started:.3f}"]
        return "\n".join(lines) + "\n"


def _family(name: str, samples: list[str]) -> list[str]:
    return [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} counter", *samples]
