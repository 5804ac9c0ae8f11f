"""The recipes, in sets that are made together. A new image is a few lines here."""

from corpus.model import Image
from corpus.sets import bench, demo, shop

__all__ = ["SETS"]

SETS: dict[str, tuple[Image, ...]] = {
    "bench": bench.IMAGES,
    "demo": demo.IMAGES,
    "shop": shop.IMAGES,
    "shop-1.1": shop.IMAGES_1_1,
}
