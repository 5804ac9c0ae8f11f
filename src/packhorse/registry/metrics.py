"""What the server counts and measures, for Prometheus.

Every label has a bounded set of values: operations and methods of this module, HTTP statuses, and the sources that the
operator named.
"""

import os
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from packhorse import __version__
from packhorse.registry.exposition import Counter, Histogram, gauge, render
from packhorse.registry.routes import Operation
from packhorse.store.usage import Usage

__all__ = ["Finished", "Measured", "Metrics"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_PAGE_BYTES = resource.getpagesize()


class Finished(msgspec.Struct, frozen=True):
    """One request that is over."""

    operation: Operation
    method: str
    status: int
    seconds: float
    received_bytes: int
    sent_bytes: int
    aborted: bool


class Measured(msgspec.Struct, frozen=True):
    """What is looked up when somebody asks for the metrics; None where it is not known."""

    connections: int
    probes: int
    usage: Usage | None = None
    ready: Mapping[str, bool] = {}
    conflicts: int | None = None
    suspects: int | None = None
    certificate_not_after: float | None = None


class Metrics:
    """Counts what the server does; used by one thread."""

    def __init__(self) -> None:
        self._started = time.time()
        what = ("operation", "method")
        self._requests = Counter(
            "packhorse_registry_requests_total",
            "Requests answered, by operation, method and status.",
            (*what, "status"),
        )
        self._seconds = Histogram(
            "packhorse_registry_request_duration_seconds",
            "From a request's head to the end of its answer, the client's part included.",
            _SECONDS,
            what,
        )
        self._received = Counter("packhorse_registry_received_bytes_total", "Bytes of bodies received.")
        self._sent = Counter("packhorse_registry_sent_bytes_total", "Bytes of bodies sent.")
        self._aborted = Counter(
            "packhorse_registry_aborted_total", "Answers that the client did not take to their end."
        )
        self._cache = Counter(
            "packhorse_registry_manifest_cache_requests_total",
            "Manifests looked up in memory: hit or miss.",
            ("result",),
        )
        for result in ("hit", "miss"):
            self._cache.add(0, result)

    def count(self, finished: Finished) -> None:
        """Count one request."""
        # Any word can be a method; each would be a series of its own for ever.
        method = finished.method if finished.method in _METHODS else "other"
        operation = finished.operation.value
        self._requests.add(1, operation, method, str(finished.status))
        self._seconds.observe(finished.seconds, operation, method)
        self._received.add(finished.received_bytes)
        self._sent.add(finished.sent_bytes)
        self._aborted.add(int(finished.aborted))

    def count_cached_manifest(self, *, hit: bool) -> None:
        """Count one look for a manifest in memory."""
        self._cache.add(1, "hit" if hit else "miss")

    def render(self, measured: Measured) -> bytes:
        """Return everything as text."""
        counted = (self._requests, self._seconds, self._received, self._sent, self._aborted, self._cache)
        return render(
            (
                *(family.lines() for family in counted),
                *_server(measured),
                *_store(measured.usage),
                *_process(self._started),
            )
        )


def _server(measured: Measured) -> Iterator[Iterator[str]]:
    name = "packhorse_registry_"
    yield gauge(
        f"{name}probe_requests_total",
        "Requests for the repositories that nodes are probed with.",
        measured.probes,
        kind="counter",
    )
    yield gauge(f"{name}connections", "Connections that are open.", measured.connections)
    ready = {source: float(is_ready) for source, is_ready in measured.ready.items()}
    yield gauge(
        f"{name}source_ready", "Whether a source can be read, and the store written (1), or not (0).", ready, "source"
    )
    yield gauge(
        f"{name}conflicting_tags",
        "Tags that two sources give to two manifests; the first source's is served.",
        measured.conflicts,
    )
    yield gauge(f"{name}suspect_sources", "Sources that gave a read error or wrong bytes.", measured.suspects)
    yield gauge(
        f"{name}certificate_not_after_timestamp_seconds",
        "When the server's certificate ends, in seconds since 1970.",
        measured.certificate_not_after,
    )
    yield gauge(
        "packhorse_build_info", "Always 1; the label has the version of Packhorse.", {__version__: 1}, "version"
    )


def _store(usage: Usage | None) -> Iterator[Iterator[str]]:
    if usage is None:
        return
    name = "packhorse_registry_store_"
    yield gauge(f"{name}bytes", "Bytes of the blobs and manifests in the store, each once.", usage.content_bytes)
    yield gauge(f"{name}blobs", "Blobs and manifests in the store, each once.", usage.blobs)
    yield gauge(f"{name}repositories", "Repositories in the store.", usage.repositories)
    yield gauge(f"{name}free_bytes", "Bytes that are free where the store lies.", usage.free_bytes)
    yield gauge("packhorse_registry_uploads_open", "Uploads that are not finished.", usage.uploads)
    yield gauge("packhorse_registry_uploads_bytes", "Bytes of the uploads that are not finished.", usage.upload_bytes)


def _process(started: float) -> Iterator[Iterator[str]]:
    yield gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", started)
    times = os.times()
    yield gauge(
        "process_cpu_seconds_total", "Seconds of CPU that the process has used.", times.user + times.system,
        kind="counter",
    )  # fmt: skip
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    yield gauge("process_resident_memory_bytes", "Bytes of memory that the process has.", memory)
    yield gauge("process_open_fds", "File descriptors that are open.", sum(1 for _ in Path("/proc/self/fd").iterdir()))
    yield gauge("process_max_fds", "File descriptors that may be open.", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
