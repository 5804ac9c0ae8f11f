"""A client that pulls as a node does, and throws away what comes."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.editions import Edition
from bench.errors import BenchError

__all__ = ["Pulled", "blobs_by_repository", "pull_blobs", "pull_first_byte"]

_BLOCK = 1024 * 1024
_TIMEOUT_SECONDS = 60
_READERS = 3
_OK = 200
_ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)


@dataclass(frozen=True, slots=True)
class Pulled:
    """A blob and a repository that has it."""

    repository: str
    digest: str


def pull_first_byte(address: str, repository: str, reference: str) -> None:
    """Resolve an image down to a manifest with layers, and read the first byte of the first layer.

    Raises:
        OSError: Nobody listens there yet.
        BenchError: The answer was no image.
    """
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
    try:
        layers: list[dict[str, str]] = []
        while not layers:
            manifest = json.loads(_get(connection, f"/v2/{repository}/manifests/{reference}"))
            layers = manifest.get("layers", [])
            if not layers:
                reference = manifest["manifests"][0]["digest"]
        _get(connection, f"/v2/{repository}/blobs/{layers[0]['digest']}", most=1)
    except http.client.HTTPException as error:
        raise BenchError(f"expected {repository} at {address}, found {error!r}") from error
    finally:
        connection.close()


def blobs_by_repository(address: str, edition: Edition) -> list[Pulled]:
    """Ask a registry for the manifests of all images, and return every layer and configuration once."""
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
    found: dict[str, Pulled] = {}
    try:
        for image in edition.images:
            repository = image.name.rpartition(":")[0]
            waiting = [image.digest]
            while waiting:
                manifest = json.loads(_get(connection, f"/v2/{repository}/manifests/{waiting.pop()}"))
                waiting += [child["digest"] for child in manifest.get("manifests", ())]
                for blob in (*manifest.get("layers", ()), *filter(None, [manifest.get("config")])):
                    if not blob.get("urls"):
                        found.setdefault(blob["digest"], Pulled(repository, blob["digest"]))
    finally:
        connection.close()
    return list(found.values())


def pull_blobs(address: str, blobs: Sequence[Pulled]) -> float:
    """Read all blobs over a few connections at a time; return the seconds that it took.

    Raises:
        BenchError: One could not be read.
    """
    waiting = list(blobs)
    failures: list[str] = []

    def read() -> None:
        connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
        buffer = bytearray(_BLOCK)
        try:
            while waiting and not failures:
                blob = waiting.pop()
                connection.request("GET", f"/v2/{blob.repository}/blobs/{blob.digest}")
                answer = connection.getresponse()
                if answer.status != _OK:
                    failures.append(f"{blob.digest}: status {answer.status}")
                while answer.readinto(buffer):
                    pass
        except (OSError, http.client.HTTPException, IndexError) as error:
            if waiting:
                failures.append(repr(error))
        finally:
            connection.close()

    begun = time.monotonic()
    readers = [threading.Thread(target=read) for _ in range(_READERS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    if failures:
        raise BenchError(f"expected {len(blobs)} blobs at {address}, found: {failures[0]}")
    return time.monotonic() - begun


def _get(connection: http.client.HTTPConnection, path: str, most: int | None = None) -> bytes:
    connection.request("GET", path, headers={"Accept": _ACCEPT})
    answer = connection.getresponse()
    if answer.status != _OK:
        raise BenchError(f"expected an answer to GET {path}, found status {answer.status}")
    return answer.read(most)
