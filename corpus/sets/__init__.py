"""The recipes, in sets that are made together. A new image is a few lines here."""

from corpus.model import Image
from corpus.sets import demo

__all__ = ["SETS"]

SETS: dict[str, tuple[Image, ...]] = {"demo": demo.IMAGES}
