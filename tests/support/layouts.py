"""OCI layouts and Docker archives on disk, for tests of what reads and serves them."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, canonical_json
from packhorse.store.layout_index import REF_NAME


def write_layout(folder: Path, blobs: Mapping[Digest, bytes], names: Iterable[tuple[str, Descriptor]]) -> Path:
    """Write blobs and an ``index.json`` with these names; an empty name is left out."""
    for digest, content in blobs.items():
        path = folder / "blobs" / digest.algorithm / digest.hex
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    entries = tuple(
        msgspec.structs.replace(descriptor, annotations={REF_NAME: name} if name else {}) for name, descriptor in names
    )
    index = Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=entries)
    (folder / "index.json").write_bytes(canonical_json(index))
    (folder / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    return folder


def tar_folder(folder: Path, archive: Path) -> Path:
    """Put the files of a folder into an uncompressed tar, as other tools do."""
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(folder)), recursive=False)
    return archive


def tar_entries(archive: Path, entries: Iterable[tuple[tarfile.TarInfo | str, bytes]], **how: int) -> Path:
    """Write a tar of these members; a name stands for a plain file."""
    with tarfile.open(archive, "w", **how) as tar:  # type: ignore[call-overload]
        for entry, content in entries:
            info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """A link as a member of a tar."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def layer_tar(seed: int) -> bytes:
    """A small layer: a tar with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(f"file-{seed}")
        content = f"content {seed}\n".encode() * (seed + 1)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def docker_config(layers: Iterable[bytes]) -> bytes:
    """An image's config for these uncompressed layers."""
    diff_ids = [str(Digest.of(layer)) for layer in layers]
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()
