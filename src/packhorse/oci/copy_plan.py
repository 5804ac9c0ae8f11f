"""What a copy would move: decided from what is wanted and what is there, without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph, Node
from packhorse.oci.model import Descriptor, Manifest

__all__ = ["BlobStep", "CopyPlan", "Held", "ManifestStep", "Root", "TagStep", "blobs_below", "decide"]


class Root(msgspec.Struct, frozen=True):
    """A manifest that is wanted with everything below it (as ``graph.CARRIES`` has it), and its tags."""

    descriptor: Descriptor
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What a destination has already: digests that were seen there, and what its tags stand for."""

    digests: frozenset[Digest] = frozenset()
    tags: Mapping[str, Digest] = field(default_factory=dict)


class BlobStep(msgspec.Struct, frozen=True):
    """A blob with the destinations, by number, that want it. The first of one registry is sent, the rest are mounts."""

    descriptor: Descriptor
    destinations: tuple[int, ...]


class ManifestStep(msgspec.Struct, frozen=True):
    """A manifest for one destination; ``needs`` must be there before it."""

    descriptor: Descriptor
    destination: int
    height: int
    """0 for what leads to no other manifest; steps of one height do not depend on each other."""
    needs: tuple[Digest, ...]


class TagStep(msgspec.Struct, frozen=True):
    """A tag that is new or moves."""

    descriptor: Descriptor
    destination: int
    tag: str
    moves_from: Digest | None = None


class CopyPlan(msgspec.Struct, frozen=True):
    """The steps of a copy, each list in the order in which it is carried out."""

    blobs: tuple[BlobStep, ...]
    manifests: tuple[ManifestStep, ...]
    tags: tuple[TagStep, ...]
    held_blobs: int
    """Blobs that every destination has already, each counted once."""
    held_bytes: int
    held_manifests: int

    @property
    def blob_bytes(self) -> int:
        """What goes over the wire, where mounts work: each blob once."""
        return sum(step.descriptor.size for step in self.blobs)

    @property
    def manifest_bytes(self) -> int:
        """The manifests, each as often as it is written."""
        return sum(step.descriptor.size for step in self.manifests)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.blobs or self.manifests or self.tags)


def blobs_below(graph: Graph, nodes: Sequence[Node]) -> tuple[Descriptor, ...]:
    """The blobs that some manifests name, each once."""
    known = {blob.digest: blob for blob in graph.blobs}
    named = (child.digest for node in nodes for child in manifest.successors(node.parsed))
    return tuple({digest: known[digest] for digest in named if digest in known}.values())


def decide(graphs: Sequence[Graph], roots: Sequence[Sequence[Root]], held: Sequence[Held]) -> CopyPlan:
    """Decide what is to be moved.

    Args:
        graphs: What each destination wants, walked from its roots.
        roots: The same destinations' roots.
        held: What the same destinations have.
    """
    wanted: dict[Digest, tuple[Descriptor, list[int]]] = {}
    all_blobs: dict[Digest, Descriptor] = {}
    manifests: list[ManifestStep] = []
    held_manifests = 0
    for number, (graph, has) in enumerate(zip(graphs, held, strict=True)):
        heights = _heights(graph)
        for blob in graph.blobs:
            all_blobs.setdefault(blob.digest, blob)
            if blob.digest not in has.digests:
                wanted.setdefault(blob.digest, (blob, []))[1].append(number)
        missing = [node for node in graph.nodes if node.descriptor.digest not in has.digests]
        held_manifests += len(graph.nodes) - len(missing)
        manifests += [_manifest_step(node, number, heights, graph) for node in missing]
    blobs = [BlobStep(descriptor, tuple(numbers)) for descriptor, numbers in wanted.values()]
    return CopyPlan(
        blobs=tuple(sorted(blobs, key=lambda step: (-step.descriptor.size, step.descriptor.digest))),
        manifests=tuple(sorted(manifests, key=lambda step: step.height)),
        tags=tuple(_tag_steps(roots, held)),
        held_blobs=len(all_blobs) - len(wanted),
        held_bytes=sum(blob.size for digest, blob in all_blobs.items() if digest not in wanted),
        held_manifests=held_manifests,
    )


def _manifest_step(node: Node, destination: int, heights: Mapping[Digest, int], graph: Graph) -> ManifestStep:
    # Listed manifests that are not carried, and foreign layers, are not in the graph: nothing waits for them.
    carried = {blob.digest for blob in graph.blobs} | set(heights)
    needs = tuple(child.digest for child in manifest.successors(node.parsed) if child.digest in carried)
    return ManifestStep(node.descriptor, destination, heights[node.descriptor.digest], needs)


def _heights(graph: Graph) -> dict[Digest, int]:
    """How many manifests stand below each manifest, on the longest way; what it refers to counts as below it."""
    nodes = {node.descriptor.digest: node for node in graph.nodes}
    heights: dict[Digest, int] = {}
    # Digests make cycles impossible; an explicit stack bounds the depth by memory rather than by recursion.
    stack = list(nodes)
    while stack:
        digest = stack[-1]
        below = [] if digest in heights else [each for each in _below(nodes[digest]) if each in nodes]
        waiting = [each for each in below if each not in heights]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        heights.setdefault(digest, 1 + max((heights[each] for each in below), default=-1))
    return heights


def _below(node: Node) -> list[Digest]:
    if isinstance(node.parsed, Manifest):
        children: list[Digest] = []
    else:
        children = [child.digest for child in node.parsed.manifests if media_types.is_metadata(child.media_type)]
    return children if node.parsed.subject is None else [*children, node.parsed.subject.digest]


def _tag_steps(roots: Sequence[Sequence[Root]], held: Sequence[Held]) -> list[TagStep]:
    return [
        TagStep(root.descriptor.plain(), number, tag, has.tags.get(tag))
        for number, (wanted, has) in enumerate(zip(roots, held, strict=True))
        for root in wanted
        for tag in root.tags
        if has.tags.get(tag) != root.descriptor.digest
    ]
