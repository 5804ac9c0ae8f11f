"""``extract``: one image, chart or file out of a bundle, verified on its way."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

import msgspec

from packhorse.base.errors import IntegrityError, UsageError
from packhorse.base.spelling import nearest
from packhorse.base.unfinished import new_file
from packhorse.base.units import MIB
from packhorse.bundle import content
from packhorse.bundle.reader import Bundle
from packhorse.oci import media_types
from packhorse.oci.graph import walk
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, canonical_json
from packhorse.oci.reference import Reference

__all__ = ["Extracted", "extract_chart", "extract_file", "extract_image"]

_T = TypeVar("_T")

_PIECE_BYTES = MIB
_DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was written, and where."""

    path: Path
    bytes: int


def extract_image(bundle: Bundle, name: str, folder: Path) -> Extracted:
    """Write an image as an OCI layout: of an index, the platforms that the bundle carries.

    Raises:
        UsageError: The bundle has no such image, or ``folder`` is there and not empty.
        IntegrityError: A blob is damaged; then nothing is left behind.
    """
    reference = Reference.parse(name)
    images = {str(known): entry for known, entry in bundle.images()}
    entry = _pick(str(reference), images, "image")
    graph = walk([entry], bundle.read)
    named = msgspec.structs.replace(
        entry.plain(), annotations={"org.opencontainers.image.ref.name": str(reference.tag or reference.digest)}
    )
    index = Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=(named,))
    blobs = [*(node.descriptor for node in graph.nodes), *graph.blobs]

    def fill(target: Path) -> None:
        (target / "oci-layout").write_bytes(content.LAYOUT_CONTENT)
        for blob in blobs:
            path = target / content.blob_name(blob.digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                _copy(bundle, blob, file)
        (target / "index.json").write_bytes(canonical_json(index))

    _fill_folder(folder, fill)
    return Extracted(folder, sum(blob.size for blob in blobs))


def extract_chart(bundle: Bundle, name: str, folder: Path) -> Extracted:
    """Write a chart's archive as ``NAME-VERSION.tgz`` into ``folder``."""
    archives: dict[str, tuple[str, Descriptor]] = {}
    for package in bundle.packages:
        versions = {chart.name: f"{chart.chart}-{chart.version}.tgz" for chart in package.lock.charts}
        for entry, manifest in bundle.charts(package):
            title = entry.annotations[content.NAME]
            archives[title] = (versions.get(title, f"{title}.tgz"), manifest.layers[0])
    file_name, archive = _pick(name, archives, "chart")
    return _write_into(bundle, archive, folder, file_name, _DEFAULT_MODE)


def extract_file(bundle: Bundle, name: str, folder: Path) -> Extracted:
    """Write a file of the package into ``folder`` under its base name, with the mode that the package gives it."""
    files: dict[str, Descriptor] = {}
    modes: dict[str, int] = {}
    for package in bundle.packages:
        files.update(package.files())
        for component in package.definition.components:
            modes.update({file.source: _mode(file.mode) for file in component.files})
    descriptor = _pick(name, files, "file")
    return _write_into(bundle, descriptor, folder, PurePosixPath(name).name, modes.get(name, _DEFAULT_MODE))


def _pick(name: str, known: dict[str, _T], what: str) -> _T:
    if name in known:
        return known[name]
    near = nearest(name, known)
    hint = f"did you mean {near!r}?" if near else f"packhorse inspect shows every {what}"
    message = f"the bundle has no {what} {name!r}"
    raise UsageError(message, hint=hint)


def _write_into(bundle: Bundle, blob: Descriptor, folder: Path, file_name: str, mode: int) -> Extracted:
    # The name comes from the bundle: it must be one plain name, or it could be written anywhere.
    if file_name in ("", ".", "..") or "/" in file_name or "\0" in file_name:
        message = f"{file_name!r} is not a file name"
        raise IntegrityError(message)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file_name
    with new_file(target, mode) as file:
        _copy(bundle, blob, file)
    return Extracted(target, blob.size)


def _copy(bundle: Bundle, blob: Descriptor, file: BinaryIO) -> None:
    hasher = blob.digest.hasher()
    buffer = memoryview(bytearray(_PIECE_BYTES))
    with bundle.open(blob) as stream:
        while count := stream.readinto(buffer):
            hasher.update(buffer[:count])
            file.write(buffer[:count])
    if hasher.hexdigest() != blob.digest.hex:
        message = f"damaged: expected {blob.digest}, got {blob.digest.algorithm}:{hasher.hexdigest()}"
        raise IntegrityError(message, hint="packhorse verify tells what else is damaged")


def _fill_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a new folder beside ``folder``, and give it its name when it is whole."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} is there and not empty"
        raise UsageError(message, hint="name a folder that is not there yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        fill(temporary)
        temporary.chmod(0o755)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _mode(mode: str | int) -> int:
    return mode if isinstance(mode, int) else int(mode, 8)
