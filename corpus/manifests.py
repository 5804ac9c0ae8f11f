"""Manifests, indexes and configurations as JSON values, by the letter of the specifications. Pure: no file is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from corpus.entries import CLAMP_SECONDS
from corpus.layout import Descriptor
from corpus.model import Format

__all__ = [
    "CREATED",
    "EMPTY",
    "EMPTY_CONTENT",
    "MEDIA_TYPES",
    "MediaTypes",
    "attested",
    "image_config",
    "index",
    "manifest",
    "platform_of",
]

CREATED = datetime.fromtimestamp(CLAMP_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
"""When everything that the corpus makes says it was made."""

EMPTY_CONTENT = b"{}"
EMPTY: Descriptor = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": len(EMPTY_CONTENT),
}
"""The empty descriptor of image-spec 1.1: what stands where there is nothing to name."""

_PLATFORM = re.compile(r"(?P<os>\w+)(?:\((?P<version>[\d.]+)\))?/(?P<architecture>\w+)(?:/(?P<variant>\w+))?")


@dataclass(frozen=True, slots=True)
class MediaTypes:
    """What the parts of an image are called in one format; layers get the suffix of their compression."""

    index: str
    manifest: str
    config: str
    layer: str
    foreign_layer: str


MEDIA_TYPES: dict[Format, MediaTypes] = {
    "oci": MediaTypes(
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    ),
    "docker": MediaTypes(
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ),
}


def platform_of(text: str) -> dict[str, object]:
    """Give the ``platform`` object of ``os[(version)]/architecture[/variant]``."""
    found = _PLATFORM.fullmatch(text)
    if found is None:
        message = f'Expected a platform as os/architecture, found "{text}".'
        raise ValueError(message)
    values = {
        "architecture": found["architecture"],
        "os": found["os"],
        "os.version": found["version"],
        "variant": found["variant"],
    }
    return {name: value for name, value in values.items() if value}


def image_config(
    platform: Mapping[str, object], container: Mapping[str, object], diff_ids: Sequence[str], history: Sequence[str]
) -> dict[str, object]:
    """Make an image's configuration; ``history`` has one line per layer."""
    return {
        "created": CREATED,
        **platform,
        "config": dict(container),
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created": CREATED, "created_by": line} for line in history],
    }


def manifest(
    media_type: str,
    config: Descriptor,
    layers: Sequence[Descriptor],
    *,
    artifact_type: str = "",
    subject: Descriptor | None = None,
) -> dict[str, object]:
    """Make a manifest."""
    value: dict[str, object] = {"schemaVersion": 2, "mediaType": media_type}
    if artifact_type:
        value["artifactType"] = artifact_type
    value |= {"config": config, "layers": list(layers)}
    if subject is not None:
        value["subject"] = {name: subject[name] for name in ("mediaType", "digest", "size")}
    if artifact_type:
        value["annotations"] = {"org.opencontainers.image.created": CREATED}
    return value


def index(media_type: str, listed: Sequence[Descriptor]) -> dict[str, object]:
    """Make an index, or a manifest list."""
    return {"schemaVersion": 2, "mediaType": media_type, "manifests": list(listed)}


def attested(attestation: Descriptor, image: Descriptor) -> Descriptor:
    """Describe an attestation in the index that lists its image, in BuildKit's words."""
    annotations = {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    return {**attestation, "annotations": annotations, "platform": {"architecture": "unknown", "os": "unknown"}}
