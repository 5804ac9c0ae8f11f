"""Carrying out the plan of a copy: threads, progress, and going on after single failures."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Self, TypeVar

import msgspec

from packhorse.base.errors import IntegrityError, PackhorseError
from packhorse.base.events import Reporter
from packhorse.base.parallel import Crew
from packhorse.base.units import format_bytes, plural
from packhorse.oci.copy_plan import BlobStep, CopyPlan, ManifestStep, Root, TagStep
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource, ContentTarget

__all__ = ["Carrier", "CopyResult", "Destination", "PreparedCopy"]

_Step = TypeVar("_Step")


class Destination(msgspec.Struct, frozen=True):
    """Where a part of the content goes: one repository, or one store."""

    name: str
    """For people, and unique in one copy."""
    target: ContentTarget
    roots: tuple[Root, ...]


@dataclass(frozen=True, slots=True)
class PreparedCopy:
    """A copy that can be shown or carried out."""

    source: ContentSource
    destinations: tuple[Destination, ...]
    plan: CopyPlan
    labels: dict[Digest, str] = field(repr=False)
    """What each blob is called: ``layer 4 of docker.io/library/postgres``."""


class CopyResult(msgspec.Struct, frozen=True):
    """What was done, once all of it was."""

    blobs: int
    blob_bytes: int
    manifests: int
    tags: int
    held_blobs: int
    held_bytes: int


class Carrier:
    """Carries out one plan, once."""

    def __init__(self, prepared: PreparedCopy, workers: int, reporter: Reporter) -> None:
        self._prepared = prepared
        self._workers = workers
        self._reporter = reporter
        self._failures: list[PackhorseError] = []
        self._lacking: set[tuple[int, Digest]] = set()
        self._left_out = 0
        self._lock = threading.Lock()
        self._running = Crew(workers, "copy")

    def run(self) -> CopyResult:
        """Move everything that can be moved.

        Raises:
            PackhorseError: Not everything could be.
        """
        plan = self._prepared.plan
        if plan.blobs:
            self._reporter.phase("Sending", items=len(plan.blobs), total_bytes=plan.blob_bytes)
            self._crew(plan.blobs, self._move_blob)
        if plan.manifests:
            self._reporter.phase("Writing manifests", items=len(plan.manifests))
            for _, level in groupby(plan.manifests, key=lambda step: step.height):
                self._crew(list(level), self._move_manifest)
        if plan.tags:
            self._reporter.phase("Tagging", items=len(plan.tags))
            self._crew(plan.tags, self._tag)
        if self._failures:
            raise self._summary(plan)
        return CopyResult(
            blobs=len(plan.blobs),
            blob_bytes=plan.blob_bytes,
            manifests=len(plan.manifests),
            tags=len(plan.tags),
            held_blobs=plan.held_blobs,
            held_bytes=plan.held_bytes,
        )

    def _crew(self, steps: Sequence[_Step], work: Callable[[_Step], None]) -> None:
        # Failures are gathered where they happen: one step may have several.
        self._running.each(steps, work)

    def _move_blob(self, step: BlobStep) -> None:
        descriptor = step.descriptor
        key, label = descriptor.digest, self._prepared.labels.get(descriptor.digest, descriptor.digest.short)
        self._reporter.started(key, label, total_bytes=descriptor.size)
        source = _CountingSource(self._prepared.source, key, self._reporter, self._running)
        what = f"{label}, {format_bytes(descriptor.size)}"
        failures: list[PackhorseError] = []
        for number in step.destinations:
            if failures and isinstance(failures[0], IntegrityError):
                # The source's bytes are wrong, for one destination as for the next.
                self._lack(number, descriptor.digest)
                continue
            try:
                self._prepared.destinations[number].target.push(descriptor, source)
            except PackhorseError as error:
                failures.append(self._fail(number, descriptor.digest, error, what))
        if failures:
            self._reporter.failed(key, failures[0].message)
        else:
            self._reporter.finished(key)

    def _move_manifest(self, step: ManifestStep) -> None:
        with self._lock:
            lacks = any((step.destination, digest) in self._lacking for digest in step.needs)
        if lacks:
            self._leave_out(step.destination, step.descriptor.digest)
            return
        destination = self._prepared.destinations[step.destination]
        key = f"{destination.name}@{step.descriptor.digest}"
        self._reporter.started(key, f"manifest of {destination.name or step.descriptor.digest.short}")
        try:
            destination.target.push(step.descriptor, self._prepared.source)
        except PackhorseError as error:
            self._reporter.failed(key, error.message)
            self._fail(step.destination, step.descriptor.digest, error, "manifest")
        else:
            self._reporter.finished(key)

    def _tag(self, step: TagStep) -> None:
        with self._lock:
            lacks = (step.destination, step.descriptor.digest) in self._lacking
        if lacks:
            self._leave_out(step.destination, step.descriptor.digest)
            return
        destination = self._prepared.destinations[step.destination]
        key = f"{destination.name}:{step.tag}"
        self._reporter.started(key, key)
        try:
            destination.target.tag(step.descriptor, step.tag)
        except PackhorseError as error:
            self._reporter.failed(key, error.message)
            self._fail(step.destination, step.descriptor.digest, error, f"tag {step.tag}")
        else:
            self._reporter.finished(key)

    def _fail(self, destination: int, digest: Digest, error: PackhorseError, what: str) -> PackhorseError:
        told = type(error)(f"{digest} ({what})\n  {error.message}", hint=error.hint)
        with self._lock:
            self._lacking.add((destination, digest))
            self._failures.append(told)
        return told

    def _lack(self, destination: int, digest: Digest) -> None:
        with self._lock:
            self._lacking.add((destination, digest))

    def _leave_out(self, destination: int, digest: Digest) -> None:
        with self._lock:
            self._left_out += 1
            self._lacking.add((destination, digest))

    def _summary(self, plan: CopyPlan) -> PackhorseError:
        steps = len(plan.blobs) + len(plan.manifests) + len(plan.tags)
        failures = plural(len(self._failures), "failure")
        message = f"Could not copy everything: {failures} in {plural(steps, 'step')}."
        if self._left_out:
            left_out = plural(self._left_out, "manifest or tag", "manifests and tags")
            message += f" Left out, for they need what failed: {left_out}."
        hint = self._failures[0].hint or "run the same command again: what is there is not sent again"
        return PackhorseError.summarise(message, self._failures, hint=hint)


class _CountingSource:
    """Tells a reporter what is read of one blob; what is read again after a failure counts once."""

    def __init__(self, source: ContentSource, key: str, reporter: Reporter, crew: Crew) -> None:
        self._source = source
        self._key = key
        self._reporter = reporter
        self._crew = crew
        self._counted = 0

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        stream = self._source.open(descriptor, offset=offset)
        if self._counted:
            self._reporter.advanced(self._key, -self._counted)
            self._counted = 0
        return _CountingStream(stream, self._advance)

    def _advance(self, count: int) -> None:
        self._crew.check()
        if count:
            self._counted += count
            self._reporter.advanced(self._key, count)


class _CountingStream:
    def __init__(self, stream: BlobStream, advance: Callable[[int], None]) -> None:
        self._stream = stream
        self._advance = advance

    def readinto(self, buffer: memoryview) -> int:
        count = self._stream.readinto(buffer)
        self._advance(count)
        return count

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
