"""From the name of an image to its entry in the lock: digest, platforms, and what is about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from packhorse.app.image_choice import Choice, choose
from packhorse.app.image_sources import ImagePlace
from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.base.units import MIB
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import CARRIES, read_verified, walk
from packhorse.oci.manifest import MAX_MANIFEST_BYTES
from packhorse.oci.model import Descriptor
from packhorse.oci.reference import Reference
from packhorse.package.lock import Found, LockedArtifact, LockedImage, LockedReferrer

__all__ = ["Resolved", "WantedImage", "resolve_artifact", "resolve_image"]

_MAX_CONFIG_BYTES = 8 * MIB
_MAX_REFERRER_DEPTH = 3
_MAX_REFERRERS = 1_000


class WantedImage(msgspec.Struct, frozen=True):
    """An image that the package wants, by its full name."""

    reference: Reference
    platforms: tuple[str, ...]
    source: str = ""
    components: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()

    @property
    def name(self) -> str:
        """The reference in full."""
        return str(self.reference)


@dataclass(frozen=True, slots=True)
class Resolved:
    """An image's entry, and the sizes of all blobs that carrying it takes, manifests included."""

    image: LockedImage
    blobs: dict[Digest, int] = field(repr=False)
    missing: tuple[str, ...] = ()
    """Wanted platforms that an image of one platform has nothing for."""


class _About(NamedTuple):
    subject: Descriptor
    depth: int


def resolve_image(wanted: WantedImage, place: ImagePlace, pinned: Digest | None) -> Resolved:
    """Resolve an image.

    Args:
        pinned: Its digest, where it is known already.

    Raises:
        ConfigError: It has nothing for a platform, or a file has another image than the reference's digest says.
        IntegrityError: A manifest is not what it must be.
        NetworkError, RegistryError: As its place has it.
    """
    root = _root(wanted.reference, place, pinned)
    blobs: dict[Digest, int] = {}

    def read(descriptor: Descriptor) -> bytes:
        is_manifest = media_types.is_metadata(descriptor.media_type)
        limit = MAX_MANIFEST_BYTES if is_manifest else _MAX_CONFIG_BYTES
        return read_verified(place.content, descriptor, max_bytes=limit)

    choice = choose(root, wanted.platforms, read)
    nodes = _count(_carrying(root, choice), place, blobs)
    # Attestations are about images, and nothing is about them.
    named = {one.digest for one in choice.manifests if one.platform}
    subjects = [node for node in nodes if node.digest == root.digest or node.digest in named]
    referrers = tuple(_referrers(subjects, place, blobs))
    image = LockedImage(
        name=wanted.name,
        digest=root.digest,
        media_type=root.media_type,
        size=root.size,
        components=wanted.components,
        source=wanted.source,
        platforms=choice.platforms,
        manifests=choice.manifests,
        referrers=referrers,
        found=wanted.found,
    )
    return Resolved(image, blobs, choice.missing)


def resolve_artifact(
    name: Reference, place: ImagePlace, *, source: str = "", components: tuple[str, ...] = ()
) -> LockedArtifact:
    """Resolve an OCI artifact, which is carried whole; see :func:`resolve_image`."""
    root = _root(name, place, None)
    blobs: dict[Digest, int] = {}
    _count(root.plain(), place, blobs)
    return LockedArtifact(
        name=str(name),
        digest=root.digest,
        media_type=root.media_type,
        size=root.size,
        components=components,
        source=source,
        referrers=tuple(_referrers([root.plain()], place, blobs)),
    )


def _root(reference: Reference, place: ImagePlace, pinned: Digest | None) -> Descriptor:
    root = place.root(pinned)
    wanted = reference.digest or pinned
    if reference.digest is not None and root.digest != wanted:
        raise ConfigError(f"{reference} is not what its source has: expected {wanted}, found {root.digest}")
    return root


def _carrying(root: Descriptor, choice: Choice) -> Descriptor:
    if not media_types.is_index(root.media_type):
        return root.plain()
    carried = " ".join(sorted(one.digest for one in choice.manifests))
    return msgspec.structs.replace(root.plain(), annotations={CARRIES: carried})


def _count(root: Descriptor, place: ImagePlace, blobs: dict[Digest, int]) -> list[Descriptor]:
    """Read every manifest below ``root``, which shows that all are there, and add up what they lead to."""
    graph = walk([root], lambda node: read_verified(place.content, node, max_bytes=MAX_MANIFEST_BYTES))
    blobs.update({node.descriptor.digest: node.descriptor.size for node in graph.nodes})
    blobs.update({blob.digest: blob.size for blob in graph.blobs})
    return [node.descriptor for node in graph.nodes]


def _referrers(subjects: Sequence[Descriptor], place: ImagePlace, blobs: dict[Digest, int]) -> Iterator[LockedReferrer]:
    found: dict[tuple[Digest, Digest, str], LockedReferrer] = {}
    queue = [_About(subject, 1) for subject in subjects]
    while queue:
        subject, depth = queue.pop(0)
        for referrer, tag in place.about(subject):
            key = (subject.digest, referrer.digest, tag)
            if key in found:
                continue
            if len(found) >= _MAX_REFERRERS:
                raise IntegrityError(f"more than {_MAX_REFERRERS} signatures and attestations are about one image")
            _count(referrer.plain(), place, blobs)
            found[key] = LockedReferrer(
                digest=referrer.digest,
                media_type=referrer.media_type,
                size=referrer.size,
                subject=subject.digest,
                artifact_type=referrer.artifact_type or "",
                tag=tag,
            )
            if depth < _MAX_REFERRER_DEPTH:
                queue.append(_About(referrer.plain(), depth + 1))
    yield from (found[key] for key in sorted(found))
