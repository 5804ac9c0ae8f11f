"""The client of OCI registries (distribution-spec 1.1): :class:`RegistryClient` and the repositories it gives.

Blocking, and safe to use from several threads; one thread carries one blob.
"""

import threading
from contextlib import nullcontext
from typing import Self

import msgspec

from packhorse.base.errors import RegistryError
from packhorse.base.printable import in_one_line
from packhorse.base.units import format_bytes
from packhorse.oci import media_types
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_download import Download
from packhorse.oci.distribution_errors import refusal
from packhorse.oci.distribution_exchange import Call, Exchange, fail
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_manifests import Manifests
from packhorse.oci.distribution_pages import pages
from packhorse.oci.distribution_referrers import Referrers
from packhorse.oci.distribution_routes import Access, Place, Router
from packhorse.oci.distribution_transport import Answer
from packhorse.oci.distribution_upload import Uploader
from packhorse.oci.graph import Node, read_verified
from packhorse.oci.holdings import Holdings
from packhorse.oci.manifest import MAX_MANIFEST_BYTES, parse, successors
from packhorse.oci.model import Descriptor, Index, Manifest, decode_json
from packhorse.oci.ports import BlobStream, ContentSource
from packhorse.oci.reference import Reference
from packhorse.oci.referrer import describe
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import Attempts, Pacing

__all__ = ["RegistryClient", "Repository"]

_GOOD_PARTS = frozenset({200, 206})
_OK = 200
_MOST_KEPT_MANIFESTS = 64


class RegistryClient:
    """All registries, under one set of settings; its repositories share connections, tokens and what was seen."""

    def __init__(self, settings: RegistrySettings, pacing: Pacing | None = None) -> None:
        pacing = pacing or Pacing()
        self._settings = settings
        self._exchange = Exchange(settings, pacing)
        self._router = Router(settings, pacing)
        self._holdings = Holdings()
        self._writing: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()

    def repository(self, name: str, *, direct: bool = False) -> "Repository":
        """Return a repository to read from or write to.

        Args:
            name: Registry and repository, as :attr:`Reference.name` has it.
            direct: Leave mirrors aside: what is pushed to is asked itself.

        Raises:
            ConfigError: It is not a name.
            RegistryError: The settings block it.
        """
        reference = Reference.parse(name)
        registry, repository = reference.registry, reference.repository
        locations = () if direct else self._settings.mirrors.locations(registry, repository)
        access = Access(self._exchange, self._router, registry, repository, locations)
        uploader = Uploader(access.direct(), self._holdings, self._settings.timeouts)
        with self._lock:
            writing = self._writing.setdefault(access.name, threading.RLock())
        return Repository(access.direct() if direct else access, uploader, writing)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Repository:
    """One repository: a source and target of content and names (all of :mod:`packhorse.oci.ports` but files)."""

    def __init__(self, access: Access, uploader: Uploader, writing: threading.RLock) -> None:
        self._writing = writing
        self._access = access
        self._uploader = uploader
        self._manifests = Manifests(access)
        self._referrers = Referrers(access, writing)
        self._upstream = Manifests(access.direct())
        self._written: dict[Digest, bytes] = {}

    @property
    def name(self) -> str:
        """Registry and repository."""
        return self._access.name

    # --- reading ---------------------------------------------------------------------------------------------------

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest stands for; see :class:`~packhorse.oci.ports.Resolver`."""
        return self._manifests.resolve(target)

    def find(self, target: str) -> Descriptor | None:
        """Return what a tag or digest stands for; None when every place answers that there is no such thing."""
        return self._manifests.find(target)

    def read_manifest(self, target: str) -> tuple[Descriptor, bytes]:
        """Read a manifest or index by tag or digest in one request, with the descriptor that its bytes give."""
        return self._manifests.read(target)

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read a blob or manifest; see :class:`~packhorse.oci.ports.ContentSource`."""
        if media_types.is_metadata(descriptor.media_type):
            return BytesStream(self._manifests.read_as(descriptor), offset)
        return self._download(descriptor, offset)

    def referrers(self, subject: Descriptor) -> tuple[Descriptor, ...]:
        """List what refers to a manifest; see :class:`~packhorse.oci.ports.ReferrerSource`."""
        return self._referrers.list(subject.digest)

    def tags(self) -> tuple[str, ...]:
        """List all tags, in the registry's order.

        Raises:
            NotFoundError, RegistryError, NetworkError: It can't be asked, or does not know the repository.
            IntegrityError: The answer is not a list of tags.
        """
        place = self._access.places(by_digest=False)[-1]
        what = f"list the tags of {self.name}"
        call = Call(what, "GET", place.path("tags/list"), self._access.scope(place))
        found: list[str] = []
        for answer, content in pages(self._access, place, call):
            if answer.status != _OK:
                raise refusal(what, place.server.base, answer.status, content)
            found += decode_json(content, _TagList, f"the tags of {self.name}").tags or ()
        return tuple(found)

    # --- writing ---------------------------------------------------------------------------------------------------

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the registry in the name holds it; see :class:`~packhorse.oci.ports.ContentTarget`."""
        if not media_types.is_metadata(descriptor.media_type):
            return self._uploader.exists(descriptor)
        found = self._upstream.find(descriptor.digest)
        return found is not None and found.size == descriptor.size

    def note_held(self, blob: Descriptor) -> None:
        """Remember a blob that is there; see :class:`~packhorse.oci.copy.Lender`."""
        self._uploader.note_held(blob)

    def push(self, descriptor: Descriptor, source: ContentSource) -> None:
        """Send a blob or manifest; see :class:`~packhorse.oci.ports.ContentTarget`."""
        if not media_types.is_metadata(descriptor.media_type):
            self._uploader.push(descriptor, source)
            return
        content = read_verified(source, descriptor, max_bytes=MAX_MANIFEST_BYTES)
        node = parse(content, descriptor.media_type, self._access.written(descriptor.digest))
        try:
            self._write(Node(descriptor, content, node))
        except RegistryError as error:
            raise _about_foreign_layers(error, node) from error
        if len(self._written) >= _MOST_KEPT_MANIFESTS:
            self._written.clear()
        self._written[descriptor.digest] = content

    def _write(self, node: Node) -> None:
        subject = node.parsed.subject
        # Of two that come at once, some registries (olareg 0.2) take both and list one: each waits for the other.
        with nullcontext() if subject is None else self._writing:
            answer = self._upstream.write(node.content, node.descriptor.media_type, node.descriptor.digest)
            if subject is not None and "OCI-Subject" not in answer.headers:
                self._referrers.record(subject.digest, describe(node))

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Make a tag stand for a manifest that is there; see :class:`~packhorse.oci.ports.ContentTarget`."""
        content = self._written.get(descriptor.digest)
        if content is None:
            content = read_verified(self, descriptor, max_bytes=MAX_MANIFEST_BYTES)
        self._upstream.write(content, descriptor.media_type, name)

    def _download(self, descriptor: Descriptor, offset: int) -> Download:
        what = f"read {descriptor.digest.short} of {self.name}"
        last: list[Place] = []

        def ask(position: int) -> Answer:
            headers = {"Range": f"bytes={position}-"} if position else {}
            on_from = f"{what} from {format_bytes(position)} on" if position else what

            def call(place: Place) -> Call:
                path = place.path(f"blobs/{descriptor.digest}")
                return Call(on_from, "GET", path, self._access.scope(place), headers)

            place, answer = self._access.ask(self._access.places(by_digest=True), call, _GOOD_PARTS)
            last[:] = [place]
            return answer

        def give_up(failure: TransportFailure, attempts: Attempts) -> None:
            fail(last[0].server, what, failure, attempts)

        return Download(descriptor, offset, ask, self._access.exchange.attempts(), give_up)


def _about_foreign_layers(error: RegistryError, node: Manifest | Index) -> RegistryError:
    """Say of a refused manifest that it has layers which a registry may be set up not to take."""
    foreign = [child for child in successors(node) if media_types.is_foreign_layer(child.media_type)]
    if error.hint or not foreign:
        return error
    where = in_one_line(", ".join(foreign[0].urls)) or "elsewhere"
    hint = (
        f"it has a foreign layer, which nodes fetch from {where} and many registries refuse to name; distribution's"
        " takes what its setting validation.manifests.urls.allow matches"
    )
    return type(error)(error.message, hint=hint)


class _TagList(msgspec.Struct, frozen=True):
    tags: tuple[str, ...] | None = None
