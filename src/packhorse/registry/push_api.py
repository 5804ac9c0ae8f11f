"""The push half of the distribution API, decided without a socket (distribution-spec 1.1 and its main branch).

Every method may wait for a disk or a network, and is called in a thread. A request whose body is wanted is answered
with :class:`Receive`: the server moves the body into its sink and then asks what to say.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.base.json_decoder import decode_as
from packhorse.oci import manifest
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Node
from packhorse.oci.model import Descriptor, Index, Manifest
from packhorse.oci.reference import Reference
from packhorse.registry.answers import Answer, Code, not_a_digest, refusal
from packhorse.registry.asks import Ask, as_digest, etags
from packhorse.registry.manifest_entries import entry_of
from packhorse.registry.names import find_repository, writable_name
from packhorse.registry.ports import BlobSink, RoomKeeper, SiteStore, Touchable
from packhorse.registry.routes import Operation, Route
from packhorse.registry.visible_catalog import VisibleCatalog
from packhorse.store.names_changes import Expectation
from packhorse.store.refusals import (
    BusyError,
    ConditionError,
    MissingPartError,
    OffsetError,
    RoomError,
    SealedError,
    StoreRefusal,
    WrongDigestError,
)

__all__ = ["MAX_TAGS", "PushApi", "Receive", "refusal_of"]

MAX_TAGS = 100
"""The most tags in one request; the specification asks for ten at least."""

_CONTENT_RANGE = re.compile(r"(?:bytes )?([0-9]{1,19})-([0-9]{1,19})(?:/[0-9*]+)?", re.ASCII)
_ALGORITHMS = frozenset({"sha256", "sha512"})

_Result = TypeVar("_Result")

_REASONS: Mapping[type[StoreRefusal], tuple[Code, int | None]] = {
    BusyError: (Code.BLOB_UPLOAD_INVALID, 409),
    OffsetError: (Code.RANGE_INVALID, None),
    WrongDigestError: (Code.DIGEST_INVALID, None),
    MissingPartError: (Code.MANIFEST_BLOB_UNKNOWN, None),
    ConditionError: (Code.DENIED, 412),
    RoomError: (Code.DENIED, None),
    SealedError: (Code.DENIED, None),
}


class Receive(msgspec.Struct, frozen=True):
    """The body is wanted.

    Attributes:
        sink: Where it goes; closed before ``answer`` is called, or alone when the client breaks off.
        answer: Says what to answer once all of it is there.
        most_bytes: How many bytes may come; None when that was not said.
    """

    sink: BlobSink
    answer: Callable[[], Answer]
    most_bytes: int | None = None


class PushApi:
    """Decides what to answer to requests that change something; used by many threads."""

    def __init__(self, store: SiteStore) -> None:
        self._store = store
        self._methods: dict[tuple[Operation, str], Callable[[str, Route, Ask], Answer | Receive]] = {
            (Operation.UPLOADS, "POST"): self._begin,
            (Operation.UPLOAD, "PATCH"): self._append,
            (Operation.UPLOAD, "PUT"): self._finish,
            (Operation.UPLOAD, "GET"): self._status,
            (Operation.UPLOAD, "HEAD"): self._status,
            (Operation.UPLOAD, "DELETE"): self._cancel,
            (Operation.MANIFEST, "DELETE"): self._delete_manifest,
            (Operation.BLOB, "DELETE"): self._delete_blob,
        }

    def takes(self, route: Route, method: str) -> bool:
        """Whether a request is for this half of the API, and not for a manifest's bytes."""
        return (route.operation, method) in self._methods

    def begin(self, route: Route, ask: Ask) -> Answer | Receive:
        """Answer a request, or say where its body goes."""
        name = self._name(route, ask)
        if isinstance(name, Answer):
            return name
        return _refused(lambda: self._methods[route.operation, ask.method](name, route, ask), route, ask)

    def put_manifest(self, route: Route, ask: Ask, content: bytes) -> Answer:
        """Take a manifest (end-7a, end-7b)."""
        name = self._name(route, ask)
        if isinstance(name, Answer):
            return name
        return _refused(lambda: self._put_manifest(name, route, ask, content), route, ask)

    def touch(self, route: Route, ask: Ask) -> bool:
        """Note that a client was told that a blob is there, which it will not send then; False when it is gone."""
        digest = as_digest(route.target)
        name = find_repository(route.name, ask.namespace, self._store)
        if digest is None or not isinstance(name, str) or not isinstance(self._store, Touchable):
            return True
        return self._store.touch(name, digest)

    def _check_room(self, length: int | None) -> None:
        if length and isinstance(self._store, RoomKeeper):
            self._store.check_room(length)

    # --- uploads --------------------------------------------------------------------------------------------------

    def _begin(self, name: str, route: Route, ask: Ask) -> Answer | Receive:
        if "mount" in ask.query and (mounted := self._mount(name, route, ask)) is not None:
            return mounted
        wanted = ask.query.get("digest")
        digest = None if wanted is None else as_digest(wanted)
        if wanted is not None and digest is None:
            return not_a_digest(wanted)
        algorithm = digest.algorithm if digest is not None else ask.query.get("digest-algorithm", "sha256")
        if algorithm not in _ALGORITHMS:
            return refusal(Code.DIGEST_INVALID, f"{algorithm[:40]!r} is not an algorithm here: sha256 and sha512 are")
        self._check_room(ask.length if digest is not None else None)
        upload = self._store.begin_upload(name, algorithm)
        if digest is None:
            return _progress(202, route, ask, upload, 0)
        return self._receive_last(name, Route(Operation.UPLOAD, route.name, upload), ask, digest, None)

    def _mount(self, name: str, route: Route, ask: Ask) -> Answer | None:
        digest = as_digest(ask.query["mount"])
        if digest is None:
            return not_a_digest(ask.query["mount"])
        source = ask.query.get("from")
        if source is None:
            return None
        seen = self._store if ask.sees is None else VisibleCatalog(self._store, ask.sees)
        found = find_repository(source, ask.namespace, seen)
        if not isinstance(found, str) or self._store.mount(name, digest, found) is None:
            return None
        return _created(route, ask, digest, f"blobs/{digest}")

    def _append(self, name: str, route: Route, ask: Ask) -> Answer | Receive:
        span = _span(ask)
        if isinstance(span, Answer):
            return span
        offset, length = span
        self._check_room(length)
        sink = self._store.append(name, route.target, offset)
        if sink is None:
            return _no_upload(route)
        return Receive(sink, lambda: _progress(202, route, ask, route.target, sink.received), length)

    def _finish(self, name: str, route: Route, ask: Ask) -> Answer | Receive:
        wanted = ask.query.get("digest", "")
        digest = as_digest(wanted)
        if digest is None:
            return not_a_digest(wanted)
        span = _span(ask)
        if isinstance(span, Answer):
            return span
        offset, _ = span
        if ask.length == 0 and offset is None:
            return self._keep(name, route, ask, digest)
        return self._receive_last(name, route, ask, digest, offset)

    def _receive_last(self, name: str, route: Route, ask: Ask, digest: Digest, offset: int | None) -> Answer | Receive:
        self._check_room(ask.length)
        sink = self._store.append(name, route.target, offset)
        if sink is None:
            return _no_upload(route)
        return Receive(
            sink,
            lambda: _refused(lambda: self._keep(name, route, ask, digest), route, ask),
            ask.length,
        )

    def _keep(self, name: str, route: Route, ask: Ask, digest: Digest) -> Answer:
        if self._store.finish_upload(name, route.target, digest) is None:
            return _no_upload(route)
        return _created(route, ask, digest, f"blobs/{digest}")

    def _status(self, name: str, route: Route, ask: Ask) -> Answer:
        received = self._store.received(name, route.target)
        return _no_upload(route) if received is None else _progress(204, route, ask, route.target, received)

    def _cancel(self, name: str, route: Route, _ask: Ask) -> Answer:
        return Answer(204) if self._store.cancel_upload(name, route.target) else _no_upload(route)

    # --- manifests ------------------------------------------------------------------------------------------------

    def _put_manifest(self, name: str, route: Route, ask: Ask, content: bytes) -> Answer:
        media_type = ask.headers.get("Content-Type", "").partition(";")[0].strip()
        digest = as_digest(route.target)
        if ":" in route.target and digest is None:
            return not_a_digest(route.target)
        tags = tuple(ask.tags) if digest is not None else (route.target,)
        if (refused := _check_tags(tags)) is not None:
            return refused
        found = Digest.of(content, "sha256" if digest is None else digest.algorithm)
        if digest is not None and digest != found:
            return refusal(
                Code.DIGEST_INVALID, f"expected {digest}, the {len(content)} bytes that came hash to {found}"
            )
        parsed = _parse(content, media_type, f"{route.name}:{route.target}")
        if isinstance(parsed, Answer):
            return parsed
        node = Node(
            Descriptor(media_type=parsed.media_type or media_type, digest=found, size=len(content)), content, parsed
        )
        entry = entry_of(self._store, name, node, tags=tags, expected=_expectation(ask.headers))
        self._store.put_manifest(name, entry, content)
        answer = _created(route, ask, found, f"manifests/{found if digest is not None else route.target}")
        if parsed.subject is not None:
            answer.headers["OCI-Subject"] = parsed.subject.digest
        if digest is not None and tags:
            answer.headers["OCI-Tag"] = ", ".join(tags)
        return answer

    def _delete_manifest(self, name: str, route: Route, _ask: Ask) -> Answer:
        digest = as_digest(route.target)
        if ":" in route.target and digest is None:
            return not_a_digest(route.target)
        if digest is None:
            done = self._store.delete_tag(name, route.target)
        else:
            done = self._store.delete_manifest(name, digest)
        return Answer(202) if done else refusal(Code.MANIFEST_UNKNOWN, f"{name} has no manifest {route.target} here")

    def _delete_blob(self, name: str, route: Route, _ask: Ask) -> Answer:
        digest = as_digest(route.target)
        if digest is None:
            return not_a_digest(route.target)
        done = self._store.delete_blob(name, digest)
        return Answer(202) if done else refusal(Code.BLOB_UNKNOWN, f"{name} has no blob {digest} here")

    def _name(self, route: Route, ask: Ask) -> str | Answer:
        """Return the full name of the repository, which for what is new need not be there."""
        if not route.has_valid_name:
            return refusal(Code.NAME_INVALID, f"{route.name[:120]!r} is not a repository name")
        found = writable_name(route.name, ask.namespace, self._store)
        try:
            reference = Reference.parse(found)
        except ConfigError as error:
            return refusal(Code.NAME_INVALID, error.message)
        return reference.name


def refusal_of(error: StoreRefusal) -> Answer:
    """Make an answer of a store's reason not to do something."""
    code, status = _REASONS[type(error)]
    return refusal(code, error.message, status)


def _refused(work: Callable[[], _Result], route: Route, ask: Ask) -> _Result | Answer:
    """Do something, and make an answer of the store's reasons not to."""
    try:
        return work()
    except OffsetError as error:
        told = refusal_of(error)
        # Where to go on.
        told.headers.update(_progress(told.status, route, ask, route.target, error.received).headers)
        return told
    except StoreRefusal as error:
        return refusal_of(error)


def _span(ask: Ask) -> tuple[int | None, int | None] | Answer:
    """Return where the body belongs and how long it is, as far as that is said."""
    header = ask.headers.get("Content-Range")
    if header is None:
        return None, ask.length
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None or int(match[2]) + 1 < int(match[1]):
        return refusal(Code.BLOB_UPLOAD_INVALID, f"expected Content-Range: FIRST-LAST, found {header[:80]}")
    start, length = int(match[1]), int(match[2]) - int(match[1]) + 1
    if ask.length is not None and ask.length != length:
        message = f"Content-Range {header[:80]} has {length} bytes, Content-Length says {ask.length}"
        return refusal(Code.SIZE_INVALID, message, status=400)
    return start, length


def _check_tags(tags: tuple[str, ...]) -> Answer | None:
    if len(tags) > MAX_TAGS:
        return refusal(
            Code.TAG_INVALID, f"expected at most {MAX_TAGS} tags in one request, found {len(tags)}", status=414
        )
    for tag in tags:
        try:
            Reference.parse(f"x.example/x:{tag}")
        except ConfigError:
            return refusal(Code.TAG_INVALID, f"{tag[:160]!r} is not a tag")
    return None


def _parse(content: bytes, media_type: str, where: str) -> Manifest | Index | Answer:
    try:
        return manifest.parse(content, media_type or _own_media_type(content), where)
    except IntegrityError as error:
        return refusal(Code.MANIFEST_INVALID, error.message)


class _Typed(msgspec.Struct, rename="camel"):
    media_type: str = ""


def _own_media_type(content: bytes) -> str:
    try:
        return decode_as(content, _Typed).media_type
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""


def _expectation(headers: Mapping[str, str]) -> Expectation | None:
    if (header := headers.get("If-Match")) is not None:
        named = etags(header)
        return Expectation(named or frozenset(), anything=named is None)
    if (header := headers.get("If-None-Match")) is not None and etags(header) is None:
        return Expectation()
    return None


def _location(route: Route, ask: Ask, rest: str) -> str:
    namespace = ask.query.get("ns")
    return quote(f"/v2/{route.name}/{rest}", safe="/:@") + (f"?{urlencode({'ns': namespace})}" if namespace else "")


def _progress(status: int, route: Route, ask: Ask, upload: str, received: int) -> Answer:
    location = _location(route, ask, f"blobs/uploads/{upload}")
    return Answer(status, {"Location": location, "Range": f"0-{max(0, received - 1)}", "Docker-Upload-UUID": upload})


def _created(route: Route, ask: Ask, digest: Digest, rest: str) -> Answer:
    return Answer(201, {"Location": _location(route, ask, rest), "Docker-Content-Digest": digest})


def _no_upload(route: Route) -> Answer:
    return refusal(
        Code.BLOB_UPLOAD_UNKNOWN, f"{route.name} has no such upload: it was finished, cancelled or has expired"
    )
