"""Sending blobs to a registry: not at all where it has them, by a mount where another repository has, else in one go.

A registry or proxy that does not take a blob in one request gets it in chunks. An upload that breaks goes on where
it broke, when the registry can tell where that is.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from packhorse.base.errors import NetworkError, PackhorseError, RegistryError
from packhorse.base.units import KIB, MIB
from packhorse.oci.blob_streams import verified_blocks
from packhorse.oci.distribution_exchange import Call, fail, settle_location
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_routes import Access, Place, refused
from packhorse.oci.distribution_transport import Answer, Upload
from packhorse.oci.holdings import Holdings
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource
from packhorse.oci.registry_settings import Timeouts
from packhorse.oci.retry import RETRY_STATUSES

__all__ = ["Uploader"]

_OK = 200
_CREATED = 201
_ACCEPTED = 202
_NO_CONTENT = 204
_NOT_FOUND = 404
_TOO_LARGE = 413
_WANTS_CHUNKS = frozenset({404, 405, 411, 413, 416, 501})
_FIRST_CHUNK_BYTES = 4 * MIB
_LEAST_CHUNK_BYTES = 256 * KIB
_MOST_CHUNK_BYTES = 64 * MIB
_BREAKS_BEFORE_CHUNKS = 2
_MAX_DIGITS = 10
_RECEIVED = re.compile(r"(?:bytes=)?0-(\d{1,18})", re.ASCII)
_BINARY = {"Content-Type": "application/octet-stream"}


class _Session(msgspec.Struct, frozen=True):
    """An upload that the registry has begun."""

    location: str
    least_chunk_bytes: int = 0


class Uploader:
    """Sends blobs to one repository."""

    def __init__(self, access: Access, holdings: Holdings, timeouts: Timeouts) -> None:
        self._access = access
        self._holdings = holdings
        self._timeouts = timeouts

    def exists(self, descriptor: Descriptor) -> bool:
        """Ask whether the repository has a blob.

        Raises:
            NetworkError, RegistryError: It can't be asked.
        """
        place = self._access.upstream()
        if self._holdings.has(place, descriptor.digest):
            return True
        what = f"look for {descriptor.digest.short} in {self._access.name}"
        path = place.path(f"blobs/{descriptor.digest}")
        answer = self._access.exchange.run(place.server, Call(what, "HEAD", path, self._access.scope(place)))
        if answer.status not in {_OK, _NOT_FOUND}:
            raise refused(what, place, answer)
        answer.close()
        length = answer.content_length
        # A registry that holds another length under this digest has a damaged blob, which is sent again.
        found = answer.status == _OK and length in {None, descriptor.size}
        self._holdings.note(place, descriptor.digest, found=found)
        return found

    def note_held(self, descriptor: Descriptor) -> None:
        """Remember that the repository has a blob, so that others can take it over."""
        self._holdings.note(self._access.upstream(), descriptor.digest, found=True)

    def push(self, descriptor: Descriptor, source: ContentSource) -> None:
        """Send a blob, unless the repository has it.

        One digest is sent to one registry once at a time: some refuse the second of two, and the second is a mount.

        Raises:
            IntegrityError: The source's bytes are wrong.
            NetworkError, RegistryError: The registry can't be reached, or refuses.
        """
        place = self._access.upstream()
        with self._holdings.turn(place, descriptor.digest):
            if self._holdings.has(place, descriptor.digest):
                return
            if not self._holdings.lacks(place, descriptor.digest) and self.exists(descriptor):
                return
            session = self._mount(place, descriptor)
            if session is not None:
                _Sending(self._access, place, self._timeouts, descriptor, source).run(session)
            self._holdings.note(place, descriptor.digest, found=True)

    def _mount(self, place: Place, descriptor: Descriptor) -> _Session | None:
        """Try to take the blob over from a repository known to have it; None when that is done."""
        known = self._holdings.elsewhere(place, descriptor.digest)
        if known is not None:
            what = f"mount {descriptor.digest.short} from {known} in {self._access.name}"
            path = place.path("blobs/uploads/") + f"?mount={descriptor.digest}&from={quote(known, safe='/')}"
            scope = self._access.scope(place) | {f"repository:{known}:pull"}
            try:
                answer = self._access.exchange.run(place.server, Call(what, "POST", path, scope, upload=_NOTHING))
            except RegistryError:
                # No leave to read there is no reason to fail: it can still be sent.
                return _begin(self._access, place, descriptor)
            if answer.status == _CREATED:
                answer.close()
                return None
            if answer.status == _ACCEPTED and answer.headers.get("Location"):
                return _session(answer, what)
            answer.close()
        return _begin(self._access, place, descriptor)


class _Sending:
    """One blob on its way; used once, by one thread."""

    def __init__(
        self, access: Access, place: Place, timeouts: Timeouts, descriptor: Descriptor, source: ContentSource
    ) -> None:
        self._access = access
        self._place = place
        self._descriptor = descriptor
        self._source = source
        self._scope = access.scope(place)
        self._commit_seconds = timeouts.commit_seconds
        self._what = f"send {descriptor.digest.short} to {access.name}"
        self._attempts = access.exchange.attempts()
        self._breaks = 0
        self._in_chunks = False
        self._chunk_bytes = _FIRST_CHUNK_BYTES

    def run(self, session: _Session) -> None:
        """Send until the registry has it all, or it is hopeless."""
        offset = 0
        while True:
            try:
                answer = self._send(session, offset)
            except TransportFailure as failure:
                self._breaks += 1
                if not self._attempts.wait():
                    self._cancel(session)
                    fail(self._place.server, self._what, failure, self._attempts)
                session, offset = self._resume(session)
                continue
            except PackhorseError:
                self._cancel(session)
                raise
            if answer.status == _CREATED:
                answer.close()
                return
            session, offset = self._after_refusal(answer, session), 0

    def _send(self, session: _Session, offset: int) -> Answer:
        if self._in_chunks:
            return self._send_in_chunks(session, offset)
        if not offset:
            return self._commit(session.location, Upload(self._descriptor.size, self._blocks))
        size = self._descriptor.size
        rest = Upload(size - offset, lambda: verified_blocks(self._source, self._descriptor, skip=offset))
        answer = self._once("PATCH", session.location, rest, {"Content-Range": f"{offset}-{size - 1}"})
        return self._commit(_session(answer, self._what).location) if answer.status == _ACCEPTED else answer

    def _blocks(self) -> Iterator[memoryview]:
        return verified_blocks(self._source, self._descriptor)

    def _commit(self, location: str, upload: Upload | None = None) -> Answer:
        separator = "&" if "?" in location else "?"
        return self._once("PUT", f"{location}{separator}digest={self._descriptor.digest}", upload or _NOTHING)

    def _send_in_chunks(self, session: _Session, offset: int) -> Answer:
        # What is collected for one chunk must outlive the block that it came from.
        chunk = bytearray()
        most = max(self._chunk_bytes, session.least_chunk_bytes)
        for block in verified_blocks(self._source, self._descriptor, skip=offset):
            rest = block
            while rest:
                room = most - len(chunk)
                chunk += rest[:room]
                rest = rest[room:]
                if len(chunk) == most or offset + len(chunk) == self._descriptor.size:
                    answer = self._patch(session.location, bytes(chunk), offset)
                    if answer.status != _ACCEPTED:
                        return answer
                    session = _session(answer, self._what)
                    offset += len(chunk)
                    chunk.clear()
        return self._commit(session.location)

    def _patch(self, location: str, chunk: bytes, offset: int) -> Answer:
        last = offset + len(chunk) - 1
        answer = self._once(
            "PATCH", location, Upload(len(chunk), lambda: [chunk]), {"Content-Range": f"{offset}-{last}"}
        )
        received = _RECEIVED.fullmatch(answer.headers.get("Range", "").strip())
        if answer.status == _ACCEPTED and received is not None and int(received[1]) != last:
            answer.close()
            raise TransportFailure(f"it took {int(received[1]) + 1} of {last + 1} bytes")
        return answer

    def _once(self, method: str, location: str, upload: Upload, headers: dict[str, str] | None = None) -> Answer:
        seconds = self._commit_seconds if method == "PUT" else None
        call = Call(self._what, method, location, self._scope, _BINARY | (headers or {}), upload, seconds)
        return self._access.exchange.once(self._place.server, call)

    def _resume(self, session: _Session) -> tuple[_Session, int]:
        """After a break: where to go on, as the registry says; or from the start in a new session."""
        if self._breaks >= _BREAKS_BEFORE_CHUNKS and not self._in_chunks:
            # Some proxies cut large requests off without a word.
            self._in_chunks = True
        call = Call(self._what, "GET", session.location, self._scope, retry=False)
        try:
            answer = self._access.exchange.run(self._place.server, call)
        except (NetworkError, RegistryError):
            return _begin(self._access, self._place, self._descriptor), 0
        answer.close()
        received = _RECEIVED.fullmatch(answer.headers.get("Range", "").strip())
        # "0-0" is said for nothing, too.
        if answer.status != _NO_CONTENT or received is None or not 0 < int(received[1]) < self._descriptor.size - 1:
            self._cancel(session)
            return _begin(self._access, self._place, self._descriptor), 0
        location = answer.headers.get("Location")
        settled = settle_location(answer.url, location, self._what) if location else session.location
        return _Session(settled, session.least_chunk_bytes), int(received[1]) + 1

    def _after_refusal(self, answer: Answer, session: _Session) -> _Session:
        """Decide how to go on after an answer that is no success; raise when there is no way."""
        retry_after = answer.headers.get("Retry-After")
        error = refused(self._what, self._place, answer)
        if answer.status in _WANTS_CHUNKS and not self._in_chunks:
            self._in_chunks = True
        elif answer.status == _TOO_LARGE and self._chunk_bytes > max(_LEAST_CHUNK_BYTES, session.least_chunk_bytes):
            self._chunk_bytes //= 2
        elif answer.status not in RETRY_STATUSES or not self._attempts.wait(retry_after):
            self._cancel(session)
            raise error
        self._cancel(session)
        return _begin(self._access, self._place, self._descriptor)

    def _cancel(self, session: _Session) -> None:
        """Tell the registry to forget the upload; one that does not do this forgets it by itself, later."""
        call = Call(self._what, "DELETE", session.location, self._scope, retry=False)
        try:
            self._access.exchange.run(self._place.server, call).close()
        except (NetworkError, RegistryError):
            return


_NOTHING = Upload(0, list)


def _begin(access: Access, place: Place, descriptor: Descriptor) -> _Session:
    what = f"begin to send {descriptor.digest.short} to {access.name}"
    call = Call(what, "POST", place.path("blobs/uploads/"), access.scope(place), upload=_NOTHING)
    answer = access.exchange.run(place.server, call)
    if answer.status != _ACCEPTED:
        raise refused(what, place, answer)
    return _session(answer, what)


def _session(answer: Answer, what: str) -> _Session:
    answer.close()
    location = answer.headers.get("Location")
    if not location:
        raise RegistryError(f"could not {what}: {answer.url} does not say where to send it (no Location header)")
    least = answer.headers.get("OCI-Chunk-Min-Length", "")
    wanted = int(least) if least.isascii() and least.isdigit() and len(least) <= _MAX_DIGITS else 0
    return _Session(settle_location(answer.url, location, what), min(wanted, _MOST_CHUNK_BYTES))
