"""The bundle reader: whatever a file holds, opening and verifying it ends well or with a PackhorseError."""

import functools
import os
import tempfile
from pathlib import Path

from packhorse.app.build import build
from packhorse.base.errors import PackhorseError
from packhorse.base.events import NullReporter
from packhorse.bundle import content
from packhorse.bundle.content import Blobs
from packhorse.bundle.reader import Bundle
from packhorse.bundle.verify import verify
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from tests.support.packages import materials, sample
from tests.support.sealing import bundle_index, raw, seal

INVARIANT = "Only PackhorseError comes out, and a bundle that verifies is the one that was built."


def fuzz_one(data: bytes) -> None:
    """Try one input: as a file, as changes to a good bundle, or as the text of a manifest in a well-laid tar."""
    kind, rest = data[:1], data[1:]
    # Always the same name: messages with another one each time would all look new to the fuzzer.
    path = Path(_folder().name) / "fuzzed.tar"
    if kind < b"\x40":
        path.write_bytes(rest)
    elif kind < b"\x80":
        path.write_bytes(_changed(rest))
    else:
        _seal_manifest(path, rest, media_types.OCI_MANIFEST if kind < b"\xc0" else media_types.OCI_INDEX)
    try:
        with Bundle.open_file(path) as bundle:
            damages = verify(bundle, workers=1, progress=lambda _blob, _count: None)
    except PackhorseError:
        return
    if not damages and path.read_bytes() != _good():
        raise AssertionError(INVARIANT)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="packhorse-fuzz-")


@functools.cache
def _good() -> bytes:
    with tempfile.TemporaryDirectory(prefix="packhorse-fuzz-") as folder:
        what, upstream = sample(Path(folder), images=1)
        build(what, materials(upstream), NullReporter())
        return what.output.read_bytes()


def _changed(script: bytes) -> bytes:
    """Each four bytes of the script change one byte of a good bundle, cut it, or append to it."""
    good = bytearray(_good())
    for start in range(0, len(script) - 3, 4):
        at = int.from_bytes(script[start : start + 3]) % (len(good) or 1)
        value = script[start + 3]
        if value == 0:
            del good[at:]
        elif value == 1:
            good += bytes(at % 2048)
        elif good:
            good[at] ^= value
    return bytes(good)


def _seal_manifest(path: Path, text: bytes, media_type: str) -> None:
    blobs = Blobs()
    child = raw(blobs, media_type, text)
    root = bundle_index(blobs, child)
    index = content.index_file(root, ())
    names = {digest: content.blob_name(digest) for digest in (root.digest, child.digest)}
    files = [(content.LAYOUT_FILE, content.LAYOUT_CONTENT), (content.INDEX_FILE, index)]
    seal(path, [*files, *((names[digest], blobs.content[digest]) for digest in _order(root.digest, child.digest))])


def _order(*digests: Digest) -> list[Digest]:
    return list(dict.fromkeys(digests))


def seeds() -> list[bytes]:
    """Inputs to begin with: a good file, small changes to it, and manifests."""
    digest = Digest.of(os.urandom(1))
    manifest = '{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"%s","size":1},"layers":[]}' % digest  # noqa: UP031
    return [
        b"\x00" + _good(),
        b"\x40\x00\x10\x00\x05",
        b"\x40\x00\x10\x00\x00",
        b"\x80" + manifest.encode(),
        b'\xc0{"schemaVersion":2,"manifests":[]}',
    ]
