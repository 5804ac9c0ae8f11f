"""The pull half of the distribution API, decided without a socket (distribution-spec 1.1 and its main branch)."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace

from packhorse.oci.model import Descriptor
from packhorse.registry.answers import (
    Answer,
    Code,
    Content,
    json_answer,
    list_answer,
    not_a_digest,
    page_of,
    referrers_answer,
    refusal,
)
from packhorse.registry.asks import Ask, as_digest, kept_query, names_etag
from packhorse.registry.names import Ambiguous, find_repository, path_name, writable_name
from packhorse.registry.ports import Catalog
from packhorse.registry.ranges import Span, Unsatisfiable, parse_range
from packhorse.registry.routes import Operation, Route
from packhorse.registry.visible_catalog import VisibleCatalog

__all__ = ["PROBE_REGISTRY", "PROBE_REPOSITORY", "PullApi", "Teller"]

PROBE_REGISTRY = "packhorse-probe.invalid"
"""A registry that can't exist (RFC 2606), for runtimes that must be told of each registry that they mirror."""

PROBE_REPOSITORY = "packhorse-probe"
"""The first part of repositories that nobody has: what is asked of them shows that a node's pulls arrive here."""

Teller = Callable[[str, str], str | None]

_KEPT_PROBES = 256
_BLOB_TYPE = "application/octet-stream"


def _tell_nothing(_name: str, _target: str) -> str | None:
    return None


class PullApi:
    """Decides what to answer, from a catalogue. Used by one thread."""

    def __init__(self, catalog: Catalog, tell: Teller | None = None) -> None:
        """Make the half of the API that reads.

        Args:
            catalog: What is here.
            tell: Says where a tag or digest of a repository is that is not here; None when that is not known.
        """
        self._catalog = catalog
        self._tell = tell or _tell_nothing
        self._probes: OrderedDict[str, int] = OrderedDict()
        self.counters: Counter[str] = Counter()
        self._operations: dict[Operation, Callable[[str, Route, Ask], Answer]] = {
            Operation.MANIFEST: self._manifest,
            Operation.BLOB: self._blob,
            Operation.TAGS: self._tags,
        }

    def answer(self, route: Route, ask: Ask) -> Answer:
        """Answer a GET or HEAD."""
        if ask.sees is not None:
            return self._seen_by(ask.sees).answer(route, replace(ask, sees=None))
        if route.operation is Operation.BASE:
            answer = json_answer({})
        elif route.operation is Operation.CATALOG:
            answer = self._list_repositories(ask)
        elif route.operation in (Operation.MANIFEST, Operation.BLOB, Operation.TAGS, Operation.REFERRERS):
            answer = self._in_repository(route, ask)
        elif route.operation in (Operation.UPLOADS, Operation.UPLOAD):
            return self.refuse_write()
        else:
            return refusal(Code.NAME_UNKNOWN, "there is nothing here")
        answer.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        if namespace := ask.query.get("ns"):
            answer.headers["OCI-Namespace"] = namespace
        return answer

    def refuse_write(self) -> Answer:
        """Answer what would change something."""
        return refusal(Code.UNSUPPORTED, "this registry is read-only", Allow="GET, HEAD")

    def probes_seen(self, name: str) -> int:
        """Return how many requests have asked for this repository below :data:`PROBE_REPOSITORY`."""
        return self._probes.get(name, 0)

    def _seen_by(self, sees: Callable[[str], bool]) -> "PullApi":
        """Return the same for a client who may know of some repositories only."""
        seen = PullApi(VisibleCatalog(self._catalog, sees), self._tell)
        seen._probes, seen.counters = self._probes, self.counters
        return seen

    def _in_repository(self, route: Route, ask: Ask) -> Answer:
        if not route.has_valid_name:
            return refusal(Code.NAME_INVALID, f"{route.name[:120]!r} is not a repository name")
        namespace = ask.namespace
        self._watch_for_probe(route.name)
        if route.operation is Operation.REFERRERS:
            return self._list_referrers(route, ask)
        found = find_repository(route.name, namespace, self._catalog)
        if isinstance(found, Ambiguous):
            names = " and ".join(found.names)
            example = path_name(found.names[0])
            return refusal(Code.NAME_UNKNOWN, f"{route.name} could be {names}; ask for one as {example}")
        if found is None:
            asked = f"{namespace}/{route.name}" if namespace else route.name
            told = self._tell(writable_name(route.name, namespace, self._catalog), route.target)
            return refusal(Code.NAME_UNKNOWN, _with(f"there is no repository {asked} here", told))
        return self._operations[route.operation](found, route, ask)

    def _watch_for_probe(self, name: str) -> None:
        repository, _, probed = name.removeprefix(f"{PROBE_REGISTRY}/").partition("/")
        if repository != PROBE_REPOSITORY or not probed:
            return
        self.counters["probes"] += 1
        self._probes[probed] = self._probes.get(probed, 0) + 1
        self._probes.move_to_end(probed)
        if len(self._probes) > _KEPT_PROBES:
            self._probes.popitem(last=False)

    def _manifest(self, name: str, route: Route, ask: Ask) -> Answer:
        if ":" in route.target and as_digest(route.target) is None:
            return not_a_digest(route.target)
        descriptor = self._catalog.manifest(name, route.target)
        if descriptor is None:
            told = self._tell(name, route.target)
            return refusal(Code.MANIFEST_UNKNOWN, _with(f"{name} has no manifest {route.target} here", told))
        headers = {"Content-Type": descriptor.media_type, **_content_headers(descriptor)}
        if names_etag(ask.headers.get("If-None-Match"), descriptor.digest):
            return Answer(304, _content_headers(descriptor))
        return Answer(200, headers, Content(descriptor, Span(0, descriptor.size), is_manifest=True))

    def _blob(self, name: str, route: Route, ask: Ask) -> Answer:
        digest = as_digest(route.target)
        if digest is None:
            return not_a_digest(route.target)
        descriptor = self._catalog.blob(name, digest)
        if descriptor is None:
            return refusal(Code.BLOB_UNKNOWN, f"{name} has no blob {digest} here")
        headers = {"Content-Type": _BLOB_TYPE, "Accept-Ranges": "bytes", **_content_headers(descriptor)}
        if names_etag(ask.headers.get("If-None-Match"), descriptor.digest):
            return Answer(304, _content_headers(descriptor))
        size = descriptor.size
        wanted = ask.headers.get("Range")
        # Content never changes under its digest, so the only tag that a part may depend on is the digest.
        if ask.headers.get("If-Range") not in (None, headers["ETag"]):
            wanted = None
        part = parse_range(wanted, size)
        if isinstance(part, Unsatisfiable):
            message = f"{wanted} has no byte of this blob, which has {size}"
            return refusal(Code.RANGE_INVALID, message, Content_Range=f"bytes */{size}")
        if part is None:
            return Answer(200, headers, Content(descriptor, Span(0, size)))
        return Answer(206, {**headers, "Content-Range": part.content_range(size)}, Content(descriptor, part))

    def _tags(self, name: str, route: Route, ask: Ask) -> Answer:
        count = _page_size(ask)
        if isinstance(count, Answer):
            return count
        page = page_of(self._catalog.tags(name) or (), count, ask.query.get("last"))
        value: dict[str, object] = {"name": route.name, "tags": list(page.items)}
        return list_answer(value, page, ask.path, kept_query(ask, "n", "ns"))

    def _list_repositories(self, ask: Ask) -> Answer:
        count = _page_size(ask)
        if isinstance(count, Answer):
            return count
        names = sorted({path_name(name) for name in self._catalog.repositories()})
        page = page_of(names, count, ask.query.get("last"))
        return list_answer({"repositories": list(page.items)}, page, ask.path, kept_query(ask, "n"))

    def _list_referrers(self, route: Route, ask: Ask) -> Answer:
        """List referrers; an unknown repository or subject has none (a 404 would mean: no such API here)."""
        digest = as_digest(route.target)
        if digest is None:
            return not_a_digest(route.target)
        name = find_repository(route.name, ask.namespace, self._catalog)
        found = self._catalog.referrers(name, digest) if isinstance(name, str) else ()
        wanted = ask.query.get("artifactType")
        if wanted:
            found = [item for item in found if item.artifact_type == wanted]
        answer = referrers_answer(found, ask.path, kept_query(ask, "artifactType", "last", "ns"))
        if wanted:
            answer.headers["OCI-Filters-Applied"] = "artifactType"
        return answer


def _with(message: str, told: str | None) -> str:
    return message if told is None else f"{message}; {told}"


def _content_headers(descriptor: Descriptor) -> dict[str, str]:
    return {"Docker-Content-Digest": descriptor.digest, "ETag": f'"{descriptor.digest}"'}


def _page_size(ask: Ask) -> int | Answer | None:
    text = ask.query.get("n")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - more digits than a page has items
        return refusal(Code.PAGINATION_NUMBER_INVALID, f"expected a number of entries, found n={text[:40]}")
    return int(text)
