"""What is known of which repository of a registry has which blob, and whose turn it is to send one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from packhorse.oci.digest import Digest
from packhorse.oci.distribution_routes import Place

__all__ = ["Holdings"]


class Holdings:
    """Shared by all repositories and threads of a client; what it knows was seen in this run."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Digest], dict[str, None]] = {}
        self._absent: set[tuple[str, str, Digest]] = set()
        self._turns: dict[tuple[str, Digest], threading.Lock] = {}
        self._lock = threading.Lock()

    def has(self, place: Place, digest: Digest) -> bool:
        """Whether the repository was seen to have it."""
        with self._lock:
            return place.repository in self._found.get((place.server.base, digest), {})

    def lacks(self, place: Place, digest: Digest) -> bool:
        """Whether the repository was seen not to have it."""
        with self._lock:
            return (place.server.base, place.repository, digest) in self._absent

    def elsewhere(self, place: Place, digest: Digest) -> str | None:
        """Another repository of the registry that was seen to have it."""
        with self._lock:
            found = self._found.get((place.server.base, digest), {})
            return next((repository for repository in found if repository != place.repository), None)

    def note(self, place: Place, digest: Digest, *, found: bool) -> None:
        """Remember what was seen."""
        with self._lock:
            if found:
                self._found.setdefault((place.server.base, digest), {})[place.repository] = None
                self._absent.discard((place.server.base, place.repository, digest))
            else:
                self._absent.add((place.server.base, place.repository, digest))

    @contextmanager
    def turn(self, place: Place, digest: Digest) -> Iterator[None]:
        """Wait until no other thread sends this digest to the registry."""
        with self._lock:
            guard = self._turns.setdefault((place.server.base, digest), threading.Lock())
        with guard:
            yield
