"""Images that lie in files, named in skopeo's words: ``oci:``, ``oci-archive:`` and ``docker-archive:``."""

import re
from collections.abc import Iterator
from typing import Protocol

import msgspec

from packhorse.base.errors import ConfigError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource, LocatedSource, Resolver
from packhorse.store.archive_source import open_archive
from packhorse.store.docker_archive import DockerArchive
from packhorse.store.layout_source import LayoutSource

__all__ = ["FileName", "FileSource", "is_file_source", "open_files", "open_source", "parse_source"]

_WORDS = ("oci", "oci-archive", "docker-archive")
_POSITION = re.compile(r"@([0-9]{1,6})", re.ASCII)


class FileSource(ContentSource, LocatedSource, Resolver, Protocol):
    """What all file sources can do."""

    def referrers(self) -> Iterator[tuple[Digest, Descriptor, str]]:
        """Yield the subject's digest, the referrer and its tag for everything here that is about a manifest."""

    def close(self) -> None:
        """Let go of the files."""


class FileName(msgspec.Struct, frozen=True):
    """``word:path[:name]``; the name is a tag, a reference, a digest or ``@POSITION``, or empty for the only image."""

    word: str
    path: str
    name: str = ""


def is_file_source(text: str) -> bool:
    """Whether ``text`` names an image in a file rather than in a registry."""
    return text.partition(":")[0] in _WORDS and ":" in text


def parse_source(text: str) -> FileName:
    """Read ``oci:PATH[:NAME]``, ``oci-archive:PATH[:NAME]`` or ``docker-archive:PATH[:NAME]``.

    As with skopeo, the path ends at its first colon.

    Raises:
        ConfigError: It has another form.
    """
    word, _, rest = text.partition(":")
    path, _, name = rest.partition(":")
    if word not in _WORDS or not path or "\0" in path:
        message = f"expected oci:PATH[:TAG], oci-archive:PATH[:TAG] or docker-archive:PATH[:NAME], found {text!r}"
        raise ConfigError(message)
    return FileName(word, path, name)


def open_files(name: FileName) -> LayoutSource | DockerArchive:
    """Open the folder or archive.

    Raises:
        ConfigError: It is not there, or not what the word says.
        IntegrityError: It is malformed.
    """
    if name.word == "oci":
        return LayoutSource.at(name.path)
    if name.word == "oci-archive":
        return open_archive(name.path)
    return DockerArchive(name.path)


def open_source(text: str) -> tuple[FileSource, Descriptor]:
    """Open the source that ``text`` names, and find the image.

    Returns:
        The source, to be closed by the caller, and the descriptor of the image in it.

    Raises:
        ConfigError: It has another form, the file is not there or is something else, or holds several images.
        IntegrityError: The file is malformed.
        RegistryError: The source has no image of this name.
    """
    name = parse_source(text)
    source = open_files(name)
    if not name.name:
        found = source.index.only() if isinstance(source, LayoutSource) else source.only()
    elif match := _POSITION.fullmatch(name.name):
        position = int(match[1])
        found = source.index.at(position) if isinstance(source, LayoutSource) else source.at(position)
    else:
        found = source.resolve(name.name)
    return source, found
