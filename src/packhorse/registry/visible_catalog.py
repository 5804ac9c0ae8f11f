"""A catalogue as somebody sees it who may not know of every repository: the others are as if they were not there."""

from collections.abc import Callable, Sequence

from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, Extent
from packhorse.registry.ports import Catalog

__all__ = ["VisibleCatalog"]


class VisibleCatalog:
    """Implements :class:`packhorse.registry.ports.Catalog`; content itself is not hidden, only who has it.

    Args:
        catalog: All of it.
        sees: Whether a repository may be known of, by its full name.
    """

    def __init__(self, catalog: Catalog, sees: Callable[[str], bool]) -> None:
        self._catalog = catalog
        self._sees = sees

    @property
    def is_instant(self) -> bool:
        """As the catalogue."""
        return self._catalog.is_instant

    def repositories(self) -> Sequence[str]:
        """Return the names that may be known, sorted."""
        return [name for name in self._catalog.repositories() if self._sees(name)]

    def registries(self, path: str) -> Sequence[str]:
        """Return the registries that have a repository of this path which may be known."""
        return [registry for registry in self._catalog.registries(path) if self._sees(f"{registry}/{path}")]

    def tags(self, name: str) -> Sequence[str] | None:
        """Return the tags of a repository."""
        return self._catalog.tags(name) if self._sees(name) else None

    def manifest(self, name: str, target: str) -> Descriptor | None:
        """Return what a tag or a digest stands for."""
        return self._catalog.manifest(name, target) if self._sees(name) else None

    def blob(self, name: str, digest: Digest) -> Descriptor | None:
        """Return content of a repository."""
        return self._catalog.blob(name, digest) if self._sees(name) else None

    def referrers(self, name: str, subject: Digest) -> Sequence[Descriptor]:
        """Return what refers to a manifest."""
        return self._catalog.referrers(name, subject) if self._sees(name) else ()

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """As the catalogue."""
        return self._catalog.open(descriptor, offset=offset)

    def locate(self, descriptor: Descriptor) -> Extent | None:
        """As the catalogue."""
        return self._catalog.locate(descriptor)
