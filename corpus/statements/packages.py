"""What an image says itself about its packages: the records that its layers have in ``var/lib/dpkg/status.d``."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser

from corpus.errors import CorpusError
from corpus.layout import Descriptor, Layout, listed
from corpus.model import Subject

__all__ = ["InstalledPackage", "installed"]

_RECORDS = "var/lib/dpkg/status.d/"


@dataclass(frozen=True, slots=True, order=True)
class InstalledPackage:
    """One Debian package of an image."""

    name: str
    version: str
    architecture: str
    maintainer: str


def installed(subject: Subject) -> list[InstalledPackage]:
    """Give the packages of an image, sorted; of an index, those of the first image in it."""
    layout = subject.layout
    manifest = _first_manifest(layout, subject.descriptor)
    return sorted(set(_read(layout, manifest)))


def _first_manifest(layout: Layout, descriptor: Descriptor) -> Descriptor:
    while children := listed(layout.read_json(str(descriptor["digest"])), "manifests"):
        descriptor = children[0]
    return descriptor


def _read(layout: Layout, manifest: Descriptor) -> Iterator[InstalledPackage]:
    for layer in listed(layout.read_json(str(manifest["digest"])), "layers"):
        path = layout.blob(str(layer["digest"]))
        if not path.exists():
            continue
        try:
            with tarfile.open(path) as archive:
                yield from _records(archive)
        except tarfile.ReadError as error:
            raise CorpusError(f"Expected a layer that is plain or gzip at {path}, found: {error}.") from error


def _records(archive: tarfile.TarFile) -> Iterator[InstalledPackage]:
    for member in archive:
        content = archive.extractfile(member) if member.name.startswith(_RECORDS) else None
        if content is not None:
            fields = Parser().parsestr(content.read().decode())
            yield InstalledPackage(fields["Package"], fields["Version"], fields["Architecture"], fields["Maintainer"])
