"""Makes recipes a second time and compares every byte: the proof that the same packages give the same images.

The second time has a cache of its own that shares only what was fetched, and a cache of its own for Go's compiler.
"""

import filecmp
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from corpus.layout import Layout
from corpus.maker import Maker, title
from corpus.model import Recipe
from corpus.workshop import Workshop

__all__ = ["differences"]

_FETCHED = ("apt", "maven", "npm", "toolchain", "wheels")
"""Folders of the cache that have packages as their registries gave them."""


def differences(recipes: Sequence[Recipe], workshop: Workshop) -> list[str]:
    """Make ``recipes`` again, and tell in what the second making differs from what is in the cache; at best in nothing.

    Takes as much room beside the cache as the images have, until it ends.
    """
    first = Maker(workshop).all(recipes)
    with tempfile.TemporaryDirectory(dir=workshop.cache, prefix=".again-") as name:
        second = Maker(_fresh(workshop, Path(name))).all(recipes)
        return [
            f"{title(recipe)}: {line}"
            for recipe, one, other in zip(recipes, first, second, strict=True)
            for line in _compare(one, other)
        ]


def _fresh(workshop: Workshop, cache: Path) -> Workshop:
    for name in _FETCHED:
        (cache / name).symlink_to(workshop.folder(name))
    environment = {**workshop.environment, "GOCACHE": str(cache / "go-build")}
    return replace(workshop, cache=cache, environment=environment)


def _compare(one: Layout, other: Layout) -> list[str]:
    names = [{path.name for path in layout.blobs()} for layout in (one, other)]
    lines = [f"blob {name} is made only once" for name in sorted(names[0] ^ names[1])]
    lines += [
        f"blob {name} has other bytes"
        for name in sorted(names[0] & names[1])
        if not filecmp.cmp(one.blob(f"sha256:{name}"), other.blob(f"sha256:{name}"), shallow=False)
    ]
    if one.folder.joinpath("index.json").read_bytes() != other.folder.joinpath("index.json").read_bytes():
        lines.append("index.json is another")
    return lines
