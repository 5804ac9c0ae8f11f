"""Resolving what a lock is made of: images and artifacts to digests, git refs to commits; several at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from packhorse.app.image_lock import WantedImage, resolve_artifact, resolve_image
from packhorse.app.image_sources import FilePlace, ImagePlace, OpenFile, RegistryPlace, RegistrySource
from packhorse.base.errors import PackhorseError
from packhorse.base.events import Reporter
from packhorse.base.parallel import Crew
from packhorse.oci.digest import Digest
from packhorse.oci.reference import Reference
from packhorse.package.lock import Found, Lock, LockedArtifact, LockedGit, LockedImage
from packhorse.package.model import ArtifactEntry, Package

__all__ = ["GitResolver", "Registries", "Resolver", "is_kept", "wanted_artifacts"]


class GitResolver(Protocol):
    """Asks git repositories: :class:`packhorse.app.git_sources.GitSources`."""

    def commit(self, source: str, ref: str) -> str:
        """Return the commit that a ref of a repository stands for.

        Raises:
            ConfigError: There is no such ref.
            NetworkError: The repository can't be reached.
        """


class Registries(msgspec.Struct, frozen=True):
    """Where content is resolved."""

    repository: Callable[[Reference], RegistrySource]
    file: OpenFile
    git: GitResolver


class Resolver:
    """One run over everything that a lock lists.

    Args:
        known: The lock as it was, without what is to be resolved again.
        workers: How many images are resolved at a time.
    """

    def __init__(self, registries: Registries, known: Lock | None, reporter: Reporter, workers: int) -> None:
        self.resolved = 0
        """How many images were asked for."""
        self.blobs: dict[Digest, int] = {}
        """The sizes of all blobs of those images."""
        self.missing: dict[str, tuple[str, ...]] = {}
        """Images of one platform, with the wanted platforms that they have nothing for."""
        self._registries = registries
        self._known = known
        self._reporter = reporter
        self._workers = workers
        self._guard = threading.Lock()

    def images(self, wanted: Sequence[WantedImage]) -> tuple[LockedImage, ...]:
        """Resolve images; those that the lock has are taken from it.

        Raises:
            PackhorseError: Some could not be resolved; all of them are listed.
        """
        known = {image.name: image for image in (self._known.images if self._known is not None else ())}
        done = {
            image.name: msgspec.structs.replace(before, components=image.components, found=image.found)
            for image in wanted
            if (before := known.get(image.name)) is not None and is_kept(image, before)
        }
        asked = [image for image in wanted if image.name not in done]

        def resolve(image: WantedImage) -> None:
            before = known.get(image.name)
            pinned = before.digest if before is not None and before.source == image.source else None
            locked = self._resolve(image, pinned)
            with self._guard:
                done[image.name] = locked

        if asked:
            self._reporter.phase("Resolving images", items=len(asked))
        failed = Crew(self._workers, "resolve").each(asked, resolve)
        if failed:
            message = f"Could not resolve {len(failed)} of {len(wanted)} images."
            raise PackhorseError.summarise(message, [_named(image, error) for image, error in failed])
        return tuple(done[image.name] for image in wanted)

    def artifacts(self, package: Package) -> tuple[LockedArtifact, ...]:
        """Resolve the OCI artifacts of a package.

        Raises:
            PackhorseError: One could not be resolved.
        """
        known = {one.name: one for one in (self._known.artifacts if self._known is not None else ())}
        found = []
        for reference, source, components in wanted_artifacts(package):
            before = known.get(str(reference))
            if before is not None and not source and not before.source:
                found.append(msgspec.structs.replace(before, components=components))
                continue
            try:
                with self._place(reference, source) as place:
                    locked = resolve_artifact(reference, place, source=source, components=components)
            except PackhorseError as error:
                raise type(error)(f"artifact {reference}: {error.message}", hint=error.hint) from error
            found.append(locked)
        return tuple(found)

    def git(self, package: Package) -> tuple[LockedGit, ...]:
        """Resolve the git repositories of a package.

        Raises:
            ConfigError, NetworkError: One could not be resolved.
        """
        known = {(one.component, one.name): one for one in (self._known.git if self._known is not None else ())}
        found = []
        for component in package.components:
            for entry in component.git:
                before = known.get((component.name, entry.name))
                is_same = before is not None and (before.source, before.ref) == (entry.source, entry.ref)
                commit = before.commit if before is not None and is_same else ""
                locked = LockedGit(
                    component=component.name,
                    name=entry.name,
                    source=entry.source,
                    ref=entry.ref,
                    commit=commit or self._registries.git.commit(entry.source, entry.ref),
                )
                found.append(locked)
        return tuple(sorted(found, key=lambda one: (one.name, one.component)))

    def _resolve(self, image: WantedImage, pinned: Digest | None) -> LockedImage:
        self._reporter.started(image.name, image.name)
        try:
            with self._place(image.reference, image.source) as place:
                resolved = resolve_image(image, place, pinned)
        except PackhorseError as error:
            self._reporter.failed(image.name, error.message)
            raise
        self._reporter.finished(image.name)
        with self._guard:
            self.resolved += 1
            self.blobs.update(resolved.blobs)
            if resolved.missing:
                self.missing[image.name] = resolved.missing
        return resolved.image

    @contextmanager
    def _place(self, reference: Reference, source: str) -> Iterator[ImagePlace]:
        if not source:
            yield RegistryPlace(self._registries.repository(reference), reference)
            return
        files, found = self._registries.file(source)
        try:
            yield FilePlace(files, found)
        finally:
            files.close()


def is_kept(wanted: WantedImage, before: LockedImage) -> bool:
    """Whether an image's entry in the lock says all that is wanted now, so that nobody needs to be asked.

    What lies in a file is always looked at: that costs nothing, and the file may have changed.
    """
    if wanted.source or before.source:
        return False
    if set(before.platforms) == set(wanted.platforms):
        return True
    # An image that is one manifest has what it has; an index of artifacts has no platforms.
    return (not before.manifests and set(before.platforms) <= set(wanted.platforms)) or not before.platforms


def wanted_artifacts(package: Package) -> list[tuple[Reference, str, tuple[str, ...]]]:
    """List the OCI artifacts of a package, sorted by name: reference, source, components."""
    components: dict[tuple[Reference, str], set[str]] = {}
    for component in package.components:
        for item in component.artifacts:
            entry = ArtifactEntry(name=item) if isinstance(item, str) else item
            components.setdefault((Reference.parse(entry.name), entry.source or ""), set()).add(component.name)
    listed = [(reference, source, tuple(sorted(names))) for (reference, source), names in components.items()]
    return sorted(listed, key=lambda one: (str(one[0]), one[1]))


def _named(image: WantedImage, error: PackhorseError) -> PackhorseError:
    hint = error.hint
    if image.found and all(found.certainty == "likely" for found in image.found):
        hint = f"if this is no image, add {image.name} to discovery.ignore in packhorse.yaml"
    where = _place_of(image.found)
    return type(error)(f"{image.name}{where}: {error.message}", hint=hint, failures=error.failures)


def _place_of(found: Sequence[Found]) -> str:
    if not found:
        return ""
    first = found[0]
    return f" ({' '.join(part for part in (f'{first.file}:', first.object, first.field) if part)})"
