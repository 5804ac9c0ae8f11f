"""Manifests in a registry: read by tag or digest, and written as the exact bytes that they are."""

import re
from collections.abc import Callable

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.json_decoder import decode_as
from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_errors import NotFoundError
from packhorse.oci.distribution_exchange import Call, fail
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_routes import Access, Place, refused
from packhorse.oci.distribution_transport import Answer, Upload
from packhorse.oci.model import Descriptor

__all__ = ["Manifests"]

_ACCEPT = ", ".join(sorted(media_types.INDEX_TYPES | media_types.MANIFEST_TYPES)) + ", */*;q=0.1"
_VAGUE_TYPES = frozenset({"", "application/json", "application/octet-stream", "text/plain"})
_OK = 200
_WRITE_SECONDS = 120.0
"""A registry may look for everything that an index lists before it answers."""
_HEAD_ANSWERS = frozenset({_OK, 405, 501})
_WRITTEN = frozenset({200, 201, 202})


class Manifests:
    """The manifests of one repository."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def find(self, target: str) -> Descriptor | None:
        """Return what a tag or digest stands for; None when all places answer that there is no such thing."""
        try:
            return self.resolve(target)
        except NotFoundError:
            return None

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest stands for, as the first place that knows it says.

        Raises:
            NotFoundError, RegistryError: No place knows it.
            NetworkError: No place can be reached.
            IntegrityError: The answer is not a manifest, or not the one of this digest.
        """
        digest = _as_digest(target)
        places = self._access.places(by_digest=digest is not None)
        _, answer = self._access.ask(places, self._call("HEAD", target), _HEAD_ANSWERS)
        answer.close()
        described = _described(answer) if answer.status == _OK else None
        if described is None:
            return self.read(target)[0]
        self._check_digest(digest, described)
        manifest.check_manifest_size(described)
        return described

    def read(self, target: str, accept: str = _ACCEPT) -> tuple[Descriptor, bytes]:
        """Read a manifest or index by tag or digest, with the descriptor that its bytes give.

        Raises:
            NotFoundError, RegistryError: No place knows it.
            NetworkError: No place can be reached.
            IntegrityError: It is too large, of another digest than asked for, or no manifest.
        """
        digest = _as_digest(target)
        written = self._access.written(target)
        answer, content = self._fetch(target, accept)
        described = _describe(answer, content, written, "sha256" if digest is None else digest.algorithm)
        self._check_digest(digest, described)
        return described, content

    def read_as(self, descriptor: Descriptor) -> bytes:
        """Read the manifest of a descriptor; its bytes are not checked here, but for their number.

        Raises:
            NotFoundError, RegistryError, NetworkError: As :meth:`read`.
            IntegrityError: It is too large.
        """
        manifest.check_manifest_size(descriptor)
        return self._fetch(descriptor.digest, f"{descriptor.media_type}, {_ACCEPT}")[1]

    def write(self, content: bytes, media_type: str, target: str) -> Answer:
        """Put a manifest, and return the answer, which is read and closed.

        Raises:
            RegistryError: The registry refuses it.
            NetworkError: The registry can't be reached.
            IntegrityError: The registry says that it holds other bytes now.
        """
        place = self._access.upstream()
        what = f"write the manifest {self._access.written(target)}"
        headers = {"Content-Type": media_type}
        upload = Upload(len(content), lambda: [content])
        path, scope = place.path(f"manifests/{target}"), self._access.scope(place)
        call = Call(what, "PUT", path, scope, headers, upload, answer_seconds=_WRITE_SECONDS)
        answer = self._access.exchange.run(place.server, call)
        if answer.status not in _WRITTEN:
            raise refused(what, place, answer)
        answer.close()
        if claimed := answer.headers.get("Docker-Content-Digest"):
            _check_claimed(claimed, content, f"{self._access.written(target)} at {place.server.base}")
        return answer

    def _fetch(self, target: str, accept: str) -> tuple[Answer, bytes]:
        written = self._access.written(target)
        attempts = self._access.exchange.attempts()
        while True:
            places = self._access.places(by_digest=":" in target)
            place, answer = self._access.ask(places, self._call("GET", target, accept))
            length = answer.content_length
            if length is not None and length > manifest.MAX_MANIFEST_BYTES:
                answer.close()
                raise _too_large(written, f"{length} bytes")
            try:
                content = answer.read(manifest.MAX_MANIFEST_BYTES + 1)
                break
            except TransportFailure as failure:
                if not attempts.wait():
                    fail(place.server, f"read {written}", failure, attempts)
        if len(content) > manifest.MAX_MANIFEST_BYTES:
            raise _too_large(written, "more")
        return answer, content

    def _call(self, method: str, target: str, accept: str = _ACCEPT) -> Callable[[Place], Call]:
        what = f"read {self._access.written(target)}"

        def call(place: Place) -> Call:
            path = place.path(f"manifests/{target}")
            return Call(what, method, path, self._access.scope(place), {"Accept": accept})

        return call

    def _check_digest(self, expected: Digest | None, described: Descriptor) -> None:
        if expected is not None and described.digest != expected:
            raise _other_digest(self._access.written(expected), expected, described.digest)


class _SelfDescribed(msgspec.Struct, rename="camel"):
    media_type: str | None = None
    manifests: object = None


def _as_digest(target: str) -> Digest | None:
    return Digest(target) if ":" in target else None


def _described(answer: Answer) -> Descriptor | None:
    """Read a descriptor from the headers of an answer; None when they do not tell all."""
    media_type = _media_type(answer)
    length = answer.content_length
    text = answer.headers.get("Docker-Content-Digest", "")
    if length is None or not text or media_type in _VAGUE_TYPES:
        return None
    return Descriptor(media_type=media_type, digest=Digest(text), size=length)


def _describe(answer: Answer, content: bytes, what: str, algorithm: str) -> Descriptor:
    """Describe the manifest in the body of an answer, whose header must tell the digest of these very bytes."""
    if claimed := answer.headers.get("Docker-Content-Digest"):
        _check_claimed(claimed, content, f"{what} from {answer.url}")
    media_type = _media_type(answer)
    if not media_types.is_metadata(media_type) and media_type not in media_types.DOCKER_SCHEMA1_TYPES:
        media_type = _media_type_within(content, what)
    return Descriptor(media_type=media_type, digest=Digest.of(content, algorithm), size=len(content))


def _media_type(answer: Answer) -> str:
    return re.split(r"[;\s]", answer.headers.get("Content-Type", "").strip(), maxsplit=1)[0].lower()


def _media_type_within(content: bytes, what: str) -> str:
    """Tell from the content what a registry that answers "application/json" does not say."""
    try:
        said = decode_as(content, _SelfDescribed)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{what} is not a manifest: {error}") from error
    if said.media_type is not None:
        return said.media_type
    return media_types.OCI_INDEX if said.manifests is not None else media_types.OCI_MANIFEST


def _check_claimed(claimed: str, content: bytes, where: str) -> None:
    found = Digest.of(content, Digest(claimed).algorithm)
    if claimed != found:
        raise _other_digest(where, claimed, found)


def _too_large(what: str, found: str) -> IntegrityError:
    return IntegrityError(f"{what}: expected a manifest of at most {manifest.MAX_MANIFEST_BYTES} bytes, found {found}")


def _other_digest(where: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(f"{where}: expected {expected}, the registry gave {found}")
