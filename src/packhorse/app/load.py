"""``load``: put bundles, and what other tools saved, into a site's store."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from packhorse.base.errors import ConfigError, UsageError
from packhorse.base.events import Reporter
from packhorse.bundle.reader import Bundle
from packhorse.oci.copy import Destination, PreparedCopy, Root, carry_out, plan_copy
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource
from packhorse.oci.reference import Reference
from packhorse.registry.ports import ImageSource
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.layout_source import LayoutSource
from packhorse.store.open_source import is_file_source, open_files, parse_source

__all__ = ["Cargo", "LoadPlan", "LoadResult", "NoStore", "load", "open_cargo", "plan_load"]


class Cargo(msgspec.Struct, frozen=True):
    """Something to load: where its content is, and the root that all of it hangs on, where it is a bundle."""

    text: str
    source: ImageSource
    bundle_root: Descriptor | None = None

    @property
    def roots(self) -> tuple[Root, ...]:
        """The manifests to copy with everything below them."""
        if self.bundle_root is not None:
            return (Root(self.bundle_root),)
        images = [descriptor for _, descriptor in self.source.images()]
        referrers = [descriptor for _, descriptor, _ in self.source.referrers()]
        return tuple(Root(descriptor) for descriptor in (*images, *referrers))


class LoadPlan(msgspec.Struct, frozen=True):
    """What one cargo brings that the store does not have."""

    cargo: Cargo
    copy: PreparedCopy

    @property
    def names(self) -> tuple[Reference, ...]:
        """The images, by their names."""
        return tuple(reference for reference, _ in self.cargo.source.images())


class LoadResult(msgspec.Struct, frozen=True):
    """What was loaded from one cargo."""

    text: str
    root: Digest | None
    images: tuple[Reference, ...]
    blobs: int
    blob_bytes: int
    held_blobs: int
    held_bytes: int
    seconds: float


def open_cargo(text: str, opened: ExitStack) -> Cargo:
    """Open a bundle, a layout folder, or a file in skopeo's words; ``opened`` closes it.

    Raises:
        UsageError: There is no such thing, or nothing in it has a name.
        ConfigError, IntegrityError: It is not what it should be.
    """
    if not is_file_source(text) and not Path(text).is_dir():
        bundle = opened.enter_context(Bundle.open_file(Path(text)))
        return Cargo(text, bundle, bundle.root)
    files = open_files(parse_source(text)) if is_file_source(text) else _layout(text)
    opened.callback(files.close)
    if next(iter(files.images()), None) is None:
        message = f"{text} holds no image with a full name such as docker.io/library/redis:7.2"
        raise UsageError(message, hint="its images have tags only, so nothing says which repository they are in")
    return Cargo(text, files)


class NoStore:
    """The store before it is made: it has nothing, and takes nothing."""

    def exists(self, descriptor: Descriptor) -> bool:  # noqa: ARG002 - there is nothing, whatever is asked for
        """Say no."""
        return False

    def push(self, descriptor: Descriptor, source: ContentSource) -> None:
        """Refuse: a plan against it is only shown."""
        raise NotImplementedError

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Refuse: a plan against it is only shown."""
        raise NotImplementedError


def plan_load(cargo: Cargo, store: DirectoryStore | NoStore, *, workers: int) -> LoadPlan:
    """See what the store has, and decide what is to be copied.

    Raises:
        IntegrityError: A manifest of the cargo is wrong.
    """
    return LoadPlan(cargo, plan_copy(cargo.source, [Destination("", store, cargo.roots)], workers=workers))


def load(plan: LoadPlan, store: DirectoryStore, *, workers: int, reporter: Reporter) -> LoadResult:
    """Copy what is missing, hashing every byte on its way; then give the names.

    A name is given only when everything below it is there, so whoever reads the store meanwhile sees an image whole or
    not at all. After an interruption, what is there is not copied again.

    Raises:
        IntegrityError: Bytes of the cargo are not what their digests say; what is whole was loaded, without names.
        PackhorseError: The store cannot be written.
    """
    begun = time.monotonic()
    copied = carry_out(plan.copy, workers=workers, reporter=reporter)
    source = plan.cargo.source
    images = dict(source.images())
    for reference, descriptor in images.items():
        store.tag(descriptor, str(reference))
    _attach(store, tuple(source.referrers()))
    if plan.cargo.bundle_root is not None:
        store.add_bundle(plan.cargo.bundle_root)
    store.write_index()
    return LoadResult(
        text=plan.cargo.text,
        root=plan.cargo.bundle_root.digest if plan.cargo.bundle_root is not None else None,
        images=tuple(images),
        blobs=copied.blobs,
        blob_bytes=copied.blob_bytes,
        held_blobs=copied.held_blobs,
        held_bytes=copied.held_bytes,
        seconds=time.monotonic() - begun,
    )


def _attach(store: DirectoryStore, referrers: Sequence[tuple[Digest, Descriptor, str]]) -> None:
    """List each referrer in every repository that has its subject, and what refers to referrers after them."""
    attached: set[tuple[str, Digest, Digest]] = set()
    before = -1
    while before != len(attached):
        before = len(attached)
        for subject, referrer, tag in referrers:
            for repository in store.repositories_with(subject):
                key = (repository, subject, referrer.digest)
                if key not in attached:
                    store.add_referrer(repository, subject, referrer, tag=tag)
                    attached.add(key)


def _layout(path: str) -> LayoutSource:
    try:
        return LayoutSource.at(path)
    except ConfigError as error:
        message = f"{path} is neither a bundle nor an OCI layout"
        raise UsageError(message) from error
