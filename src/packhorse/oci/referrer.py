"""How referrers are listed (distribution-spec, "Listing Referrers" and "Referrers Tag Schema")."""

from collections.abc import Iterable

from packhorse.base.errors import IntegrityError
from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Node
from packhorse.oci.model import Descriptor, Index, Manifest, canonical_json

__all__ = ["describe", "fallback_tag", "listed", "with_referrer"]

_MAX_TAG_LENGTH = 128
_MAX_HEX_LENGTH = 64


def fallback_tag(subject: Digest) -> str:
    """Return the tag under which registries without the API keep the list: ``sha256-<hex>``, cut as specified."""
    return f"{subject.algorithm[:32]}-{subject.hex[:_MAX_HEX_LENGTH]}"[:_MAX_TAG_LENGTH]


def describe(node: Node) -> Descriptor:
    """Return the descriptor that lists a manifest which has a subject: with its artifact type and annotations.

    The artifact type of an image manifest that names none is the media type of its config.
    """
    parsed = node.parsed
    artifact_type = parsed.artifact_type
    if artifact_type is None and isinstance(parsed, Manifest):
        artifact_type = parsed.config.media_type
    return Descriptor(
        media_type=node.descriptor.media_type,
        digest=node.descriptor.digest,
        size=node.descriptor.size,
        artifact_type=artifact_type,
        annotations=parsed.annotations,
    )


def listed(entries: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """Put what registries list in one order, each digest once, and nothing that is no manifest."""
    found = {entry.digest: entry for entry in entries if media_types.is_metadata(entry.media_type)}
    return tuple(found[digest] for digest in sorted(found))


def with_referrer(content: bytes | None, referrer: Descriptor, where: str) -> bytes | None:
    """Add a referrer to the list that a tag holds.

    Args:
        content: The index that is there; None when there is none.
        referrer: As :func:`describe` gives it.
        where: What this is, for messages.

    Returns:
        The new index; None when the referrer is listed already.

    Raises:
        IntegrityError: What is there is not an index.
    """
    entries: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] = {}
    if content is not None:
        parsed = manifest.parse(content, media_types.OCI_INDEX, where)
        if not isinstance(parsed, Index):
            raise IntegrityError(f"{where} is not an index")
        entries, annotations = parsed.manifests, parsed.annotations
    if any(entry.digest == referrer.digest for entry in entries):
        return None
    entries = (*entries, referrer)
    return canonical_json(
        Index(schema_version=2, media_type=media_types.OCI_INDEX, manifests=entries, annotations=annotations)
    )
