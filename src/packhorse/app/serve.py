"""``serve``: answer image pulls straight from bundles, stores and what other tools wrote, and take pushes."""

import importlib
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from packhorse.app.known_images import Known, KnownImages, known_of_bundle, known_of_store
from packhorse.app.store_upkeep import StoreSettings, StoreUpkeep
from packhorse.base.errors import ConfigError, UsageError
from packhorse.bundle.reader import Bundle
from packhorse.oci.digest import Digest
from packhorse.registry.access.guard import Guard, GuardSettings
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.listener import Address, Listener, Settings, TlsFiles, run
from packhorse.registry.ports import Catalog, ImageSource
from packhorse.registry.site_union import SiteUnion
from packhorse.registry.union_catalog import UnionCatalog
from packhorse.registry.watching import Watched
from packhorse.store.directory_site import DirectorySite
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.layout_source import LayoutSource
from packhorse.store.open_source import is_file_source, open_files, parse_source
from packhorse.store.store_folder import is_store

__all__ = ["Conflict", "Protection", "Serving", "Sources", "open_catalogs", "open_sources", "serve"]


class Conflict(msgspec.Struct, frozen=True):
    """One tag that two of the sources give to two manifests; the first source's is served."""

    name: str
    served: Digest
    hidden: Digest


class Serving(msgspec.Struct, frozen=True):
    """What a server that answers tells of itself."""

    listener: Listener
    sources: int
    takes_pushes: bool
    is_guarded: bool
    conflicts: tuple[Conflict, ...]


class Sources(msgspec.Struct, frozen=True):
    """What is served.

    Attributes:
        read: Bundles and store directories; or ``oci:``, ``oci-archive:`` and ``docker-archive:`` in skopeo's words.
            Where two give one tag to two manifests, the first one counts.
        push_to: The store that takes pushes, which is made where there is none. It comes before all others, unless it
            stands among them.
        kept: How that store is kept.
    """

    read: tuple[str, ...]
    push_to: str | None = None
    kept: StoreSettings = StoreSettings()


class Protection(msgspec.Struct, frozen=True):
    """What stands between a server and its clients.

    Attributes:
        tls: Certificate and key; None for plain HTTP.
        guard: Who may do what; None where everybody may do everything.
    """

    tls: TlsFiles | None = None
    guard: GuardSettings | None = None


def serve(sources: Sources, address: Address, protection: Protection, ready: Callable[[Serving], None]) -> None:
    """Serve until the process is told to stop.

    Args:
        sources: What is served.
        address: Where to listen.
        protection: What stands between it and its clients.
        ready: Called once the server answers.

    Raises:
        UsageError: There is no such source.
        ConfigError: A source is no image source, or holds no image with a full name; the certificate is unusable; the
            access file has mistakes.
        IntegrityError: A source is malformed.
        NetworkError: The address cannot be listened on.
    """
    _raise_file_limit()
    with ExitStack() as opened:
        catalog, catalogs = open_sources(sources, opened)
        conflicts = find_conflicts(catalogs)
        takes_pushes = sources.push_to is not None
        gate = None
        if protection.guard is not None:
            gate = Guard(protection.guard, catalog)
            opened.callback(gate.close)
        known = known_images(catalogs)
        watched = _watched(sources, catalogs, conflicts, known, protection.tls)
        settings = Settings(tls=protection.tls, tell=known.tell, gate=gate, watched=watched)
        run(
            catalog,
            address,
            settings,
            lambda listener: ready(Serving(listener, len(catalogs), takes_pushes, gate is not None, conflicts)),
        )


def open_sources(sources: Sources, opened: ExitStack) -> tuple[Catalog, list[Catalog]]:
    """Open all sources as one catalogue, and give each of them, too; ``opened`` closes them.

    Raises:
        As :func:`serve`.
    """
    if sources.push_to is None:
        catalogs = open_catalogs(sources.read, opened)
        return (catalogs[0] if len(catalogs) == 1 else UnionCatalog(catalogs)), catalogs
    own = Path(sources.push_to).resolve()
    store = DirectorySite.create(Path(sources.push_to), sources.kept.limits)
    opened.callback(store.close)
    opened.enter_context(StoreUpkeep(store, sources.kept))
    places = [place for place, text in enumerate(sources.read) if Path(text).resolve() == own]
    others = open_catalogs([text for text in sources.read if Path(text).resolve() != own], opened)
    place = places[0] if places else 0
    catalogs = [*others[:place], store, *others[place:]]
    return (SiteUnion(catalogs, store) if others else store), catalogs


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


def _watched(
    sources: Sources,
    catalogs: Sequence[Catalog],
    conflicts: Sequence[Conflict],
    known: KnownImages,
    tls: TlsFiles | None,
) -> Watched:
    """Say what those who run the server can see of its sources, which are called as its operator wrote them."""
    own = None if sources.push_to is None else Path(sources.push_to).resolve()
    names = iter([text for text in sources.read if Path(text).resolve() != own])
    called = {
        str(sources.push_to) if isinstance(catalog, DirectorySite) else next(names): catalog for catalog in catalogs
    }
    meter = next((each for each in catalogs if isinstance(each, DirectorySite)), None)
    return Watched(
        sources=called,
        meter=meter,
        conflicts=lambda: len(conflicts),
        certificate_not_after=None if tls is None else lambda: _not_after(tls),
        users=known.users,
    )


def _not_after(tls: TlsFiles) -> float:
    """Say when the certificate ends, in seconds since 1970.

    Raises:
        ConfigError, OSError: It cannot be read.
    """
    # What reads certificates takes a while to load, and is asked for only when somebody looks.
    certificates = importlib.import_module("packhorse.registry.certificates")
    return float(certificates.read_facts(tls.certificate.read_bytes()).not_after.timestamp())


def known_images(catalogs: Sequence[Catalog]) -> KnownImages:
    """Know what the packages name that are served, or were loaded into a store that is served."""

    def find() -> Iterator[Known]:
        for catalog in catalogs:
            if isinstance(catalog, DirectoryStore):
                yield from known_of_store(catalog, catalog.bundles())
            elif isinstance(catalog, GraphCatalog) and isinstance(catalog.source, Bundle):
                yield from known_of_bundle(catalog.source)

    return KnownImages(find)


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
