"""``serve``: answer image pulls straight from bundles, stores and what other tools wrote, in place."""

import resource
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from packhorse.base.errors import ConfigError, UsageError
from packhorse.bundle.reader import Bundle
from packhorse.oci.digest import Digest
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.listener import Address, Listener, TlsFiles, run
from packhorse.registry.ports import Catalog, ImageSource
from packhorse.registry.union_catalog import UnionCatalog
from packhorse.store.directory_store import DirectoryStore, is_store
from packhorse.store.layout_source import LayoutSource
from packhorse.store.open_source import is_file_source, open_files, parse_source

__all__ = ["Conflict", "Serving", "open_catalogs", "serve"]


class Conflict(msgspec.Struct, frozen=True):
    """One tag that two of the sources give to two manifests; the first source's is served."""

    name: str
    served: Digest
    hidden: Digest


class Serving(msgspec.Struct, frozen=True):
    """What a server that answers tells of itself."""

    listener: Listener
    sources: int
    conflicts: tuple[Conflict, ...]


def serve(sources: Sequence[str], address: Address, tls: TlsFiles | None, ready: Callable[[Serving], None]) -> None:
    """Serve until the process is told to stop.

    Args:
        sources: Bundles and store directories; or ``oci:``, ``oci-archive:`` and ``docker-archive:`` in skopeo's
            words. Where two give one tag to two manifests, the first one counts.
        address: Where to listen.
        tls: Certificate and key; None for plain HTTP.
        ready: Called once the server answers.

    Raises:
        UsageError: There is no such source.
        ConfigError: A source is no image source, or holds no image with a full name; the certificate is unusable.
        IntegrityError: A source is malformed.
        NetworkError: The address cannot be listened on.
    """
    _raise_file_limit()
    with ExitStack() as opened:
        catalogs = open_catalogs(sources, opened)
        conflicts = find_conflicts(catalogs)
        catalog = catalogs[0] if len(catalogs) == 1 else UnionCatalog(catalogs)
        run(catalog, address, tls, lambda listener: ready(Serving(listener, len(catalogs), conflicts)))


def open_catalogs(sources: Sequence[str], opened: ExitStack) -> list[Catalog]:
    """Open each source; ``opened`` closes them.

    Raises:
        As :func:`serve`.
    """
    catalogs: list[Catalog] = []
    for text in sources:
        path = Path(text)
        if is_file_source(text):
            files = open_files(parse_source(text))
            opened.callback(files.close)
            catalogs.append(_named(files, text))
        elif is_store(path):
            store = DirectoryStore.open_existing(path)
            opened.callback(store.close)
            catalogs.append(store)
        elif path.is_dir():
            layout = _layout(text)
            opened.callback(layout.close)
            catalogs.append(_named(layout, text))
        else:
            catalogs.append(GraphCatalog(opened.enter_context(Bundle.open_file(path))))
    return catalogs


def find_conflicts(catalogs: Sequence[Catalog]) -> tuple[Conflict, ...]:
    """List the tags that a later catalogue gives to another manifest than an earlier one."""
    if len(catalogs) < 2:  # noqa: PLR2004 - one cannot disagree with itself
        return ()
    served: dict[str, Digest] = {}
    conflicts = []
    for catalog in catalogs:
        for name in catalog.repositories():
            for tag in catalog.tags(name) or ():
                descriptor = catalog.manifest(name, tag)
                if descriptor is None:
                    continue
                full = f"{name}:{tag}"
                first = served.setdefault(full, descriptor.digest)
                if first != descriptor.digest:
                    conflicts.append(Conflict(full, first, descriptor.digest))
    return tuple(conflicts)


def _named(source: ImageSource, text: str) -> GraphCatalog:
    if next(iter(source.images()), None) is None:
        message = f"{text} holds no image with a full name such as docker.io/library/redis:7.2"
        raise ConfigError(message, hint="its images have tags only, so nothing says which repository they are in")
    return GraphCatalog(source)


def _layout(path: str) -> LayoutSource:
    try:
        return LayoutSource.at(path)
    except ConfigError as error:
        message = f"{path} is neither a store nor an OCI layout"
        raise UsageError(message, hint="make a store with: packhorse load BUNDLE --store DIR") from error


def _raise_file_limit() -> None:
    """Let as many clients connect as the system allows: each takes a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
