"""The recipes, in sets that are made together. A new image is a few lines here."""

from corpus.model import Image, Recipe
from corpus.sets import demo, edge, kustomize, library, operator, platform, series, shapes, shop

__all__ = ["SETS", "images_of"]

SETS: dict[str, tuple[Recipe, ...]] = {
    "demo": demo.IMAGES,
    "edge": edge.IMAGES,
    "kustomize": kustomize.IMAGES,
    "library": library.IMAGES,
    "operator": operator.IMAGES,
    "platform": platform.IMAGES,
    "series": series.IMAGES,
    "shapes": shapes.IMAGES,
    "shop": shop.IMAGES,
    "shop-1.1": shop.IMAGES_1_1,
}


def images_of(name: str) -> tuple[Image, ...]:
    """Give the recipes of a set that are plain images."""
    return tuple(recipe for recipe in SETS[name] if isinstance(recipe, Image))
