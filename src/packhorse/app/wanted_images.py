"""Which images a package wants: those that were found, and those that its author lists."""

import fnmatch
from collections.abc import Iterable, Sequence

import msgspec

from packhorse.app.image_lock import WantedImage
from packhorse.app.lock_finds import FoundImage
from packhorse.base.errors import ConfigError
from packhorse.oci.reference import Reference
from packhorse.package.lock import Certainty, Found
from packhorse.package.model import ImageEntry, Package
from packhorse.package.placeholders import unset_variables

__all__ = ["Wanted", "best_certainty", "check_strict", "described", "wanted_images"]

_ORDER: tuple[Certainty, ...] = ("exact", "declared", "likely")
_DEFINITION = "packhorse.yaml"


class Wanted(msgspec.Struct, frozen=True):
    """What a package wants.

    Attributes:
        images: Sorted by name.
        unused: Images that are listed, and that nothing in the package asks for.
        passed_over: References that look like images, and depend on variables that have no default.
    """

    images: tuple[WantedImage, ...]
    unused: tuple[str, ...] = ()
    passed_over: tuple[FoundImage, ...] = ()


class _Listed(msgspec.Struct, frozen=True):
    entry: ImageEntry
    component: str
    found: Found


def wanted_images(package: Package, finds: Sequence[FoundImage], *, has_objects: bool) -> Wanted:
    """Put together what was found and what is listed.

    Args:
        has_objects: Whether the package has anything that could use an image; without, no image is unused.

    Raises:
        ConfigError: A reference is none, or depends on a variable without a default; or two components list one image
            with different sources or platforms. All such places are listed.
    """
    failures: list[ConfigError] = []
    passed_over: list[FoundImage] = []
    places: dict[Reference, list[Found]] = {}
    for find in finds:
        if _is_ignored(find.reference, package.discovery.ignore):
            continue
        unset = unset_variables(find.reference)
        if unset and find.found.certainty == "likely":
            passed_over.append(find)
            continue
        try:
            places.setdefault(_parsed(find, unset), []).append(find.found)
        except ConfigError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ConfigError.summarise(f"{len(failures)} images can't be locked.", failures)
    found = frozenset(places)
    listed = _listed(package)
    for reference, entries in listed.items():
        places.setdefault(reference, []).extend(one.found for one in entries)
    images = [_image(package, reference, places[reference], listed.get(reference, [])) for reference in places]
    unused = sorted(str(reference) for reference in listed if reference not in found) if has_objects else []
    return Wanted(tuple(sorted(images, key=lambda image: image.name)), tuple(unused), tuple(passed_over))


def best_certainty(found: Iterable[Found]) -> Certainty:
    """Return the surest of several finds."""
    return min((one.certainty for one in found), key=_ORDER.index, default="declared")


def check_strict(images: Iterable[WantedImage]) -> None:
    """Refuse images that only look like some.

    Raises:
        ConfigError: All finds of an image are ``likely``; it is not listed and not ignored.
    """
    doubtful = [image for image in images if best_certainty(image.found) == "likely"]
    if doubtful:
        failures = [ConfigError(f"likely  {image.name}  {described(image.found[0])}") for image in doubtful]
        count = "1 image is" if len(doubtful) == 1 else f"{len(doubtful)} images are"
        raise ConfigError(
            f"{count} only likely, and --strict wants to be sure.",
            failures=failures,
            hint="list each under images of its component, or add it to discovery.ignore in packhorse.yaml",
        )


def described(found: Found) -> str:
    """Say where something was found: ``charts/shop/templates/cr.yaml: Backup/nightly spec.agent.image``."""
    of_values = f" (with the values {found.values})" if found.values else ""
    inside = " ".join(part for part in (found.object, found.field) if part)
    return f"{found.file}: {inside}{of_values}" if inside else f"{found.file}{of_values}"


def _parsed(find: FoundImage, unset: tuple[str, ...]) -> Reference:
    where = described(find.found)
    if unset:
        names = ", ".join(unset)
        raise ConfigError(
            f"{where}: the image depends on {names}, which has no default, so that nobody can know its digest",
            hint=f"give {names} a default in packhorse.yaml",
        )
    try:
        return Reference.parse(find.reference)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from error


def _is_ignored(reference: str, patterns: Sequence[str]) -> bool:
    try:
        names = {reference, str(Reference.parse(reference))}
    except ConfigError:
        names = {reference}
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _listed(package: Package) -> dict[Reference, list[_Listed]]:
    found: dict[Reference, list[_Listed]] = {}
    for index, component in enumerate(package.components):
        for number, item in enumerate(component.images):
            entry = ImageEntry(name=item) if isinstance(item, str) else item
            field = f"components[{index}].images[{number}]"
            try:
                reference = Reference.parse(entry.name)
            except ConfigError as error:
                raise ConfigError(f"{_DEFINITION}: {field}: {error.message}", hint=error.hint) from error
            place = Found(certainty="declared", component=component.name, file=_DEFINITION, field=field)
            found.setdefault(reference, []).append(_Listed(entry, component.name, place))
    return found


def _image(package: Package, reference: Reference, places: Sequence[Found], listed: Sequence[_Listed]) -> WantedImage:
    sources = {one.entry.source or "" for one in listed}
    own_platforms = {one.entry.platforms for one in listed}
    if len(sources) > 1 or len(own_platforms) > 1:
        where = " and ".join(one.found.field for one in listed)
        raise ConfigError(f"{_DEFINITION}: {where} list {reference} with different sources or platforms")
    platforms = next(iter(own_platforms), None) or package.platforms
    return WantedImage(
        reference=reference,
        platforms=tuple(sorted(set(platforms))),
        source=next(iter(sources), ""),
        components=tuple(sorted({place.component for place in places})),
        found=tuple(sorted(set(places), key=_place_order)),
    )


def _place_order(place: Found) -> tuple[str, ...]:
    return (place.component, place.file, place.object, place.field, place.values)
