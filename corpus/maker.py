"""Makes recipes into layouts, each layer once.

The cache has ``layers/<key>/`` (the compressed blob and what a manifest says of it) and ``<recipe key>/`` (a layout
with one image), where a key is the hash of all that decides about the bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from corpus import compression
from corpus.entries import CLAMP_SECONDS, write_tar
from corpus.errors import CorpusError
from corpus.layout import NAME_ANNOTATION, Descriptor, Layout
from corpus.model import Format, Image, Source
from corpus.sinks import HashingSink
from corpus.workshop import Workshop, key_of

__all__ = ["Maker"]

_FORMAT_VERSION = 1
"""Raised when the same identities are to give other bytes: every cached layer and image is then made anew."""

_CREATED = datetime.fromtimestamp(CLAMP_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class _MediaTypes:
    index: str
    manifest: str
    config: str
    layer: str


_MEDIA_TYPES: dict[Format, _MediaTypes] = {
    "oci": _MediaTypes(
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
    ),
    "docker": _MediaTypes(
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
}


@dataclass(frozen=True, slots=True)
class _Layer:
    digest: str
    size: int
    diff_id: str
    """The SHA-256 of the tar before compression."""
    path: Path


class Maker:
    """Makes images into the cache of a workshop."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def image(self, image: Image) -> Layout:
        """Make one recipe and give the layout that has it, from the cache when it is there."""
        final = self._workshop.cache / self._image_key(image)
        if not final.exists():
            self._workshop.tell(f"Making {image.reference}")
            with self._workshop.making(final) as draft:
                self._write(image, Layout.create(draft))
        return Layout(final)

    def all_in_one(self, images: Sequence[Image], out: Path) -> Layout:
        """Make every recipe into one layout at ``out``, where a blob that several images have stands once.

        What is there already from an earlier set, and is not in this one, goes. The blobs are copies: whoever spoils
        them does not spoil the cache.
        """
        layout = Layout.create(out)
        layout.become([self.image(image) for image in images])
        return layout

    def _write(self, image: Image, layout: Layout) -> None:
        types = _MEDIA_TYPES[image.format]
        manifests = [self._write_manifest(image, platform, layout) for platform in image.platforms]
        top = manifests[0]
        if len(manifests) > 1:
            listed = [
                {**manifest, "platform": _platform(platform)}
                for manifest, platform in zip(manifests, image.platforms, strict=True)
            ]
            top = layout.add_json(types.index, {"schemaVersion": 2, "mediaType": types.index, "manifests": listed})
        layout.write_index([{**top, "annotations": {NAME_ANNOTATION: image.reference}}])

    def _write_manifest(self, image: Image, platform: str, layout: Layout) -> Descriptor:
        types = _MEDIA_TYPES[image.format]
        suffix = _layer_suffix(image)
        layers = [self._layer(source, platform, image.compression) for source in image.layers]
        for layer in layers:
            layout.link_blob(layer.digest, layer.path)
        config = {
            "created": _CREATED,
            **_platform(platform),
            "config": image.config.as_json(),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": _CREATED, "created_by": _origin(source)} for source in image.layers],
        }
        manifest: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": types.manifest,
            "config": layout.add_json(types.config, config),
            "layers": [
                {"mediaType": f"{types.layer}{suffix}", "digest": layer.digest, "size": layer.size} for layer in layers
            ],
        }
        return layout.add_json(types.manifest, manifest)

    def _layer(self, source: Source, platform: str, way: str) -> _Layer:
        final = self._workshop.cache / "layers" / self._layer_key(source, platform, way)
        if not final.exists():
            with self._workshop.making(final) as draft:
                self._pack(source, platform, way, draft)
        facts = json.loads((final / "facts.json").read_text(encoding="utf-8"))
        return _Layer(facts["digest"], facts["size"], facts["diff_id"], final / "blob")

    def _pack(self, source: Source, platform: str, way: str, draft: Path) -> None:
        with (draft / "blob").open("wb") as stream:
            outer = HashingSink(stream)
            compressed = compression.by_name(way).wrap(outer)
            inner = HashingSink(compressed)
            write_tar(source.entries(platform, self._workshop), inner)
            compressed.close()
        facts = {"digest": outer.digest, "size": outer.size, "diff_id": inner.digest}
        (draft / "facts.json").write_text(json.dumps(facts), encoding="utf-8")

    def _layer_key(self, source: Source, platform: str, way: str) -> str:
        identity = source.identity(platform, self._workshop)
        return key_of({"version": _FORMAT_VERSION, "platform": platform, "compression": way, "source": identity})

    def _image_key(self, image: Image) -> str:
        layers = {
            platform: [self._layer_key(source, platform, image.compression) for source in image.layers]
            for platform in image.platforms
        }
        config = image.config.as_json()
        return key_of({"reference": image.reference, "format": image.format, "config": config, "layers": layers})


def _platform(platform: str) -> dict[str, object]:
    system, _, architecture = platform.partition("/")
    return {"architecture": architecture, "os": system}


def _layer_suffix(image: Image) -> str:
    way = compression.by_name(image.compression)
    if image.format == "oci":
        return way.oci_suffix
    if way.docker_suffix is None:
        raise CorpusError(
            f"Expected a compression that Docker's schema 2 knows, found {way.name} in {image.reference}."
        )
    return way.docker_suffix


def _origin(source: Source) -> str:
    return f"corpus: {type(source).__name__.lower()}"
