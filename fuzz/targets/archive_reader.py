"""Archives of other tools: whatever a tar holds, reading it as an image ends well or with a PackhorseError."""

import functools
import json
import tarfile
import tempfile
from pathlib import Path
from random import Random

from packhorse.oci import graph
from packhorse.store.archive_source import open_archive
from packhorse.store.docker_archive import DockerArchive
from packhorse.store.layout_source import LayoutSource
from packhorse.store.tar_index import TarIndex
from tests.support.layouts import docker_config, tar_entries, tar_folder, write_layout
from tests.support.packages import Upstream

INVARIANT = "Only PackhorseError comes out, and every file that is found lies within the archive."

_BLOCK = 512
_SMALL = 1 << 20
_NAMES = ("oci-layout", "index.json", "manifest.json", "c.json", "a/layer.tar")
_FIELDS = ((0, 100), (100, 136), (124, 136), (156, 157), (157, 257), (257, 265), (345, 500), (0, _BLOCK))


def fuzz_one(data: bytes) -> None:
    """Read ``data`` as a tar, as an OCI archive, and as what ``docker save`` writes."""
    path = Path(_folder().name) / "fuzzed.tar"
    path.write_bytes(data)
    _read(str(path), len(data))


def mutate(data: bytes, random: Random) -> bytes:
    """Change a header and make its checksum right again, or change text in place; the tar itself stays one."""
    changed = bytearray(data)
    if len(changed) < _BLOCK:
        return data
    block = random.randrange(len(changed) // _BLOCK) * _BLOCK
    start, end = random.choice(_FIELDS)
    at = block + random.randrange(start, end)
    changed[at] = random.choice((0, 32, 46, 47, 48, 49, 50, 55, 103, 120, 0x80, 0xFF, random.randrange(256)))
    header = changed[block : block + _BLOCK]
    header[148:156] = b" " * 8
    changed[block + 148 : block + 156] = b"%06o\0 " % sum(header)
    return bytes(changed)


def seeds() -> list[bytes]:
    """Archives of each kind, and of each dialect of tar."""
    return [*_layouts(), *_docker_archives()]


def _read(path: str, size: int) -> None:
    index = TarIndex.at(path)
    for name in _NAMES:
        member = index.get(name)
        if member is not None and not 0 <= member.offset <= member.offset + member.size <= size:
            raise AssertionError(INVARIANT)
    index.close()
    source: DockerArchive | LayoutSource = DockerArchive(path) if "manifest.json" in index else open_archive(path)
    try:
        found = source.graph
        dict(source.images())
        for blob in found.blobs:
            graph.read_verified(source, blob, max_bytes=_SMALL)
    finally:
        source.close()


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    # One for all inputs: a name of its own in each message would make every outcome look new.
    return tempfile.TemporaryDirectory(prefix="packhorse-fuzz-", ignore_cleanup_errors=True)


@functools.cache
def _layouts() -> list[bytes]:
    upstream = Upstream()
    upstream.blobs.content.clear()
    # Small ones: thousands of variants of a seed are kept in memory.
    upstream.shared = upstream.layer(50)
    image = upstream.index(upstream.manifest(size=50), upstream.absent("s390x"))
    with tempfile.TemporaryDirectory(prefix="packhorse-fuzz-") as name:
        folder = Path(name)
        write_layout(folder / "layout", upstream.blobs.content, [("docker.io/library/x:1", image)])
        return [tar_folder(folder / "layout", folder / "layout.tar").read_bytes()]


@functools.cache
def _docker_archives() -> list[bytes]:
    layers = [b"stands for a layer", b"\x1f\x8b and for a compressed one"]
    listed = [{"Config": "c.json", "RepoTags": ["demo:1"], "Layers": ["a/layer.tar", f"{'long/' * 30}layer.tar"]}]
    files = [
        ("c.json", docker_config(layers)),
        ("a/layer.tar", layers[0]),
        (f"{'long/' * 30}layer.tar", layers[1]),
        ("manifest.json", json.dumps(listed).encode()),
    ]
    made = []
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tempfile.TemporaryDirectory(prefix="packhorse-fuzz-") as name:
            made.append(tar_entries(Path(name) / "saved.tar", files, format=form).read_bytes())
    return made
