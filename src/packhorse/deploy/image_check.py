"""Whether everything that a cluster would pull came with the package. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packhorse.base.errors import ConfigError
from packhorse.deploy.ports import CarriedImage
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.workloads import image_uses
from packhorse.oci.reference import Reference

__all__ = ["MissingImage", "missing_images"]


@dataclass(frozen=True, slots=True)
class MissingImage:
    """An image that an object asks for and that didn't come with the package."""

    image: str
    wanted_by: ObjectIdentity
    field: str
    """Path in the object."""


def missing_images(found: Iterable[KubeObject], carried: Sequence[CarriedImage]) -> tuple[MissingImage, ...]:
    """Return every image that the objects ask for and that is not carried, each once, in the objects' order.

    A reference by digest is carried when the repository has an image of this digest, whatever its tag.
    """
    names = {image.name for image in carried}
    pinned = {(_repository(image.name), digest) for image in carried for digest in image.digests}
    missing: dict[str, MissingImage] = {}
    for obj in found:
        for use in image_uses(obj):
            if use.image not in missing and not _is_carried(use.image, names, pinned):
                missing[use.image] = MissingImage(use.image, ObjectIdentity.of(obj), use.field)
    return tuple(missing.values())


def _is_carried(image: str, names: set[str], pinned: set[tuple[str, str]]) -> bool:
    try:
        reference = Reference.parse(image)
    except ConfigError:
        return False
    if reference.digest is not None:
        return (reference.name, str(reference.digest)) in pinned
    return str(reference) in names


def _repository(name: str) -> str:
    return Reference.parse(name).name
