"""``push``: copy the images of a bundle, a store or a layout into a registry, and nothing that is there already."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import msgspec

from packhorse.app.push_names import NamedRoot, PushTarget, name_images
from packhorse.base.errors import ConfigError, PackhorseError
from packhorse.base.events import Reporter
from packhorse.bundle.reader import Bundle
from packhorse.oci import media_types
from packhorse.oci.copy import CopyResult, Destination, PreparedCopy, Root, carry_out, plan_copy
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.graph import carried_by, read_verified, walk
from packhorse.oci.manifest import MAX_MANIFEST_BYTES, parse, successors
from packhorse.oci.model import Descriptor, Index
from packhorse.oci.ports import BlobStream, ContentSource
from packhorse.oci.reference import Reference
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.layout_source import LayoutSource
from packhorse.store.open_source import is_file_source, open_files, parse_source
from packhorse.store.store_folder import is_store

__all__ = ["PushPlan", "PushResult", "PushSource", "open_source", "plan_push", "push"]

_SPARSE_HINT = (
    "this registry wants everything that an index lists: push with --unwrap-indexes, or lock all platforms of the image"
)


class PushSource(ContentSource, Protocol):
    """Images with their names, and what refers to them."""

    def images(self) -> Iterable[tuple[Reference, Descriptor]]:
        """Yield each name with its manifest; a sparse index with what is there of it (``graph.CARRIES``)."""

    def referrers_to(self, name: str, subject: Digest) -> Iterable[tuple[Descriptor, str]]:
        """Yield what refers to a manifest of a repository, each with its tag or an empty string."""


class PushPlan(msgspec.Struct, frozen=True):
    """What a push would do: the copy, and the names that images have now and will have."""

    copy: PreparedCopy
    names: tuple[tuple[Reference, str], ...]
    seconds: float
    """What it took to make the plan."""

    @property
    def lost_pins(self) -> tuple[Reference, ...]:
        """Names with a digest that the registry will not have, for another manifest goes there in its place."""
        return tuple(
            reference
            for reference, name in self.names
            if reference.digest is not None and not name.endswith(f"@{reference.digest}")
        )


class PushResult(msgspec.Struct, frozen=True):
    """What a push did."""

    copied: CopyResult
    seconds: float
    """With the making of the plan."""


def push(plan: PushPlan, *, workers: int, reporter: Reporter) -> PushResult:
    """Carry out a plan.

    Raises:
        PackhorseError: Some of it could not be pushed; the rest was. All failures are in it.
    """
    begun = time.monotonic()
    try:
        copied = carry_out(plan.copy, workers=workers, reporter=reporter)
    except PackhorseError as error:
        if _refuses_sparse(plan, error):
            raise type(error)(error.message, hint=_SPARSE_HINT, failures=error.failures) from error
        raise
    return PushResult(copied, plan.seconds + time.monotonic() - begun)


def plan_push(
    source: PushSource, target: PushTarget, client: RegistryClient, *, workers: int, unwrap: bool = False
) -> PushPlan:
    """See what the registry has, and decide what goes there.

    Args:
        source: What is pushed.
        target: Where to.
        client: Used to ask, and later to send.
        workers: How many questions are asked at a time.
        unwrap: Push the one image that is there in place of an index that is not whole.

    Raises:
        UsageError: Two images would become one.
        ConfigError: Nothing in the source has a name to push it under.
        IntegrityError: A manifest of the source is wrong.
        NetworkError, RegistryError: The registry can't be asked.
    """
    begun = time.monotonic()
    images = [(reference, _unwrapped(source, entry) if unwrap else entry) for reference, entry in source.images()]
    if not images:
        raise ConfigError("there is no image with a full name, such as docker.io/library/redis:7.2, to push")
    named = name_images(images, target)
    destinations = [
        Destination(name, client.repository(name, direct=True), tuple(_with_referrers(source, roots)))
        for name, roots in named.items()
    ]
    prepared = plan_copy(source, destinations, workers=workers)
    names = tuple((reference, target.name(_as_pushed(reference, entry))) for reference, entry in images)
    return PushPlan(prepared, names, time.monotonic() - begun)


def open_source(text: str, opened: ExitStack) -> PushSource:
    """Open a bundle, a store, a layout or an archive (``oci:``, ``oci-archive:``, ``docker-archive:``).

    Args:
        text: As on the command line.
        opened: Closes it.

    Raises:
        UsageError: There is no such thing.
        ConfigError, IntegrityError: It is not what it should be.
    """
    path = Path(text)
    if is_file_source(text):
        files = open_files(parse_source(text))
        opened.callback(files.close)
        return _Listed(files)
    if is_store(path):
        store = DirectoryStore.open_existing(path)
        opened.callback(store.close)
        return _Stored(store)
    if path.is_dir():
        layout = LayoutSource.at(text)
        opened.callback(layout.close)
        return _Listed(layout)
    return _Listed(opened.enter_context(Bundle.open_file(path)))


class _ListingSource(ContentSource, Protocol):
    def images(self) -> Iterable[tuple[Reference, Descriptor]]: ...
    def referrers(self) -> Iterable[tuple[Digest, Descriptor, str]]: ...


class _Listed:
    """A source that lists all its referrers."""

    def __init__(self, source: _ListingSource) -> None:
        self._source = source
        self.images = source.images
        self._referrers: dict[Digest, list[tuple[Descriptor, str]]] = defaultdict(list)
        for subject, referrer, tag in source.referrers():
            self._referrers[subject].append((referrer, tag))

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        return self._source.open(descriptor, offset=offset)

    def referrers_to(self, name: str, subject: Digest) -> Iterable[tuple[Descriptor, str]]:  # noqa: ARG002  see PushSource
        return self._referrers.get(subject, ())


class _Stored:
    """A store: referrers are known by repository, and their tags are names like any other."""

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store
        self.images = store.images

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        return self._store.open(descriptor, offset=offset)

    def referrers_to(self, name: str, subject: Digest) -> Iterable[tuple[Descriptor, str]]:
        return ((referrer, "") for referrer in self._store.referrers(name, subject))


def _with_referrers(source: PushSource, roots: Iterable[NamedRoot]) -> Iterator[Root]:
    """Yield the images, and everything that refers to them, to parts of them, or to what refers to them."""

    def read(descriptor: Descriptor) -> bytes:
        return read_verified(source, descriptor, max_bytes=MAX_MANIFEST_BYTES)

    for named in roots:
        seen: set[Digest] = set()
        waiting = [named.root]
        while waiting:
            root = waiting.pop(0)
            yield root
            for node in walk([root.descriptor], read).nodes:
                if node.descriptor.digest in seen:
                    continue
                seen.add(node.descriptor.digest)
                for referrer, tag in source.referrers_to(named.upstream, node.descriptor.digest):
                    waiting.append(Root(referrer, (tag,) if tag else ()))


def _unwrapped(source: ContentSource, descriptor: Descriptor) -> Descriptor:
    """Return the one image manifest that is there below a sparse index; the index itself where it is not so."""
    carried = carried_by(descriptor)
    if carried is None or not media_types.is_index(descriptor.media_type):
        return descriptor
    content = read_verified(source, descriptor, max_bytes=MAX_MANIFEST_BYTES)
    node = parse(content, descriptor.media_type, f"index {descriptor.digest.short}")
    there = [child for child in successors(node) if child.digest in carried] if isinstance(node, Index) else []
    whole = isinstance(node, Index) and len(there) == len(node.manifests)
    images = [child for child in there if media_types.is_manifest(child.media_type) and child.platform is not None]
    real = [child for child in images if child.platform is not None and child.platform.os != "unknown"]
    return descriptor if whole or len(real) != 1 else real[0].plain()


def _as_pushed(reference: Reference, entry: Descriptor) -> Reference:
    """Return a name with the digest that goes to the registry, which is another one when an index was unwrapped."""
    if reference.digest in (None, entry.digest):
        return reference
    return Reference(reference.registry, reference.repository, reference.tag, entry.digest)


def _refuses_sparse(plan: PushPlan, error: PackhorseError) -> bool:
    """Whether the registry refused an index of which not everything is there, for what it lists."""
    sparse = [
        root.descriptor.digest
        for destination in plan.copy.destinations
        for root in destination.roots
        if carried_by(root.descriptor) is not None
    ]
    return any(
        failure.message.startswith(digest) and "MANIFEST" in failure.message
        for failure in error.failures
        for digest in sparse
    )
