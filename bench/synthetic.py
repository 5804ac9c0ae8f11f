"""Synthetic images of any size, put straight into a registry: blobs that nothing can compress, made in no time."""

import http.client
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from bench.editions import Named
from bench.errors import BenchError

__all__ = ["SyntheticImage", "push_images"]

_BLOCK = 1024 * 1024
_CREATED = 201
_ACCEPTED = 202
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class SyntheticImage:
    """An image for linux/amd64 with layers of the same size; every layer of every image differs from all others."""

    name: str
    """``upstream-host/path:tag``."""
    layers: int
    layer_bytes: int


def push_images(address: str, images: Sequence[SyntheticImage]) -> tuple[list[Named], int]:
    """Put images into a registry.

    Returns:
        Their names with digests, and the size of all layers.
    """
    connection = http.client.HTTPConnection(address, timeout=60)
    # All layers are this block over and over, each with a beginning of its own: unlike anything within the reach of a
    # compressor, and not the same as another layer. An image is the same each time, so that a registry has it once.
    block = random.Random(0).randbytes(_BLOCK)
    try:
        named = [_push(connection, image, block) for image in images]
    finally:
        connection.close()
    return named, sum(image.layers * image.layer_bytes for image in images)


def _push(connection: http.client.HTTPConnection, image: SyntheticImage, block: bytes) -> Named:
    repository, _, tag = image.name.rpartition(":")
    layers = [
        _push_blob(connection, repository, _Blob(f"{image.name} {number} ".encode(), block, image.layer_bytes))
        for number in range(image.layers)
    ]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"name": image.name}},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    content = json.dumps(config).encode()
    described = _push_blob(connection, repository, _Blob(content, b"", len(content)))
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **described},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer} for layer in layers],
    }
    body = json.dumps(manifest).encode()
    _ask(connection, "PUT", f"/v2/{repository}/manifests/{tag}", body, {"Content-Type": _MANIFEST}, _CREATED)
    return Named(image.name, f"sha256:{sha256(body).hexdigest()}")


@dataclass(frozen=True, slots=True)
class _Blob:
    beginning: bytes
    block: bytes
    size: int

    def pieces(self) -> Iterator[bytes]:
        yield self.beginning[: self.size]
        left = self.size - len(self.beginning)
        while left > 0:
            yield self.block[:left]
            left -= len(self.block)


def _push_blob(connection: http.client.HTTPConnection, repository: str, blob: _Blob) -> dict[str, object]:
    total = sha256()
    for piece in blob.pieces():
        total.update(piece)
    digest = f"sha256:{total.hexdigest()}"
    begun = _ask(connection, "POST", f"/v2/{repository}/blobs/uploads/", None, {}, _ACCEPTED)
    place = urlsplit(begun["Location"])
    query = f"{place.query}&digest={digest}" if place.query else f"digest={digest}"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
    _ask(connection, "PUT", f"{place.path}?{query}", blob.pieces(), headers, _CREATED)
    return {"digest": digest, "size": blob.size}


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None,
    headers: dict[str, str],
    expected: int,
) -> http.client.HTTPMessage:
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != expected:
        raise BenchError(f"expected {expected} for {method} {path}, found {answer.status}: {said[:300]!r}")
    return answer.headers
