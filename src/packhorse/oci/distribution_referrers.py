"""Referrers in a registry: by its API, or by the tag that stands in for it ("Referrers Tag Schema" of the spec)."""

import threading

from packhorse.base.errors import IntegrityError, NetworkError, RegistryError
from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_errors import NotFoundError, refusal
from packhorse.oci.distribution_exchange import Call
from packhorse.oci.distribution_manifests import Manifests
from packhorse.oci.distribution_pages import pages
from packhorse.oci.distribution_routes import Access, Place
from packhorse.oci.model import Descriptor, Index, decode_json
from packhorse.oci.referrer import fallback_tag, listed, with_referrer

__all__ = ["Referrers"]

_OK = 200
_NO_API = frozenset({400, 404, 405, 406, 501})


class Referrers:
    """What refers to the manifests of one repository.

    Args:
        access: The repository.
        writing: Held while a list is changed; shared by all who write to the same repository.
    """

    def __init__(self, access: Access, writing: threading.RLock) -> None:
        self._access = access
        self._manifests = Manifests(access)
        self._upstream = Manifests(access.direct())
        self._writing = writing

    def list(self, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to a manifest; from the first place that can tell.

        Raises:
            NetworkError, RegistryError: No place can be asked.
            IntegrityError: The answer is no list of manifests.
        """
        places = self._access.places(by_digest=True)
        answered = False
        for place in places[:-1]:
            try:
                if (found := self._by_api(place, subject)) is not None:
                    return found
                answered = True
            except RegistryError:
                answered = True
            except NetworkError:
                continue
        try:
            found = self._by_api(places[-1], subject)
        except NetworkError:
            # A mirror has answered, and nobody behind it can be asked: what the mirror has is all there is.
            if not answered:
                raise
            found = None
        return found if found is not None else self._by_tag(subject)

    def record(self, subject: Digest, referrer: Descriptor) -> None:
        """Add to the tag's list, for a registry that does not keep the lists itself.

        Raises:
            NetworkError, RegistryError: The list can't be read or written.
            IntegrityError: What stands under the tag is not a list.
        """
        tag = fallback_tag(subject)
        where = self._access.written(tag)
        with self._writing:
            try:
                content = self._upstream.read(tag)[1]
            except NotFoundError:
                content = None
            changed = with_referrer(content, referrer, where)
            if changed is not None:
                self._upstream.write(changed, media_types.OCI_INDEX, tag)

    def _by_api(self, place: Place, subject: Digest) -> tuple[Descriptor, ...] | None:
        """Ask the API; None when this registry has none."""
        what = f"list what refers to {self._access.written(subject)}"
        call = Call(
            what,
            "GET",
            place.path(f"referrers/{subject}"),
            self._access.scope(place),
            {"Accept": media_types.OCI_INDEX},
        )
        found: list[Descriptor] = []
        for answer, content in pages(self._access, place, call):
            if answer.status in _NO_API:
                return None
            if answer.status != _OK:
                raise refusal(what, place.server.base, answer.status, content)
            if not answer.headers.get("Content-Type", "").startswith(media_types.OCI_INDEX):
                return None  # a page for people, from what answers every path
            found += decode_json(content, Index, f"the referrers of {subject.short}").manifests
        return listed(found)

    def _by_tag(self, subject: Digest) -> tuple[Descriptor, ...]:
        tag = fallback_tag(subject)
        try:
            described, content = self._manifests.read(tag)
        except NotFoundError:
            return ()
        index = manifest.parse(content, described.media_type, self._access.written(tag))
        if not isinstance(index, Index):
            raise IntegrityError(f"{self._access.written(tag)} is not a list of referrers")
        return listed(index.manifests)
