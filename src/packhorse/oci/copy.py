"""The copy of graphs from one content source to any number of destinations: the engine that moves all content.

First it is seen what the destinations have (:func:`plan_copy`), then only what they lack is moved (:func:`carry_out`):
blobs in a bounded number of threads, largest first; then manifests, children before parents; then tags. Single
failures do not stop the rest, and what depends on them is left out, so that nothing incomplete becomes visible.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from packhorse.base.events import Reporter
from packhorse.base.parallel import Crew
from packhorse.oci.copy_carrier import Carrier, CopyResult, Destination, PreparedCopy
from packhorse.oci.copy_plan import Held, Root, blobs_below, decide
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph, read_verified, walk
from packhorse.oci.manifest import MAX_MANIFEST_BYTES
from packhorse.oci.model import Descriptor, Manifest
from packhorse.oci.ports import ContentSource, ContentTarget

__all__ = [
    "CopyResult",
    "Destination",
    "Lender",
    "NameFinder",
    "PreparedCopy",
    "Root",
    "carry_out",
    "copy_graph",
    "plan_copy",
]

_Question = TypeVar("_Question")


@runtime_checkable
class NameFinder(Protocol):
    """A target that can say what a tag stands for now, so that one which is right is not written again."""

    def find(self, target: str) -> Descriptor | None:
        """Return what a tag or digest stands for; None when there is no such thing."""


@runtime_checkable
class Lender(Protocol):
    """A target from which others of its kind can take blobs over: a repository of a registry, by mounts."""

    def note_held(self, blob: Descriptor) -> None:
        """Remember a blob that is there, though nobody has asked for it."""


def copy_graph(
    source: ContentSource, target: ContentTarget, roots: Iterable[Root], *, workers: int, reporter: Reporter
) -> CopyResult:
    """Copy what one target lacks of ``roots`` and everything below them.

    Raises:
        PackhorseError: Some of it could not be copied; the rest was. All failures are in it.
    """
    prepared = plan_copy(source, [Destination("", target, tuple(roots))], workers=workers)
    return carry_out(prepared, workers=workers, reporter=reporter)


def plan_copy(source: ContentSource, destinations: Sequence[Destination], *, workers: int) -> PreparedCopy:
    """Read the graphs, ask the destinations what they have, and decide what is to be moved.

    What a tag leads to is asked for by that tag alone, so an image that is there takes one question. A destination
    that has a manifest has what is below it, for nobody may write a manifest before its parts; of an index, which may
    be sparse, each manifest is asked for.

    Raises:
        IntegrityError: A manifest of the source is wrong or missing.
        PackhorseError: A destination can't be asked.
    """
    reader = _Reader(source)
    graphs = [walk((root.descriptor for root in destination.roots), reader.read) for destination in destinations]
    held = _survey(destinations, graphs, workers)
    plan = decide(graphs, [destination.roots for destination in destinations], held)
    return PreparedCopy(source, tuple(destinations), plan, _labels(destinations, graphs))


def carry_out(prepared: PreparedCopy, *, workers: int, reporter: Reporter) -> CopyResult:
    """Move what the plan lists.

    Raises:
        PackhorseError: Some of it could not be moved; the rest was. All failures are in it, its family is that of the
            first, and doing it again moves only what is missing.
    """
    return Carrier(prepared, workers, reporter).run()


class _Reader:
    """Reads each manifest once, however many destinations want it."""

    def __init__(self, source: ContentSource) -> None:
        self._source = source
        self._read: dict[Digest, bytes] = {}

    def read(self, descriptor: Descriptor) -> bytes:
        content = self._read.get(descriptor.digest)
        if content is None:
            content = read_verified(self._source, descriptor, max_bytes=MAX_MANIFEST_BYTES)
            self._read[descriptor.digest] = content
        return content


def _survey(destinations: Sequence[Destination], graphs: Sequence[Graph], workers: int) -> list[Held]:
    found: list[set[Digest]] = [set() for _ in destinations]
    tags: list[dict[str, Digest]] = [{} for _ in destinations]

    def ask(question: tuple[int, Descriptor]) -> None:
        number, descriptor = question
        if destinations[number].target.exists(descriptor):
            found[number].add(descriptor.digest)

    def ask_manifest(question: tuple[int, Descriptor, Sequence[str]]) -> None:
        number, descriptor, names = question
        named = _named(destinations[number].target, names)
        tags[number].update((name, seen.digest) for name, seen in named.items())
        # A tag that leads to it says of it what asking for it would.
        if any((seen.digest, seen.size) == (descriptor.digest, descriptor.size) for seen in named.values()):
            found[number].add(descriptor.digest)
        else:
            ask((number, descriptor))

    _ask_all(list(_manifest_questions(destinations, graphs)), ask_manifest, workers)
    questions: list[tuple[int, Descriptor]] = []
    for number, graph in enumerate(graphs):
        whole = [node for node in graph.nodes if node.descriptor.digest in found[number]]
        below = blobs_below(graph, whole)
        found[number].update(blob.digest for blob in below)
        target = destinations[number].target
        if isinstance(target, Lender):
            for blob in below:
                target.note_held(blob)
        questions += [(number, blob) for blob in graph.blobs if blob.digest not in found[number]]
    _ask_all(questions, ask, workers)
    return [Held(frozenset(digests), names) for digests, names in zip(found, tags, strict=True)]


def _manifest_questions(
    destinations: Sequence[Destination], graphs: Sequence[Graph]
) -> Iterator[tuple[int, Descriptor, tuple[str, ...]]]:
    """Yield every manifest that a destination is to have, with the tags that shall stand for it there."""
    for number, (destination, graph) in enumerate(zip(destinations, graphs, strict=True)):
        names: dict[Digest, tuple[str, ...]] = {}
        for root in destination.roots:
            digest = root.descriptor.digest
            names[digest] = (*names.get(digest, ()), *root.tags)
        for node in graph.nodes:
            yield number, node.descriptor, names.get(node.descriptor.digest, ())


def _named(target: ContentTarget, names: Iterable[str]) -> dict[str, Descriptor]:
    """What tags stand for now, as far as the target can tell."""
    if not isinstance(target, NameFinder):
        return {}
    seen = ((name, target.find(name)) for name in names)
    return {name: descriptor for name, descriptor in seen if descriptor is not None}


def _ask_all(questions: Sequence[_Question], ask: Callable[[_Question], None], workers: int) -> None:
    failures = [error for _, error in Crew(workers, "survey").each(questions, ask)]
    if failures:
        # One refusal is like the next: the first says it all, and its message has the place.
        first = failures[0]
        raise type(first)(f"Could not see what is there already.\n{first.message}", hint=first.hint) from first


def _labels(destinations: Sequence[Destination], graphs: Sequence[Graph]) -> dict[Digest, str]:
    labels: dict[Digest, str] = {}
    for destination, graph in zip(destinations, graphs, strict=True):
        of_what = f" of {destination.name}" if destination.name else ""
        for node in graph.nodes:
            if isinstance(node.parsed, Manifest):
                labels.setdefault(node.parsed.config.digest, f"config{of_what}")
                for number, layer in enumerate(node.parsed.layers, 1):
                    labels.setdefault(layer.digest, f"layer {number}{of_what}")
    return labels
