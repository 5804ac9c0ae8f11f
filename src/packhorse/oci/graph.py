"""The graph below a descriptor: walked breadth first, with every manifest verified on the way.

An image index may be *sparse*: of the manifests that it lists, a bundle or a site holds only those for the chosen
platforms. Which ones is said by the annotation :data:`CARRIES` of the descriptor that leads to the index, and holds
for everything below it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.printable import in_one_line
from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Index, Manifest
from packhorse.oci.ports import ContentSource

__all__ = ["CARRIES", "MAX_DEPTH", "Graph", "Node", "carried_by", "read_verified", "walk"]

CARRIES = "dev.packhorse.carries"
"""Annotation of a descriptor: the digests, separated by blanks, of all manifests and indexes below it that are there.
Without it, everything is."""

MAX_DEPTH = 12
"""How many manifests may lead to each other from the root: bundle, package and image take three."""

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Node:
    """A manifest or index with its exact bytes and what they say."""

    descriptor: Descriptor
    content: bytes = field(repr=False)
    parsed: Manifest | Index


class Graph(msgspec.Struct, frozen=True):
    """What :func:`walk` found.

    ``nodes`` has every manifest and index once, breadth first from the roots, in the order in which each lists them.
    ``blobs`` has every config and layer once, in the same order; foreign layers are left out, for no registry has
    them.
    """

    nodes: tuple[Node, ...]
    blobs: tuple[Descriptor, ...]

    def configs(self) -> frozenset[Digest]:
        """The digests that some manifest names as its config."""
        return frozenset(node.parsed.config.digest for node in self.nodes if isinstance(node.parsed, Manifest))


def read_verified(source: ContentSource, descriptor: Descriptor, *, max_bytes: int) -> bytes:
    """Read a small blob whole, and check its size and digest.

    Raises:
        IntegrityError: It claims more than ``max_bytes``, or the source's bytes are not those of the descriptor.
    """
    if not 0 <= descriptor.size <= max_bytes:
        message = f"{descriptor.digest.short} claims {descriptor.size} bytes; at most {max_bytes} are read here"
        raise IntegrityError(message)
    # One byte more than promised shows a source that does not stop where it should.
    buffer = bytearray(descriptor.size + 1)
    filled = 0
    with source.open(descriptor) as stream, memoryview(buffer) as view:
        while filled < len(buffer) and (count := stream.readinto(view[filled : filled + _PIECE])):
            filled += count
    if filled != descriptor.size:
        found = f"{filled} bytes" if filled < descriptor.size else "more"
        message = f"expected {descriptor.size} bytes of {descriptor.digest.short}, the source gave {found}"
        raise IntegrityError(message)
    content = bytes(buffer[:filled])
    if (found_digest := Digest.of(content, descriptor.digest.algorithm)) != descriptor.digest:
        message = f"expected {descriptor.digest}, the bytes hash to {found_digest}"
        raise IntegrityError(message)
    return content


def carried_by(descriptor: Descriptor) -> frozenset[Digest] | None:
    """Read the annotation :data:`CARRIES`; None when there is none.

    Raises:
        IntegrityError: A word in it is not a digest.
    """
    text = descriptor.annotations.get(CARRIES)
    return None if text is None else frozenset(Digest(word) for word in text.split(" ") if word)


def walk(roots: Iterable[Descriptor], read: Callable[[Descriptor], bytes]) -> Graph:
    """Read everything that has successors below ``roots``, and list what it leads to.

    Args:
        roots: Descriptors of manifests or indexes.
        read: Returns the exact bytes of one manifest; it verifies them (:func:`read_verified`).

    Raises:
        IntegrityError: A manifest is not one, claims too much, or stands deeper than :data:`MAX_DEPTH`; or one digest
            is given two sizes.
    """
    return _Walk(read).run(roots)


class _Walk:
    def __init__(self, read: Callable[[Descriptor], bytes]) -> None:
        self._read = read
        self._nodes: dict[Digest, Node] = {}
        self._blobs: dict[Digest, Descriptor] = {}
        self._queue: deque[tuple[Descriptor, frozenset[Digest] | None, int]] = deque()
        self._queued: set[tuple[str, Digest, int, frozenset[Digest] | None]] = set()

    def run(self, roots: Iterable[Descriptor]) -> Graph:
        for root in roots:
            self._enqueue(root, carried_by(root), 1)
        while self._queue:
            self._visit(*self._queue.popleft())
        return Graph(tuple(self._nodes.values()), tuple(self._blobs.values()))

    def _enqueue(self, descriptor: Descriptor, carried: frozenset[Digest] | None, depth: int) -> None:
        # The same index may be reached twice with other platforms: then its children are looked at again.
        if (key := (descriptor.media_type, descriptor.digest, descriptor.size, carried)) not in self._queued:
            self._queued.add(key)
            self._queue.append((descriptor, carried, depth))

    def _visit(self, descriptor: Descriptor, carried: frozenset[Digest] | None, depth: int) -> None:
        if depth > MAX_DEPTH:
            message = f"{descriptor.digest.short} stands {depth} manifests deep; the limit is {MAX_DEPTH}"
            raise IntegrityError(message)
        node = self._node(descriptor)
        for child in manifest.successors(node.parsed):
            if isinstance(node.parsed, Index) and media_types.is_metadata(child.media_type):
                if carried is None or child.digest in carried:
                    below = carried_by(child)
                    self._enqueue(child, carried if below is None else below, depth + 1)
            elif not media_types.is_foreign_layer(child.media_type):
                self._add_blob(child)

    def _node(self, descriptor: Descriptor) -> Node:
        node = self._nodes.get(descriptor.digest)
        if node is None:
            manifest.check_manifest_size(descriptor)
            content = self._read(descriptor)
            where = f"manifest {descriptor.digest.short}"
            node = Node(descriptor.plain(), content, manifest.parse(content, descriptor.media_type, where))
            self._nodes[descriptor.digest] = node
        _check_same_size(node.descriptor, descriptor)
        if node.descriptor.media_type != descriptor.media_type:
            both = f"{in_one_line(node.descriptor.media_type)} and {in_one_line(descriptor.media_type)}"
            message = f"{descriptor.digest.short} is given two types: {both}"
            raise IntegrityError(message)
        return node

    def _add_blob(self, descriptor: Descriptor) -> None:
        known = self._blobs.setdefault(descriptor.digest, descriptor.plain())
        _check_same_size(known, descriptor)


def _check_same_size(known: Descriptor, other: Descriptor) -> None:
    if known.size != other.size:
        message = f"{known.digest.short} is given two sizes: {known.size} and {other.size} bytes"
        raise IntegrityError(message)
