"""Reading manifests: from bytes and a media type to the descriptors that they lead to."""

from packhorse.base.errors import IntegrityError
from packhorse.base.printable import in_one_line
from packhorse.base.units import MIB, format_bytes
from packhorse.oci import media_types
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, Manifest, decode_json

__all__ = ["MAX_MANIFEST_BYTES", "check_manifest_size", "parse", "successors"]

MAX_MANIFEST_BYTES = 4 * MIB
"""The most that is read of one manifest: what every registry must accept (distribution-spec, "Pushing Manifests")."""


def check_manifest_size(descriptor: Descriptor) -> None:
    """Refuse a manifest that claims to be larger than any manifest may be, before a byte of it is read.

    Raises:
        IntegrityError: Its size is negative or above :data:`MAX_MANIFEST_BYTES`.
    """
    if not 0 <= descriptor.size <= MAX_MANIFEST_BYTES:
        limit = format_bytes(MAX_MANIFEST_BYTES)
        message = f"manifest {descriptor.digest.short} claims {descriptor.size} bytes; the limit is {limit}"
        raise IntegrityError(message)


def parse(content: bytes, media_type: str, where: str) -> Manifest | Index:
    """Read a manifest or index of the given type.

    Args:
        content: The exact bytes.
        media_type: As the descriptor or the registry's ``Content-Type`` gives it.
        where: What this is, for messages.

    Raises:
        IntegrityError: Not JSON, not of the shape that its type has, or of a type that has no successors. A manifest
            whose own ``mediaType`` says something else than its descriptor is refused too: two readers would take it
            for two things.
    """
    if media_type in media_types.DOCKER_SCHEMA1_TYPES:
        message = (
            f"{where} is in Docker's schema 1, which was withdrawn in 2019 and has no stable digest of its content"
        )
        raise IntegrityError(message, hint="push the image again with a current client")
    if not media_types.is_metadata(media_type):
        message = f"{where} has the media type {in_one_line(media_type)!r}, which is neither a manifest nor an index"
        raise IntegrityError(message)
    shape: type[Manifest | Index] = Index if media_types.is_index(media_type) else Manifest
    node = decode_json(content, shape, where)
    if node.media_type is not None and node.media_type != media_type:
        said, expected = in_one_line(node.media_type), in_one_line(media_type)
        message = f"{where} says of itself that it is {said!r}; its descriptor says {expected!r}"
        raise IntegrityError(message)
    if node.schema_version != SCHEMA_VERSION:
        message = f"{where} has schemaVersion {node.schema_version}; expected {SCHEMA_VERSION}"
        raise IntegrityError(message)
    _check_sizes(node, where)
    return node


def successors(node: Manifest | Index) -> tuple[Descriptor, ...]:
    """What a manifest or index is made of, in its own order: config, then layers; or the manifests listed.

    The ``subject`` is not among them: it points to what a referrer is about, not to a part of it.
    """
    if isinstance(node, Index):
        return node.manifests
    return (node.config, *node.layers)


def _check_sizes(node: Manifest | Index, where: str) -> None:
    for descriptor in successors(node):
        if descriptor.size < 0:
            message = f"{where} gives {descriptor.digest.short} a size of {descriptor.size} bytes"
            raise IntegrityError(message)
