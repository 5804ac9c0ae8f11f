"""Which images are moved, and how they change from one edition to the next."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from corpus.entries import Entry, file
from corpus.model import Image
from corpus.sets import images_of
from corpus.workshop import Workshop

__all__ = ["Noise", "Stock", "choose", "stock_of"]

_NOISE_BYTES = 2 * 1024 * 1024
_CHANGED_IMAGES = 3


@dataclass(frozen=True, slots=True)
class Stock:
    """The images of the first edition, and for some of them what comes after."""

    first: tuple[Image, ...]
    updates: Mapping[str, Image]
    """The next version by the reference that it replaces."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A layer with one file that cannot be compressed; a source of the corpus."""

    seed: int
    size_bytes: int = _NOISE_BYTES

    def identity(self, platform: str, _workshop: Workshop) -> Mapping[str, object]:
        """Say what the bytes depend on."""
        return {"kind": "noise", "seed": self.seed, "size": self.size_bytes, "platform": platform}

    def entries(self, _platform: str, _workshop: Workshop) -> Iterator[Entry]:
        """Yield the file."""
        yield file("noise", random.Random(self.seed).randbytes(self.size_bytes))


def stock_of(sets: Sequence[str], series: Sequence[str]) -> Stock:
    """Take sets of the corpus together, with real updates where there are series of versions.

    Args:
        sets: All of their images are in the first edition.
        series: Sets with several versions of each repository, oldest first: the newest is the update of the one before
            it, which is in the first edition. Without any, the update of an image is the same with a layer of noise on
            top.
    """
    first = [image for name in sets for image in images_of(name)]
    versions: dict[str, list[Image]] = {}
    for name in series:
        for image in images_of(name):
            versions.setdefault(_repository(image.reference), []).append(image)
    pairs = [several[-2:] for several in versions.values() if len(several) > 1]
    if not pairs:
        pairs = [[image, _noisy(image, seed)] for seed, image in enumerate(first[:_CHANGED_IMAGES])]
    updates = {before.reference: after for before, after in pairs}
    replaced = {_repository(before.reference) for before, _ in pairs}
    kept = [image for image in first if _repository(image.reference) not in replaced]
    return Stock((*kept, *(before for before, _ in pairs)), updates)


def choose(changes: Mapping[str, int], wanted_bytes: int) -> tuple[str, ...]:
    """Choose images whose updates together bring as many new bytes as wanted, or come closest to it; at least one.

    Args:
        changes: New bytes by image, of a handful of images: every choice is looked at.
        wanted_bytes: How many there should be together.
    """
    names = sorted(changes)
    choices = (choice for count in range(1, len(names) + 1) for choice in combinations(names, count))
    return min(choices, key=lambda choice: abs(sum(changes[name] for name in choice) - wanted_bytes))


def _noisy(image: Image, seed: int) -> Image:
    return replace(image, reference=f"{image.reference}-next", layers=(*image.layers, Noise(seed)))


def _repository(reference: str) -> str:
    return reference.rpartition(":")[0]
