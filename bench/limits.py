"""What the machine can do at most: the parts that no program can do without, each measured alone."""

import hashlib
import http.client
import os
import resource
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.errors import BenchError
from bench.pulling import blobs_by_repository, pull_blobs
from bench.results import Limits
from bench.scene import Scene
from bench.servers import usage_of

__all__ = ["measure_limits"]

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_HASHED_BYTES = 256 * _MIB
_TRIES = 3
_CREATED = 201


def measure_limits(scene: Scene) -> Limits:
    """Measure each part on the content of the scene, several times; the best counts, for it is a limit."""
    size = scene.content.size_bytes
    received = [_receive(scene) for _ in range(_TRIES)]
    written = [_write(scene.folder / "limit.bin", size) for _ in range(_TRIES)]
    sent = [_send(scene, scene.folder / "limit.bin", number) for number in range(_TRIES)]
    (scene.folder / "limit.bin").unlink()
    scene.target.clear()
    gib = size / _GIB
    return Limits(
        hash_bytes_per_second=max(_hash() for _ in range(_TRIES)),
        receive_cpu_seconds=min(own for own, _ in received) / gib,
        registry_read_cpu_seconds=min(theirs for _, theirs in received) / gib,
        write_cpu_seconds=min(cpu for cpu, _ in written) / gib,
        disk_bytes_per_second=max(speed for _, speed in written),
        send_cpu_seconds=min(own for own, _ in sent) / gib,
        registry_write_cpu_seconds=min(theirs for _, theirs in sent) / gib,
    )


def _hash() -> float:
    block = os.urandom(_MIB)
    begun = time.thread_time()
    total = hashlib.sha256()
    for _ in range(_HASHED_BYTES // _MIB):
        total.update(block)
    return _HASHED_BYTES / (time.thread_time() - begun)


def _receive(scene: Scene) -> tuple[float, float]:
    """Return the CPU seconds of the client and of the registry for all content once."""
    blobs = blobs_by_repository(scene.source.address, scene.first)
    theirs, own = usage_of(scene.source.pid).cpu_seconds, time.process_time()
    pull_blobs(scene.source.address, blobs)
    own = time.process_time() - own
    return own, usage_of(scene.source.pid).cpu_seconds - theirs


def _write(path: Path, size: int) -> tuple[float, float]:
    """Return the CPU seconds of the writes, and the bytes in a second until the disk has them."""
    block = memoryview(os.urandom(_MIB))
    begun, cpu = time.monotonic(), _cpu_of_thread()
    with path.open("wb", buffering=0) as file:
        left = size
        while left > 0:
            left -= file.write(block[:left])
        cpu = _cpu_of_thread() - cpu
        os.fsync(file.fileno())
    return cpu, size / (time.monotonic() - begun)


def _cpu_of_thread() -> float:
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return used.ru_utime + used.ru_stime


def _send(scene: Scene, path: Path, number: int) -> tuple[float, float]:
    """Return the CPU seconds of a client that sends a file with sendfile, and those of the registry that takes it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_MIB):
            digest.update(piece)
        size = file.tell()
        theirs, own = usage_of(scene.target.pid).cpu_seconds, time.process_time()
        connection = http.client.HTTPConnection(scene.target.address, timeout=600)
        connection.request("POST", f"/v2/limit/{number}/blobs/uploads/")
        begun = connection.getresponse()
        begun.read()
        place = urlsplit(begun.headers["Location"])
        connection.putrequest("PUT", f"{place.path}?{place.query}&digest=sha256:{digest.hexdigest()}")
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        connection.sock.sendfile(file, 0)
        answer = connection.getresponse()
        answer.read()
        connection.close()
    if answer.status != _CREATED:
        raise BenchError(f"expected the registry to take {size} bytes, found status {answer.status}")
    return time.process_time() - own, usage_of(scene.target.pid).cpu_seconds - theirs
