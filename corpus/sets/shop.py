"""x."""

IMAGES = ()
IMAGES_1_1 = ()
