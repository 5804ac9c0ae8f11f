"""What is told of an image that is asked for and is not here: which known package has it by its lock."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from packhorse.base.errors import PackhorseError
from packhorse.bundle import content
from packhorse.bundle.reader import Bundle
from packhorse.oci import graph, manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import carried_by
from packhorse.oci.model import Descriptor, Index, Manifest, decode_json
from packhorse.oci.ports import ContentSource
from packhorse.oci.reference import Reference

__all__ = ["Known", "KnownImages", "known_of_bundle", "known_of_store"]

_MAX_CONFIG_BYTES = 32 * 1024 * 1024


class Known(NamedTuple):
    """An image that a package names."""

    reference: Reference
    descriptor: Descriptor
    package: str
    """``shop 1.4.0``, for people."""
    source: ContentSource


class KnownImages:
    """Says of what is not here where it would be. Used by many threads; changes nothing."""

    def __init__(self, find: Callable[[], Iterable[Known]]) -> None:
        """Make it; ``find`` is called when the first image is missed, so that a start does not wait for it."""
        self._find = find

    def tell(self, name: str, target: str) -> str | None:
        """Return a sentence about a tag or digest of a repository; None when no known package names it.

        Args:
            name: The repository, with its registry.
            target: A tag or a digest that it does not have here.
        """
        for each in self._by_name.get(name, ()):
            if target in (each.reference.tag, each.descriptor.digest):
                return f"package {each.package} has it by its lock: load its bundle, or serve it here"
            if ":" in target and self._leaves_out(each, target):
                return f"package {each.package} carries {each.reference} without it: it is of another platform"
        return None

    def users(self, name: str, digest: Digest) -> Sequence[str]:
        """Return the packages that name a manifest of a repository, or an index that it is carried by, each once."""
        found = [
            each.package
            for each in self._by_name.get(name, ())
            if digest == each.descriptor.digest or digest in (carried_by(each.descriptor) or ())
        ]
        return sorted(set(found))

    @cached_property
    def _by_name(self) -> dict[str, list[Known]]:
        found: dict[str, list[Known]] = {}
        for each in self._find():
            found.setdefault(each.reference.name, []).append(each)
        return found

    def _leaves_out(self, known: Known, target: str) -> bool:
        """Whether an image's index lists a manifest that its package does not carry."""
        carried = carried_by(known.descriptor)
        if carried is None or target in carried or not media_types.is_index(known.descriptor.media_type):
            return False
        try:
            index = _read(known.source, known.descriptor)
        except PackhorseError:
            return False
        return isinstance(index, Index) and any(child.digest == target for child in index.manifests)


def known_of_bundle(bundle: Bundle) -> Iterator[Known]:
    """Yield what the packages of an open bundle name."""
    for package in bundle.packages:
        entries = [*package.entries("image"), *package.entries("artifact")]
        yield from _known(entries, f"{package.name} {package.version} ({bundle.path.name})", bundle)


def known_of_store(store: ContentSource, roots: Sequence[Descriptor]) -> Iterator[Known]:
    """Yield what the packages of the bundles name that were loaded into a store; what cannot be read is left out."""
    for root in roots:
        try:
            index = _read(store, root)
            packages = [_read(store, each) for each in index.manifests] if isinstance(index, Index) else []
        except PackhorseError:
            continue
        for package in packages:
            if isinstance(package, Index):
                yield from _known(_entries(package), _title(store, package), store)


def _known(entries: Iterable[Descriptor], package: str, source: ContentSource) -> Iterator[Known]:
    for entry in entries:
        yield Known(Reference.parse(entry.annotations[content.NAME]), entry, package, source)


def _entries(package: Index) -> Iterator[Descriptor]:
    return (each for each in package.manifests if each.annotations.get(content.KIND) in {"image", "artifact"})


def _title(store: ContentSource, package: Index) -> str:
    for entry in package.manifests:
        if entry.annotations.get(content.KIND) != "definition":
            continue
        try:
            definition = _read(store, entry)
            if isinstance(definition, Manifest):
                raw = graph.read_verified(store, definition.config, max_bytes=_MAX_CONFIG_BYTES)
                metadata = decode_json(raw, content.PackageConfig, "a package").definition.metadata
                return f"{metadata.name} {metadata.version}"
        except PackhorseError:
            break
    return "that was loaded once"


def _read(source: ContentSource, descriptor: Descriptor) -> Manifest | Index:
    raw = graph.read_verified(source, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)
    return manifest.parse(raw, descriptor.media_type, str(Digest(descriptor.digest).short))
