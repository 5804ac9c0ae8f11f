"""What manifests say, read once: content never changes under its digest."""

import threading
from collections import OrderedDict

import msgspec

from packhorse.base.errors import PackhorseError
from packhorse.base.units import MIB
from packhorse.oci import graph, manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Index, Manifest
from packhorse.registry.pages.model import Piece, Referring, Summary
from packhorse.registry.ports import Catalog

__all__ = ["Summaries", "kind_of_referrer"]

_KEPT = 4096
_MAX_PIECES = 200
_MAX_DEPTH = 4
_MAX_CONFIG_BYTES = MIB
_IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_REFERRER_KINDS = (
    ("signature", ("signature", "cosign", "sigstore", "notary")),
    ("SBOM", ("spdx", "cyclonedx", "sbom", "syft")),
    ("attestation", ("in-toto", "attest", "provenance", "dsse")),
)
_COSIGN_TAGS = (("sig", "signature"), ("att", "attestation"), ("sbom", "SBOM"))


class _Config(msgspec.Struct):
    """What a config says of its platform; anything else in it is of no interest."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


class Summaries:
    """Reads manifests of a catalogue; used by many threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, Digest], Summary] = OrderedDict()

    def of(self, name: str, descriptor: Descriptor) -> Summary:
        """Say what a manifest of a repository is.

        Raises:
            PackhorseError: It cannot be read, or is no manifest.
        """
        return self._of(name, descriptor, 0)

    def referring(self, name: str, digest: Digest) -> list[Referring]:
        """List what is about a manifest, by the API's list and by cosign's tags."""
        found = {
            each.digest: Referring(
                kind_of_referrer(each.artifact_type or ""), each.artifact_type or "", each.digest, each.size
            )
            for each in self._catalog.referrers(name, digest)
        }
        for ending, kind in _COSIGN_TAGS:
            tagged = self._catalog.manifest(name, f"{digest.algorithm}-{digest.hex}.{ending}")
            if tagged is not None and tagged.digest not in found:
                found[tagged.digest] = Referring(kind, "", tagged.digest, tagged.size)
        return list(found.values())

    def _of(self, name: str, descriptor: Descriptor, depth: int) -> Summary:
        # What of an index is here differs between repositories, and with what is pushed next.
        key = (name, descriptor.digest)
        is_whole = not media_types.is_index(descriptor.media_type)
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return known
        content = graph.read_verified(self._catalog, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)
        parsed = manifest.parse(content, descriptor.media_type, str(descriptor.digest))
        if isinstance(parsed, Index):
            summary = self._of_index(name, descriptor, parsed, depth)
            is_whole = all(piece.size is not None for piece in summary.pieces)
        else:
            summary = self._of_manifest(descriptor, parsed)
        if is_whole:
            with self._lock:
                self._known[key] = summary
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return summary

    def _of_index(self, name: str, descriptor: Descriptor, index: Index, depth: int) -> Summary:
        pieces = []
        sizes = {descriptor.digest: descriptor.size}
        platforms: set[str] = set()
        for child in index.manifests[:_MAX_PIECES]:
            below = self._below(name, child, depth)
            platform = (
                str(child.platform) if child.platform is not None else ", ".join(below.platforms if below else ())
            )
            pieces.append(Piece(child, platform, None if below is None else below.size))
            if below is not None:
                sizes |= below.sizes
                platforms.update(item for item in (platform,) if item and "unknown" not in item)
        return Summary(
            kind="image for several platforms" if len(platforms) > 1 else "index",
            platforms=tuple(sorted(platforms)),
            sizes=sizes,
            pieces=tuple(pieces),
            annotations=index.annotations,
            artifact_type=index.artifact_type or "",
            subject=None if index.subject is None else index.subject.digest,
        )

    def _below(self, name: str, child: Descriptor, depth: int) -> Summary | None:
        found = self._catalog.manifest(name, child.digest)
        if found is None or depth >= _MAX_DEPTH:
            return None
        try:
            return self._of(name, found, depth + 1)
        except PackhorseError:
            return None

    def _of_manifest(self, descriptor: Descriptor, parsed: Manifest) -> Summary:
        config_type = parsed.config.media_type
        platform = self._platform(parsed.config) if config_type in _IMAGE_CONFIGS else ""
        return Summary(
            kind=_kind(config_type, parsed),
            platforms=(platform,) if platform else (),
            sizes={part.digest: part.size for part in (descriptor, parsed.config, *parsed.layers)},
            layers=parsed.layers,
            annotations=parsed.annotations,
            artifact_type=parsed.artifact_type or config_type,
            subject=None if parsed.subject is None else parsed.subject.digest,
        )

    def _platform(self, config: Descriptor) -> str:
        try:
            content = graph.read_verified(self._catalog, config, max_bytes=_MAX_CONFIG_BYTES)
            said = msgspec.json.decode(content, type=_Config)
        except (PackhorseError, msgspec.DecodeError, ValueError, RecursionError):
            return ""
        return "/".join(part for part in (said.os, said.architecture, said.variant) if part)


def kind_of_referrer(artifact_type: str) -> str:
    """Say for people what something of this type is."""
    lower = artifact_type.lower()
    return next((kind for kind, words in _REFERRER_KINDS if any(word in lower for word in words)), "artifact")


def _kind(config_type: str, parsed: Manifest) -> str:
    if config_type == media_types.HELM_CONFIG:
        return "Helm chart"
    if config_type in _IMAGE_CONFIGS and parsed.artifact_type is None:
        return "image"
    return kind_of_referrer(parsed.artifact_type or config_type) if parsed.subject is not None else "artifact"
