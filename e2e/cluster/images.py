"""Small images made here: one program in an otherwise empty root, as an OCI layout in a tar, the same bytes each time.

The layer is not compressed: it goes no further than into the node's containerd.
"""

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PAUSE", "ProgramImage", "write_archive"]

PAUSE = "registry.k8s.io/pause:3.10.1"

_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_EPOCH = "1970-01-01T00:00:00Z"
_FOLDERS = (("dev", 0o755), ("etc", 0o755), ("proc", 0o755), ("sys", 0o755), ("tmp", 0o1777))


@dataclass(frozen=True)
class ProgramImage:
    """An image to be: ``program`` lies in its root and is its entry point.

    Attributes:
        reference: The full name it has in containerd.
        program: A static executable.
        user: Who runs it, as in the image's configuration.
        arguments: Its default arguments.
    """

    reference: str
    program: Path
    user: str = ""
    arguments: tuple[str, ...] = field(default=())


class _Blobs:
    """Blobs of a layout that is being written."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._written: set[str] = set()

    def add(self, media_type: str, content: bytes) -> dict[str, Any]:
        """Store ``content`` once and return its descriptor."""
        name = hashlib.sha256(content).hexdigest()
        if name not in self._written:
            _add_file(self._archive, f"blobs/sha256/{name}", content, 0o644)
            self._written.add(name)
        return {
            "mediaType": f"application/vnd.oci.image.{media_type}",
            "digest": f"sha256:{name}",
            "size": len(content),
        }

    def add_json(self, media_type: str, document: dict[str, Any]) -> dict[str, Any]:
        """Store a JSON document and return its descriptor."""
        return self.add(media_type, json.dumps(document, sort_keys=True).encode())


def write_archive(path: Path, images: list[ProgramImage]) -> None:
    """Write all ``images`` into one archive, which ``ctr images import`` reads."""
    with tarfile.open(path, "w") as archive:
        blobs = _Blobs(archive)
        manifests = [_add_image(blobs, image) for image in images]
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
        _add_file(archive, "index.json", json.dumps(index, sort_keys=True).encode(), 0o644)
        _add_file(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}', 0o644)


def _add_image(blobs: _Blobs, image: ProgramImage) -> dict[str, Any]:
    """Store one image's blobs and return the entry that the index has for it."""
    layer = _layer(image.program)
    where = {"architecture": _ARCHITECTURE, "os": "linux"}
    settings = {"Entrypoint": [f"/{image.program.name}"], "Cmd": list(image.arguments), "User": image.user}
    configuration = {
        **where,
        "created": _EPOCH,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": _EPOCH, "created_by": image.program.name}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blobs.add_json("config.v1+json", configuration),
        "layers": [blobs.add("layer.v1.tar", layer)],
    }
    entry = blobs.add_json("manifest.v1+json", manifest)
    names = {"io.containerd.image.name": image.reference, "org.opencontainers.image.ref.name": image.reference}
    return {**entry, "platform": where, "annotations": names}


def _layer(program: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, mode in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        _add_file(archive, program.name, program.read_bytes(), 0o755)
    return content.getvalue()


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
