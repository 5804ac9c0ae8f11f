"""A site's store in memory: the least that keeps the promises of ``SiteStore``, for tests of what stands above it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from packhorse.base.errors import IntegrityError
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.store.names_changes import ManifestEntry, check_expectation
from packhorse.store.refusals import BusyError, MissingPartError, OffsetError, WrongDigestError

__all__ = ["MemoryContent", "MemorySite"]

_BLOB_TYPE = "application/octet-stream"


@dataclass
class _Upload:
    repository: str
    content: bytearray = field(default_factory=bytearray)
    is_busy: bool = False


@dataclass
class _Repository:
    tags: dict[str, Descriptor] = field(default_factory=dict)
    manifests: dict[Digest, Descriptor] = field(default_factory=dict)
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)
    referrers: dict[tuple[Digest, Digest], Descriptor] = field(default_factory=dict)


@dataclass
class MemoryContent:
    """What several instances of a store share, as several processes share a disk."""

    contents: dict[Digest, bytes] = field(default_factory=dict)
    repositories: dict[str, _Repository] = field(default_factory=dict)
    uploads: dict[str, _Upload] = field(default_factory=dict)
    begun: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Sink:
    def __init__(self, upload: _Upload, lock: threading.Lock) -> None:
        self._upload = upload
        self._lock = lock
        self._is_open = True

    @property
    def received(self) -> int:
        return len(self._upload.content)

    def write(self, blocks: Sequence[bytes]) -> None:
        assert self._is_open
        with self._lock:
            for block in blocks:
                self._upload.content += block

    def close(self) -> None:
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._upload.is_busy = False


class MemorySite:
    """Implements :class:`packhorse.registry.ports.SiteStore`."""

    def __init__(self, shared: MemoryContent | None = None, *, is_instant: bool = True) -> None:
        self._shared = shared if shared is not None else MemoryContent()
        self._lock = self._shared.lock
        self._is_instant = is_instant

    @property
    def is_instant(self) -> bool:
        """As it was told: so that the server's two ways to ask can be tried."""
        return self._is_instant

    # --- catalogue ------------------------------------------------------------------------------------------------

    def repositories(self) -> Sequence[str]:
        """Return all names, sorted."""
        with self._lock:
            return sorted(self._shared.repositories)

    def registries(self, path: str) -> Sequence[str]:
        """Return the registries that have a repository of this path, sorted."""
        split = (name.partition("/") for name in self.repositories())
        return sorted(registry for registry, _, rest in split if rest == path)

    def tags(self, name: str) -> Sequence[str] | None:
        """Return the tags of a repository, sorted; None when there is no such repository."""
        with self._lock:
            found = self._shared.repositories.get(name)
            return None if found is None else sorted(found.tags)

    def manifest(self, name: str, target: str) -> Descriptor | None:
        """Return what a tag or a digest stands for."""
        with self._lock:
            found = self._repository(name)
            return found.manifests.get(Digest(target)) if ":" in target else found.tags.get(target)

    def blob(self, name: str, digest: Digest) -> Descriptor | None:
        """Return content that a repository has."""
        with self._lock:
            found = self._repository(name)
            return found.manifests.get(digest) or found.blobs.get(digest)

    def referrers(self, name: str, subject: Digest) -> Sequence[Descriptor]:
        """Return what refers to a manifest, sorted by digest."""
        with self._lock:
            about = sorted(self._repository(name).referrers.items())
            return [descriptor for (named, _), descriptor in about if named == subject]

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BytesStream:
        """Begin to read."""
        content = self._shared.contents.get(descriptor.digest)
        if content is None:
            raise IntegrityError(f"{descriptor.digest} is not in this store")
        return BytesStream(content, offset)

    def locate(self, descriptor: Descriptor) -> None:
        """Nothing lies in a file."""
        del descriptor

    # --- uploads --------------------------------------------------------------------------------------------------

    def begin_upload(self, name: str, algorithm: str) -> str:
        """Begin an upload."""
        del algorithm
        with self._lock:
            self._shared.begun += 1
            upload = f"{self._shared.begun:032x}"
            self._shared.uploads[upload] = _Upload(name)
            return upload

    def received(self, name: str, upload: str) -> int | None:
        """Return how many bytes an upload has."""
        found = self._upload(name, upload)
        return None if found is None else len(found.content)

    def append(self, name: str, upload: str, offset: int | None) -> _Sink | None:
        """Begin to add bytes to an upload."""
        found = self._upload(name, upload)
        if found is None:
            return None
        with self._lock:
            _check_idle(found)
            if offset is not None and offset != len(found.content):
                raise OffsetError(len(found.content))
            found.is_busy = True
        return _Sink(found, self._lock)

    def finish_upload(self, name: str, upload: str, digest: Digest) -> Descriptor | None:
        """Keep an upload as a blob."""
        found = self._upload(name, upload)
        if found is None:
            return None
        with self._lock:
            _check_idle(found)
            del self._shared.uploads[upload]
            content = bytes(found.content)
            actual = Digest.of(content, digest.algorithm)
            if actual != digest:
                raise WrongDigestError(f"expected {digest}, the {len(content)} bytes that came hash to {actual}")
            descriptor = Descriptor(media_type=_BLOB_TYPE, digest=digest, size=len(content))
            self._shared.contents[digest] = content
            self._made(name).blobs[digest] = descriptor
        return descriptor

    def cancel_upload(self, name: str, upload: str) -> bool:
        """Forget an upload."""
        found = self._upload(name, upload)
        if found is None:
            return False
        with self._lock:
            _check_idle(found)
            return self._shared.uploads.pop(upload, None) is not None

    # --- names ----------------------------------------------------------------------------------------------------

    def mount(self, name: str, digest: Digest, source: str) -> Descriptor | None:
        """Let a repository have another one's blob."""
        descriptor = self.blob(source, digest)
        if descriptor is not None:
            with self._lock:
                self._made(name).blobs[digest] = descriptor
        return descriptor

    def put_manifest(self, name: str, entry: ManifestEntry, content: bytes) -> None:
        """Keep a manifest."""
        digest = entry.descriptor.digest
        with self._lock:
            held = self._repository(name)
            for needed in entry.needs:
                if needed not in held.blobs and needed not in held.manifests:
                    raise MissingPartError(needed)
            if entry.expected is not None and entry.tags:
                now = held.tags.get(entry.tags[0])
                check_expectation(entry.expected, None if now is None else now.digest, entry.tags[0])
            held = self._made(name)
            self._shared.contents[digest] = content
            held.manifests[digest] = entry.descriptor.plain()
            held.tags.update(dict.fromkeys(entry.tags, entry.descriptor))
            if entry.subject is not None and entry.referrer is not None:
                held.referrers[entry.subject, digest] = entry.referrer

    def delete_tag(self, name: str, tag: str) -> bool:
        """Take a tag away."""
        return self._change(name, lambda held: held.tags.pop(tag, None) is not None)

    def delete_manifest(self, name: str, digest: Digest) -> bool:
        """Take a manifest and its tags away."""

        def change(held: _Repository) -> bool:
            held.tags = {tag: found for tag, found in held.tags.items() if found.digest != digest}
            held.referrers = {key: found for key, found in held.referrers.items() if found.digest != digest}
            return held.manifests.pop(digest, None) is not None

        return self._change(name, change)

    def delete_blob(self, name: str, digest: Digest) -> bool:
        """Take a blob away."""
        return self._change(name, lambda held: held.blobs.pop(digest, None) is not None)

    def _change(self, name: str, change: Callable[[_Repository], bool]) -> bool:
        with self._lock:
            return change(self._repository(name))

    def _repository(self, name: str) -> _Repository:
        return self._shared.repositories.get(name, _Repository())

    def _made(self, name: str) -> _Repository:
        return self._shared.repositories.setdefault(name, _Repository())

    def _upload(self, name: str, upload: str) -> _Upload | None:
        with self._lock:
            found = self._shared.uploads.get(upload)
            return found if found is not None and found.repository == name else None


def _check_idle(upload: _Upload) -> None:
    if upload.is_busy:
        raise BusyError("another request is sending to this upload")
