"""The names in an OCI image layout: what ``oci-layout`` and ``index.json`` say (image-spec, image-layout.md)."""

from collections.abc import Iterator

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError, PackhorseError, RegistryError
from packhorse.base.units import MIB
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Index, decode_json
from packhorse.oci.reference import Reference

__all__ = ["MAX_INDEX_BYTES", "MAX_MARKER_BYTES", "REF_NAME", "LayoutIndex"]

REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
MAX_INDEX_BYTES = 32 * MIB
"""The most that is read of an ``index.json``: about 80,000 images."""
MAX_MARKER_BYTES = 4096


class _Marker(msgspec.Struct, rename={"version": "imageLayoutVersion"}):
    version: str


class LayoutIndex(msgspec.Struct, frozen=True):
    """The entries of ``index.json``, and the names that they have."""

    where: str
    entries: tuple[Descriptor, ...]

    @classmethod
    def parse(cls, marker: bytes, index: bytes, where: str) -> "LayoutIndex":
        """Read ``oci-layout`` and ``index.json``.

        Raises:
            IntegrityError: Either is not what it must be.
        """
        version = decode_json(marker, _Marker, f"{where}/oci-layout").version
        if version != media_types.OCI_LAYOUT_VERSION:
            message = f"{where}: expected image layout version {media_types.OCI_LAYOUT_VERSION}, found {version[:40]!r}"
            raise IntegrityError(message)
        parsed = decode_json(index, Index, f"{where}/index.json")
        return cls(where, parsed.manifests)

    def resolve(self, target: str) -> Descriptor:
        """Return the entry that a tag, a full name or a digest stands for.

        Raises:
            RegistryError: There is none, or there are several with different content.
        """
        if (digest := _as_digest(target)) is not None:
            found = [entry for entry in self.entries if entry.digest == digest]
        else:
            found = [entry for entry in self.entries if entry.annotations.get(REF_NAME) == target]
            found = found or [entry for entry in self.entries if entry.annotations.get(_CONTAINERD_NAME) == target]
        if not found:
            message = f"{self.where} has no {target!r}"
            raise RegistryError(message, hint=self._hint())
        if len({entry.digest for entry in found}) > 1:
            message = f"{self.where} gives the name {target!r} to {len(found)} different manifests"
            raise RegistryError(message, hint="name one by its digest")
        return found[0]

    def at(self, position: int) -> Descriptor:
        """Return an entry by its position, from 0.

        Raises:
            RegistryError: There are fewer.
        """
        if position >= len(self.entries):
            message = f"{self.where} has {len(self.entries)} entries, so there is none at position {position}"
            raise RegistryError(message, hint=self._hint())
        return self.entries[position]

    def only(self) -> Descriptor:
        """Return the one entry.

        Raises:
            ConfigError: There are several, or none.
        """
        if len({entry.digest for entry in self.entries}) != 1:
            message = f"{self.where} has {len(self.entries)} images, so one must be named"
            raise ConfigError(message, hint=self._hint())
        return self.entries[0]

    def images(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Yield the entries whose name is a full image reference, with a registry and a tag or digest."""
        for entry in self.entries:
            for key in (_CONTAINERD_NAME, REF_NAME):
                reference = _as_full_reference(entry.annotations.get(key, ""))
                if reference is not None:
                    yield reference, entry
                    break

    def _hint(self) -> str:
        names = sorted({name for entry in self.entries if (name := entry.annotations.get(REF_NAME))})
        shown = ", ".join(names[:8]) + (", …" if names[8:] else "")
        return f"names there: {shown}" if names else "nothing in it has a name; use a digest or @POSITION"


def _as_digest(text: str) -> Digest | None:
    try:
        return Digest(text)
    except IntegrityError:
        return None


def _as_full_reference(text: str) -> Reference | None:
    """Read a name that says its registry; ``7.2`` and ``redis:7.2`` do not."""
    try:
        reference = Reference.parse(text)
    except PackhorseError:
        return None
    return reference if str(reference) == text else None
