"""Several catalogues as one; where two disagree about a name, the first one counts."""

from collections.abc import Sequence

from packhorse.base.errors import IntegrityError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, Extent
from packhorse.registry.ports import Catalog

__all__ = ["UnionCatalog"]


class UnionCatalog:
    """Implements :class:`packhorse.registry.ports.Catalog` over others."""

    def __init__(self, catalogs: Sequence[Catalog]) -> None:
        self._catalogs = tuple(catalogs)

    @property
    def is_instant(self) -> bool:
        """Whether all of them answer at once."""
        return all(catalog.is_instant for catalog in self._catalogs)

    def repositories(self) -> Sequence[str]:
        """Return all names, sorted."""
        return sorted({name for catalog in self._catalogs for name in catalog.repositories()})

    def registries(self, path: str) -> Sequence[str]:
        """Return the registries that have a repository of this path in any catalogue, sorted."""
        return sorted({registry for catalog in self._catalogs for registry in catalog.registries(path)})

    def tags(self, name: str) -> Sequence[str] | None:
        """Return the tags of a repository over all catalogues, sorted; None when none has it."""
        found = [tags for catalog in self._catalogs if (tags := catalog.tags(name)) is not None]
        return sorted({tag for tags in found for tag in tags}) if found else None

    def manifest(self, name: str, target: str) -> Descriptor | None:
        """Return the manifest that a tag or a digest stands for, from the first catalogue that knows it."""
        return next((found for each in self._catalogs if (found := each.manifest(name, target)) is not None), None)

    def blob(self, name: str, digest: Digest) -> Descriptor | None:
        """Return content that a repository has in any catalogue."""
        return next((found for each in self._catalogs if (found := each.blob(name, digest)) is not None), None)

    def referrers(self, name: str, subject: Digest) -> Sequence[Descriptor]:
        """Return what refers to a manifest in any catalogue, sorted by digest."""
        found = {item.digest: item for catalog in self._catalogs for item in catalog.referrers(name, subject)}
        return [found[digest] for digest in sorted(found)]

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read content from the first catalogue that has it.

        Raises:
            IntegrityError: None has it.
        """
        failure = IntegrityError(f"nothing here has {descriptor.digest}")
        for catalog in self._catalogs:
            try:
                return catalog.open(descriptor, offset=offset)
            except IntegrityError as error:
                failure = error
        raise failure

    def locate(self, descriptor: Descriptor) -> Extent | None:
        """Say where content lies in the first catalogue that has it in a file."""
        return next((found for each in self._catalogs if (found := each.locate(descriptor)) is not None), None)
