"""What of an image is carried: the manifests below an index that the wanted platforms run, and what is about them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.oci import manifest, media_types, platforms
from packhorse.oci.digest import Digest
from packhorse.oci.graph import MAX_DEPTH, carried_by
from packhorse.oci.model import Descriptor, Index, Manifest, Platform, decode_json
from packhorse.package.lock import LockedManifest

__all__ = ["Choice", "ReadBlob", "choose"]

ReadBlob = Callable[[Descriptor], bytes]
"""Reads a small blob whole and verifies it."""

_REFERENCE_DIGEST = "vnd.docker.reference.digest"
"""BuildKit's annotation on an attestation: the digest of the manifest that it is about."""

_IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)


class Choice(msgspec.Struct, frozen=True):
    """What is carried of an image.

    Attributes:
        platforms: Those that it can run on, as they are wanted, sorted.
        manifests: Everything carried below an index, sorted; empty for an image that is one manifest.
        missing: Wanted platforms that the image has nothing for.
    """

    platforms: tuple[str, ...]
    manifests: tuple[LockedManifest, ...] = ()
    missing: tuple[str, ...] = ()


class _Leaf(msgspec.Struct, frozen=True):
    descriptor: Descriptor
    above: tuple[Digest, ...]
    platform: Platform | None


class _ImageConfig(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str | None = None


def choose(root: Descriptor, wanted: Sequence[str], read: ReadBlob) -> Choice:
    """Choose what to carry of an image.

    Args:
        root: Of its manifest or index; an annotation on it says which manifests below it are there at all
            (:data:`packhorse.oci.graph.CARRIES`).
        wanted: Platforms.
        read: Reads manifests and configs.

    Raises:
        ConfigError: An index has nothing for one of the platforms, or a single manifest is for none of them; the
            message names what there is.
        IntegrityError: A manifest is not what it must be.
    """
    parsed = manifest.parse(read(root), root.media_type, f"manifest {root.digest.short}")
    if isinstance(parsed, Manifest):
        return _choose_single(parsed, wanted, read)
    held = carried_by(root)
    leaves = list(_leaves(parsed, (), read, held))
    images = [leaf for leaf in leaves if leaf.platform is not None]
    if not images:
        return _whole(leaves)
    offered = [leaf.platform for leaf in images if leaf.platform is not None]
    carried: dict[Digest, LockedManifest] = {}
    for name in wanted:
        numbers = platforms.best(Platform.parse(name), offered)
        if not numbers:
            raise _nothing_for(name, offered)
        for number in numbers:
            leaf = images[number]
            carried[leaf.descriptor.digest] = LockedManifest(digest=leaf.descriptor.digest, platform=str(leaf.platform))
            carried.update(_unnamed(leaf.above))
    for leaf in leaves:
        if leaf.platform is None and _is_about(leaf.descriptor, carried):
            carried[leaf.descriptor.digest] = LockedManifest(digest=leaf.descriptor.digest)
            carried.update(_unnamed(leaf.above))
    return Choice(tuple(sorted(wanted)), _ordered(carried))


def _choose_single(parsed: Manifest, wanted: Sequence[str], read: ReadBlob) -> Choice:
    platform = _platform_of(parsed, read)
    if platform is None:
        return Choice(tuple(sorted(wanted)))
    fitting = tuple(sorted(name for name in wanted if platforms.rank(Platform.parse(name), platform) is not None))
    if not fitting:
        raise _nothing_for(" or ".join(wanted), [platform])
    return Choice(fitting, missing=tuple(sorted(set(wanted) - set(fitting))))


def _leaves(index: Index, above: tuple[Digest, ...], read: ReadBlob, held: frozenset[Digest] | None) -> Iterator[_Leaf]:
    if len(above) >= MAX_DEPTH:
        raise IntegrityError(f"an image's indexes stand more than {MAX_DEPTH} deep in each other")
    for child in index.manifests:
        if media_types.is_index(child.media_type):
            if held is not None and child.digest not in held:
                continue
            below = manifest.parse(read(child), child.media_type, f"index {child.digest.short}")
            if isinstance(below, Index):
                yield from _leaves(below, (*above, child.digest), read, held)
        elif media_types.is_manifest(child.media_type) and (held is None or child.digest in held):
            yield _Leaf(child, above, _leaf_platform(child, read))


def _leaf_platform(child: Descriptor, read: ReadBlob) -> Platform | None:
    if child.platform is not None:
        return None if str(child.platform) == platforms.UNKNOWN else child.platform
    parsed = manifest.parse(read(child), child.media_type, f"manifest {child.digest.short}")
    return _platform_of(parsed, read) if isinstance(parsed, Manifest) else None


def _platform_of(parsed: Manifest, read: ReadBlob) -> Platform | None:
    """What an image's config says it is for; None for artifacts, which are for all."""
    if parsed.config.media_type not in _IMAGE_CONFIGS or parsed.artifact_type is not None:
        return None
    config = decode_json(read(parsed.config), _ImageConfig, f"config {parsed.config.digest.short}")
    if not config.os or not config.architecture:
        return None
    return Platform(os=config.os, architecture=config.architecture, variant=config.variant or None)


def _whole(leaves: Sequence[_Leaf]) -> Choice:
    """An index of artifacts is for no platform: all of it is carried."""
    carried = {leaf.descriptor.digest: LockedManifest(digest=leaf.descriptor.digest) for leaf in leaves}
    for leaf in leaves:
        carried.update(_unnamed(leaf.above))
    return Choice((), _ordered(carried))


def _unnamed(digests: Sequence[Digest]) -> dict[Digest, LockedManifest]:
    return {digest: LockedManifest(digest=digest) for digest in digests}


def _is_about(descriptor: Descriptor, carried: dict[Digest, Any]) -> bool:
    if descriptor.platform is None:
        return True
    return descriptor.annotations.get(_REFERENCE_DIGEST) in carried


def _ordered(carried: dict[Digest, LockedManifest]) -> tuple[LockedManifest, ...]:
    return tuple(sorted(carried.values(), key=lambda one: (one.platform == "", one.platform, one.digest)))


def _nothing_for(wanted: str, offered: Sequence[Platform]) -> ConfigError:
    names = ", ".join(sorted({str(platform) for platform in offered}))
    return ConfigError(
        f"there is nothing for {wanted}; there is {names}",
        hint="list the image with platforms of its own, or take the platform out of packhorse.yaml",
    )
