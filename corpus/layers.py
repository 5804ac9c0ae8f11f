"""Packs sources into layers, each once: the cache has ``layers/<key>/``, the blob and what a manifest says of it."""

import json
from dataclasses import dataclass
from pathlib import Path

from corpus import compression
from corpus.entries import write_tar
from corpus.model import Image, Layer, Source
from corpus.sinks import HashingSink
from corpus.workshop import Workshop, key_of

__all__ = ["LayerJob", "Layers", "PackedLayer", "jobs_of"]

_FORMAT_VERSION = 2
"""Raised when the same identities are to give other bytes: every cached layer and image is then made anew."""


@dataclass(frozen=True, slots=True)
class LayerJob:
    """One layer as it is to be packed."""

    source: Source
    platform: str
    compression: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """One layer as it is in the cache."""

    digest: str
    size: int
    diff_id: str
    """The SHA-256 of the tar before compression."""
    path: Path


def jobs_of(image: Image, platform: str) -> list[LayerJob]:
    """Give the layers of ``image`` on one platform, from the lowest to the uppermost."""
    layers = [layer if isinstance(layer, Layer) else Layer(source=layer) for layer in image.layers]
    return [LayerJob(layer.source, platform, layer.compression or image.compression, layer.urls) for layer in layers]


class Layers:
    """The packed layers of a workshop. Safe to use from several threads."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def key(self, job: LayerJob) -> str:
        """Hash all that decides about the bytes of a layer."""
        return key_of(
            {
                "version": _FORMAT_VERSION,
                "platform": job.platform,
                "compression": compression.by_name(job.compression).identity(self._workshop),
                "source": job.source.identity(job.platform, self._workshop),
            }
        )

    def pack(self, job: LayerJob) -> PackedLayer:
        """Give a layer, packed when the cache lacks it."""
        final = self._workshop.cache / "layers" / self.key(job)
        if not final.exists():
            with self._workshop.making(final) as draft:
                self._write(job, draft)
        facts = json.loads((final / "facts.json").read_text(encoding="utf-8"))
        return PackedLayer(facts["digest"], facts["size"], facts["diff_id"], final / "blob")

    def _write(self, job: LayerJob, draft: Path) -> None:
        way = compression.by_name(job.compression)
        with (draft / "blob").open("wb") as stream:
            outer = HashingSink(stream)
            with way.open(outer, self._workshop) as compressed:
                inner = HashingSink(compressed)
                write_tar(job.source.entries(job.platform, self._workshop), inner)
        facts = {"digest": outer.digest, "size": outer.size, "diff_id": inner.digest}
        (draft / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
