"""``lock``: every reference of a package, listed or found, resolved to a digest.

What the lock has already stays as it is: a reference is asked for again only when it is new, or when that is wanted.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from packhorse.app.image_lock import WantedImage
from packhorse.app.lock_finds import Discovered, Discovery, FoundImage
from packhorse.app.lock_resolver import Registries, Resolver, wanted_artifacts
from packhorse.app.package_folder import PackageFolder
from packhorse.app.wanted_images import best_certainty, check_strict, wanted_images
from packhorse.base.errors import ConfigError, UsageError
from packhorse.base.events import Reporter
from packhorse.base.spelling import nearest
from packhorse.base.unfinished import forget_unfinished, new_file, sync_file
from packhorse.oci.digest import Digest
from packhorse.oci.reference import Reference
from packhorse.package.lock import Certainty, Found, Lock, LockedFile, LockedPackage
from packhorse.package.model import Package

__all__ = ["LockInput", "LockResult", "lock_package", "locked_files", "write_lock"]


@dataclass(frozen=True)
class LockInput:
    """What is locked, and how.

    Attributes:
        known: The lock as it was.
        update: Names and shell patterns of what is resolved again though the lock has it.
        workers: How many images are resolved at a time.
    """

    folder: PackageFolder
    definition: Digest
    package: Package
    known: Lock | None = None
    update: tuple[str, ...] = ()
    strict: bool = False
    workers: int = 4


@dataclass(frozen=True, slots=True)
class LockResult:
    """What locking came to.

    Attributes:
        certainties: How many images were found, by the surest find of each.
        likely: The images that only look like some, with the place.
        unused: Images that are listed, and that nothing asks for.
        missing: Images of one platform, with the wanted platforms that they have nothing for.
        passed_over: What looks like images, and depends on variables without a default.
        resolved: How many images were asked for in this run; the others were kept.
        blobs: How many blobs those have, each counted once.
        total_bytes: Of those blobs.
    """

    lock: Lock
    discovered: Discovered = field(repr=False)
    certainties: dict[Certainty, int]
    likely: tuple[tuple[str, Found], ...] = ()
    unused: tuple[str, ...] = ()
    missing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    passed_over: tuple[FoundImage, ...] = ()
    resolved: int = 0
    blobs: int = 0
    total_bytes: int = 0


def lock_package(what: LockInput, discovery: Discovery, registries: Registries, reporter: Reporter) -> LockResult:
    """Make the lock of a package; nothing is written.

    Raises:
        ConfigError: The package is wrong, or its images can't be known; with ``strict`` also when some only look like
            images.
        UsageError: A name to update is in the package nowhere.
        PackhorseError: Some references could not be resolved; all failures are listed.
    """
    known = _without_updated(what)
    discovered = discovery.run(known, reporter)
    has_objects = bool(discovered.values_sets or discovered.objects)
    wanted = wanted_images(what.package, discovered.finds, has_objects=has_objects)
    if what.strict:
        check_strict(wanted.images)
    _check_updates(what, wanted.images)
    resolver = Resolver(registries, known, reporter, what.workers)
    lock = Lock(
        api_version="packhorse.dev/v1alpha1",
        kind="Lock",
        package=LockedPackage(
            name=what.package.metadata.name,
            version=what.package.metadata.version,
            digest=what.definition,
        ),
        platforms=tuple(sorted(set(what.package.platforms))),
        images=resolver.images(wanted.images),
        charts=discovered.charts,
        kustomizations=discovered.renderings,
        files=locked_files(what.folder, what.package),
        git=resolver.git(what.package),
        artifacts=resolver.artifacts(what.package),
    )
    certainties: dict[Certainty, int] = {"exact": 0, "declared": 0, "likely": 0}
    for image in wanted.images:
        certainties[best_certainty(image.found)] += 1
    return LockResult(
        lock=lock,
        discovered=discovered,
        certainties=certainties,
        likely=tuple((i.name, i.found[0]) for i in wanted.images if best_certainty(i.found) == "likely"),
        unused=wanted.unused,
        missing=tuple(sorted(resolver.missing.items())),
        passed_over=wanted.passed_over,
        resolved=resolver.resolved,
        blobs=len(resolver.blobs),
        total_bytes=sum(resolver.blobs.values()),
    )


def locked_files(folder: PackageFolder, package: Package) -> tuple[LockedFile, ...]:
    """Hash every file of the folder that the bundle carries: values, manifests, and files for nodes.

    Raises:
        ConfigError: One is missing, is no file, or lies elsewhere.
    """
    found: dict[str, LockedFile] = {}
    for component in package.components:
        of = f"of component {component.name}"
        paths = [(path, f"values of chart {c.name} {of}") for c in component.charts for path in c.values]
        paths += [
            (path, f"values {name} of chart {chart.name} {of}")
            for chart in component.charts
            for name, files in chart.values_sets.items()
            for path in files
        ]
        paths += [(path, f"manifest {entry.name} {of}") for entry in component.manifests for path in entry.files]
        paths += [(entry.source, f"file {entry.target} {of}") for entry in component.files]
        for path, named in paths:
            if path not in found:
                found[path] = folder.locked(path, named)
    return tuple(sorted({file.path: file for file in found.values()}.values(), key=lambda file: file.path))


def write_lock(path: Path, text: str) -> bool:
    """Write the lock file whole or not at all; False when it says the same already, and is left alone.

    Either way it outlasts a power failure.

    Raises:
        ConfigError: It can't be written.
    """
    content = text.encode()
    try:
        if path.is_file() and path.read_bytes() == content:
            forget_unfinished(path)
            sync_file(path)
            return False
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        with new_file(path, mode) as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    return True


def _without_updated(what: LockInput) -> Lock | None:
    """The lock as it was, without what shall be resolved again."""
    known = what.known
    if known is None or not what.update:
        return known
    return msgspec.structs.replace(
        known,
        images=tuple(one for one in known.images if not _is_named(one.name, what.update)),
        charts=tuple(one for one in known.charts if not _is_named(one.name, what.update)),
        git=tuple(one for one in known.git if not _is_named(one.name, what.update)),
        artifacts=tuple(one for one in known.artifacts if not _is_named(one.name, what.update)),
    )


def _check_updates(what: LockInput, images: Sequence[WantedImage]) -> None:
    names = {image.name for image in images} | {str(reference) for reference, _, _ in wanted_artifacts(what.package)}
    for component in what.package.components:
        names |= {chart.name for chart in component.charts} | {repository.name for repository in component.git}
    for pattern in what.update:
        if not any(_is_named(name, (pattern,)) for name in names):
            near = nearest(pattern, names)
            hint = f"did you mean {near}?" if near is not None else "packhorse.lock has the names"
            raise UsageError(f"--update {pattern} names no image, chart, artifact or repository here", hint=hint)


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) or name == _full(pattern) for pattern in patterns)


def _full(pattern: str) -> str:
    try:
        return str(Reference.parse(pattern))
    except ConfigError:
        return pattern
