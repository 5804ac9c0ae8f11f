"""The client of OCI registries (distribution-spec 1.1): :class:`RegistryClient` and the repositories it gives.

Blocking, and safe to use from several threads; one thread carries one blob.
"""

import re
from collections.abc import Callable
from typing import Self

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.units import format_bytes
from packhorse.oci import manifest, media_types
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_auth import Scope
from packhorse.oci.distribution_download import Download
from packhorse.oci.distribution_exchange import Call, Exchange, fail
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_routes import Place, Router, ask_first
from packhorse.oci.distribution_transport import Answer
from packhorse.oci.mirrors import Location
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream
from packhorse.oci.reference import Reference
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import Attempts, Pacing

__all__ = ["RegistryClient", "Repository"]

_ACCEPT = ", ".join(sorted(media_types.INDEX_TYPES | media_types.MANIFEST_TYPES)) + ", */*;q=0.1"
_GOOD_PARTS = frozenset({200, 206})
_ASK_AGAIN_WITH_GET = frozenset({200, 404, 405, 501})


class RegistryClient:
    """All registries, under one set of settings. Connections and tokens are shared by its repositories."""

    def __init__(self, settings: RegistrySettings, pacing: Pacing | None = None) -> None:
        pacing = pacing or Pacing()
        self.settings = settings
        self.exchange = Exchange(settings, pacing)
        self.router = Router(settings, pacing)

    def repository(self, name: str, *, direct: bool = False) -> "Repository":
        """Return a repository to read from or write to.

        Args:
            name: Registry and repository, as :attr:`Reference.name` has it.
            direct: Leave mirrors aside: what is pushed to is asked itself.

        Raises:
            RegistryError: The settings block it.
        """
        reference = Reference.parse(name)
        return Repository(self, reference.registry, reference.repository, direct=direct)

    def close(self) -> None:
        """Close the connections that are kept."""
        self.exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Repository:
    """One repository: a source of content and names."""

    def __init__(self, client: RegistryClient, registry: str, repository: str, *, direct: bool) -> None:
        self.registry = registry
        self.repository = repository
        self._client = client
        upstream = Location(registry, repository)
        self._locations = (upstream,) if direct else client.settings.mirrors.locations(registry, repository)
        self._pull: Scope = frozenset({f"repository:{repository}:pull"})

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest stands for, as the first place that knows it says.

        Raises:
            RegistryError: No place knows it.
            NetworkError: No place can be reached.
            IntegrityError: The answer is not a manifest, or not the one of this digest.
        """
        digest = Digest(target) if ":" in target else None
        places = self._places(by_digest=digest is not None)
        call = self._manifest_call("HEAD", target, _ACCEPT)
        place, answer = ask_first(self._client.exchange, self._client.router, places, call, _ASK_AGAIN_WITH_GET)
        answer.close()
        described = _described(answer) if answer.status == 200 else None  # noqa: PLR2004
        if described is None:
            described, _ = self._fetch_manifest(target, _ACCEPT, [place, *(each for each in places if each != place)])
        if digest is not None and described.digest != digest:
            raise _other_digest(f"{self.name}@{digest}", digest, described.digest)
        manifest.check_manifest_size(described)
        return described

    def read_manifest(self, target: str) -> tuple[Descriptor, bytes]:
        """Read a manifest or index by tag or digest, in one request, with the descriptor that its bytes give.

        Raises:
            RegistryError: No place knows it.
            NetworkError: No place can be reached.
            IntegrityError: It is too large, of another digest than asked for, or no manifest.
        """
        digest = Digest(target) if ":" in target else None
        described, content = self._fetch_manifest(target, _ACCEPT, self._places(by_digest=digest is not None))
        if digest is not None and described.digest != digest:
            raise _other_digest(f"{self.name}@{digest}", digest, described.digest)
        return described, content

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read a blob or manifest; see :class:`~packhorse.oci.ports.ContentSource`."""
        if media_types.is_metadata(descriptor.media_type):
            manifest.check_manifest_size(descriptor)
            accept = f"{descriptor.media_type}, {_ACCEPT}"
            _, content = self._fetch_manifest(descriptor.digest, accept, self._places(by_digest=True))
            return BytesStream(content, offset)
        return self._download(descriptor, offset)

    def _download(self, descriptor: Descriptor, offset: int) -> Download:
        what = f"read {descriptor.digest.short} of {self.name}"
        last: list[Place] = []

        def ask(position: int) -> Answer:
            headers = {"Range": f"bytes={position}-"} if position else {}
            on_from = f"{what} from {format_bytes(position)} on" if position else what

            def call(place: Place) -> Call:
                return Call(on_from, "GET", place.path(f"blobs/{descriptor.digest}"), self._scope(place), headers)

            places = self._places(by_digest=True)
            place, answer = ask_first(self._client.exchange, self._client.router, places, call, _GOOD_PARTS)
            last[:] = [place]
            return answer

        def give_up(failure: TransportFailure, attempts: Attempts) -> None:
            fail(last[0].server, what, failure, attempts)

        return Download(descriptor, offset, ask, self._client.exchange.attempts(), give_up)

    def _fetch_manifest(self, target: str, accept: str, places: list[Place]) -> tuple[Descriptor, bytes]:
        call = self._manifest_call("GET", target, accept)
        exchange, what = self._client.exchange, f"read {self._written(target)}"
        attempts = exchange.attempts()
        while True:
            place, answer = ask_first(exchange, self._client.router, places, call)
            _check_claimed_length(answer, self._written(target))
            try:
                content = answer.read(manifest.MAX_MANIFEST_BYTES + 1)
                break
            except TransportFailure as failure:
                if not attempts.wait():
                    fail(place.server, what, failure, attempts)
        if len(content) > manifest.MAX_MANIFEST_BYTES:
            raise _too_large(self._written(target), "more")
        algorithm = target.partition(":")[0] if ":" in target else "sha256"
        return _describe(answer, content, self._written(target), algorithm), content

    def _manifest_call(self, method: str, target: str, accept: str) -> Callable[[Place], Call]:
        what = f"read {self._written(target)}"

        def call(place: Place) -> Call:
            return Call(what, method, place.path(f"manifests/{target}"), self._scope(place), {"Accept": accept})

        return call

    def _places(self, *, by_digest: bool) -> list[Place]:
        unwanted = "tag" if by_digest else "digest"
        return [place for place in self._client.router.places(self._locations) if place.pull_by != unwanted]

    def _scope(self, place: Place) -> Scope:
        return frozenset({f"repository:{place.repository}:pull"}) if place.is_mirror else self._pull

    def _written(self, target: str) -> str:
        return f"{self.name}{'@' if ':' in target else ':'}{target}"


class _SelfDescribed(msgspec.Struct, rename="camel"):
    media_type: str | None = None
    config: msgspec.Raw | None = None
    manifests: msgspec.Raw | None = None


def _described(answer: Answer) -> Descriptor | None:
    """Read a descriptor from the headers of an answer; None when they do not tell all."""
    media_type = _media_type(answer)
    length = answer.content_length
    text = answer.headers.get("Docker-Content-Digest", "")
    if length is None or not text or media_type in {"", "application/json", "application/octet-stream", "text/plain"}:
        return None
    return Descriptor(media_type=media_type, digest=Digest(text), size=length)


def _describe(answer: Answer, content: bytes, what: str, algorithm: str) -> Descriptor:
    """Describe the manifest in the body of an answer, whose header must tell the digest of these very bytes."""
    if claimed := answer.headers.get("Docker-Content-Digest"):
        found = Digest.of(content, Digest(claimed).algorithm)
        if claimed != found:
            raise _other_digest(f"{what} from {answer.url}", claimed, found)
    digest = Digest.of(content, algorithm)
    media_type = _media_type(answer)
    if not media_types.is_metadata(media_type) and media_type not in media_types.DOCKER_SCHEMA1_TYPES:
        media_type = _media_type_within(content, what)
    return Descriptor(media_type=media_type, digest=digest, size=len(content))


def _media_type(answer: Answer) -> str:
    return re.split(r"[;\s]", answer.headers.get("Content-Type", "").strip(), maxsplit=1)[0].lower()


def _media_type_within(content: bytes, what: str) -> str:
    """Tell from the content what a registry that answers "application/json" does not say."""
    try:
        said = msgspec.json.decode(content, type=_SelfDescribed)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        message = f"{what} is not a manifest: {error}"
        raise IntegrityError(message) from error
    if said.media_type is not None:
        return said.media_type
    return media_types.OCI_INDEX if said.manifests is not None else media_types.OCI_MANIFEST


def _check_claimed_length(answer: Answer, what: str) -> None:
    length = answer.content_length
    if length is not None and length > manifest.MAX_MANIFEST_BYTES:
        answer.close()
        raise _too_large(what, str(length))


def _too_large(what: str, found: str) -> IntegrityError:
    return IntegrityError(f"{what}: expected a manifest of at most {manifest.MAX_MANIFEST_BYTES} bytes, found {found}")


def _other_digest(where: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(f"{where}: expected {expected}, the registry gave {found}")
