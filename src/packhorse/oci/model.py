"""Descriptors, manifests and indexes (OCI image-spec 1.1), decoded strictly from what the outside sends.

Decoded values are for reading only: upstream bytes are stored and sent as they came, never encoded again.
"""

import json
from typing import Any, TypeVar

import msgspec

from packhorse.base.errors import IntegrityError, PackhorseError
from packhorse.base.json_decoder import decode_as
from packhorse.oci.digest import Digest

__all__ = ["SCHEMA_VERSION", "Descriptor", "Index", "Manifest", "Platform", "canonical_json", "decode_json"]

_T = TypeVar("_T")

SCHEMA_VERSION = 2
"""Of every manifest and index (image-spec, "schemaVersion"); what Packhorse makes always says it."""


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """The platform that an image is for; ``str()`` gives ``os/architecture[/variant]``."""

    architecture: str
    os: str
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    os_features: tuple[str, ...] = msgspec.field(default=(), name="os.features")

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """Read ``os/architecture[/variant]``, as in ``linux/arm64`` or ``linux/arm/v7``.

        Raises:
            PackhorseError: Another number of parts, or an empty one.
        """
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            message = f"expected a platform such as linux/amd64 or linux/arm/v7, found {text!r}"
            raise PackhorseError(message)
        return cls(os=parts[0], architecture=parts[1], variant=parts[2] if parts[2:] else None)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """What identifies one blob: its type, digest and size in bytes (image-spec, descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str | None = None
    platform: Platform | None = None
    annotations: dict[str, str] = {}
    urls: tuple[str, ...] = ()

    def plain(self) -> "Descriptor":
        """The same content without what the place says of it: annotations and platform left out."""
        return Descriptor(
            media_type=self.media_type, digest=self.digest, size=self.size, artifact_type=self.artifact_type
        )


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """An image or artifact manifest (image-spec, manifest.md; Docker's schema 2 has the same shape)."""

    schema_version: int
    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str | None = None
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """An index of manifests (image-spec, image-index.md; Docker's manifest list has the same shape)."""

    schema_version: int
    manifests: tuple[Descriptor, ...]
    media_type: str | None = None
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


def decode_json(content: bytes, shape: type[_T], where: str) -> _T:
    """Decode JSON from outside into ``shape``.

    Refuses what two readers could understand differently: a key given twice, text that is not UTF-8, nesting or
    numbers beyond all use, and values of another type than the shape has. Unknown keys are let through, as the
    specifications ask.

    Args:
        content: The JSON text; the caller has capped its size.
        shape: The type to build.
        where: What this is, for the message.

    Raises:
        IntegrityError: It is not JSON, or not of this shape.
    """
    try:
        json.loads(content.decode("utf-8"), object_pairs_hook=_unique_keys)
        return decode_as(content, shape, dec_hook=_decode_hook)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        message = f"{where} is not what it must be: {error}"
        raise IntegrityError(message) from error


def canonical_json(value: object) -> bytes:
    """Encode a value of ours the one way that gives the same bytes everywhere: sorted keys, no blanks, UTF-8."""
    return msgspec.json.encode(value, enc_hook=_encode_hook, order="sorted")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        message = f"the key {twice[:80]!r} is given twice in one object"
        raise ValueError(message)
    return found


def _decode_hook(kind: type, value: object) -> object:
    if kind is Digest and isinstance(value, str):
        try:
            return Digest(value)
        except IntegrityError as error:
            raise ValueError(str(error)) from error
    message = f"no rule to read {kind.__name__}"
    raise NotImplementedError(message)


def _encode_hook(value: object) -> object:
    if isinstance(value, Digest):
        return str(value)
    message = f"no rule to write {type(value).__name__}"
    raise NotImplementedError(message)
