"""Makes all sets, and tells what was made as a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.layers import jobs_of
from corpus.layout import Descriptor, Layout, listed
from corpus.maker import Maker, title
from corpus.model import Artifact, Attachment, Image, Index, Recipe

__all__ = ["Made", "make_all", "platforms_of", "table"]

_MIB = 1024 * 1024
_COLUMNS = ("image", "platforms", "layers", "MiB", "compression", "format")


@dataclass(frozen=True, slots=True)
class Made:
    """One recipe of a set, with the layout that has it."""

    set: str
    recipe: Recipe
    layout: Layout


def make_all(maker: Maker, sets: Mapping[str, Sequence[Recipe]]) -> list[Made]:
    """Make every recipe of ``sets``; what is in the cache is not made again."""
    recipes = [(name, recipe) for name, group in sets.items() for recipe in group]
    layouts = maker.all([recipe for _, recipe in recipes])
    return [Made(name, recipe, layout) for (name, recipe), layout in zip(recipes, layouts, strict=True)]


def table(made: Sequence[Made]) -> Iterator[str]:
    """Yield the lines of a table of all that was made, with the totals of each set and of all together."""
    rows = [_row(one) for one in made]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for name in dict.fromkeys(one.set for one in made):
        yield f"{name}: {_total([one.layout for one in made if one.set == name])}"
        for one, row in zip(made, rows, strict=True):
            if one.set == name:
                yield "  " + "  ".join(map(_padded, row, widths)).rstrip()
    yield f"All together: {_total([one.layout for one in made])}"


def _padded(text: str, width: int) -> str:
    return text.rjust(width) if text.replace(".", "").isdigit() else text.ljust(width)


def _row(one: Made) -> tuple[str, ...]:
    size = sum(path.stat().st_size for path in one.layout.blobs())
    return (
        title(one.recipe),
        " ".join(platforms_of(one.recipe)) or "-",
        str(len(_layers(one.layout, one.layout.only()))),
        f"{size / _MIB:.1f}",
        " ".join(_compressions(one.recipe)) or "-",
        _format(one.recipe),
    )


def platforms_of(recipe: Recipe) -> list[str]:
    """Give the platforms of an image, or of all images in an index, each once."""
    return list(dict.fromkeys(platform for image in _images(recipe) for platform in image.platforms))


def _compressions(recipe: Recipe) -> list[str]:
    return list(
        dict.fromkeys(job.compression for image in _images(recipe) for job in jobs_of(image, image.platforms[0]))
    )


def _images(recipe: Recipe) -> Iterator[Image]:
    match recipe:
        case Image():
            yield recipe
        case Index():
            for member in recipe.members:
                yield from _images(member)
        case _:
            return


def _format(recipe: Recipe) -> str:
    match recipe:
        case Image() if recipe.attestations:
            return f"{recipe.format}, with attestations"
        case Index() if any(isinstance(member, Index) for member in recipe.members):
            return f"{recipe.format}, nested"
        case Image() | Index():
            return recipe.format
        case Artifact():
            return "artifact"
        case Attachment():
            return recipe.form


def _layers(layout: Layout, descriptor: Descriptor) -> set[str]:
    """Give the digests of all layers below ``descriptor``."""
    manifest = layout.read_json(str(descriptor["digest"]))
    found = {str(layer["digest"]) for layer in listed(manifest, "layers")}
    return found.union(*(_layers(layout, child) for child in listed(manifest, "manifests")))


def _total(layouts: Sequence[Layout]) -> str:
    blobs: dict[str, Path] = {path.name: path for layout in layouts for path in layout.blobs()}
    size = sum(path.stat().st_size for path in blobs.values())
    return f"{len(layouts)} recipes, {len(blobs)} blobs, {size / _MIB:,.1f} MiB"
