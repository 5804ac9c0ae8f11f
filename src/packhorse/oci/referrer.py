"""How a referrer is listed (distribution-spec, "Listing Referrers")."""

from packhorse.oci.graph import Node
from packhorse.oci.model import Descriptor, Manifest

__all__ = ["describe"]


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
