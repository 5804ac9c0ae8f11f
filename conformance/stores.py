"""The content stores that are tried, each served from an address of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from packhorse.app.build import build
from packhorse.base.events import NullReporter
from packhorse.bundle.reader import Bundle
from packhorse.oci import graph, manifest
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.names import path_name
from packhorse.registry.ports import Catalog
from packhorse.store.directory_site import DirectorySite
from tests.support.packages import materials, sample

__all__ = ["STORES", "Kind", "Setting", "read_only_settings"]

_VERSIONS = ("1.1", "dev")
_NO_WRITES = (
    *("PUSH", "BLOBS_DELETE", "BLOBS_ATOMIC", "BLOBS_MOUNT_ANONYMOUS", "BLOBS_UPLOAD_CANCEL"),
    *("MANIFESTS_DELETE", "MANIFESTS_ATOMIC", "MANIFESTS_TAG_PARAM", "TAGS_DELETE", "TAGS_ATOMIC"),
    # At commit 967efdc the program asks for this header of manifests in what it is told of, and never looks at one.
    "MANIFESTS_DIGEST_HEADER",
)


@dataclass(frozen=True)
class Setting:
    """How the program is told to ask: its variables, and what the table calls it."""

    name: str
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """A content store: how it is opened in an empty folder, and how the program may ask for what is in it."""

    opened: Callable[[Path], AbstractContextManager[Catalog]]
    settings: Callable[[Catalog], list[Setting]]


def _writable_settings(_catalog: Catalog) -> list[Setting]:
    return [Setting(version, {"OCI_VERSION": version}) for version in _VERSIONS]


def read_only_settings(catalog: Catalog) -> list[Setting]:
    """Tell the program what each repository has, since it may not push anything of its own."""
    settings = []
    for name in catalog.repositories():
        tags = catalog.tags(name) or ()
        roots = [found for tag in tags if (found := catalog.manifest(name, tag)) is not None]
        walked = graph.walk(roots, lambda descriptor: _read(catalog, descriptor))
        manifests = [node.descriptor.digest for node in walked.nodes]
        subjects = [digest for digest in manifests if catalog.referrers(name, digest)]
        variables = {
            **{f"OCI_API_{word}": "false" for word in _NO_WRITES},
            "OCI_REPO1": path_name(name),
            "OCI_RO_DATA_TAGS": " ".join(tags),
            "OCI_RO_DATA_MANIFESTS": _words(manifests),
            "OCI_RO_DATA_BLOBS": _words([blob.digest for blob in walked.blobs]),
            "OCI_RO_DATA_REFERRERS": _words(subjects),
        }
        settings += [
            Setting(f"{version}, read-only, {name}", {**variables, "OCI_VERSION": version}) for version in _VERSIONS
        ]
    return settings


def _read(catalog: Catalog, descriptor: Descriptor) -> bytes:
    return graph.read_verified(catalog, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)


def _words(digests: list[Digest]) -> str:
    return " ".join(sorted(digests))


@contextmanager
def _directory(folder: Path) -> Iterator[Catalog]:
    store = DirectorySite.create(folder / "store")
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _sealed_bundle(folder: Path) -> Iterator[Catalog]:
    what, upstream = sample(folder, images=1)
    build(what, materials(upstream), NullReporter())
    with Bundle.open_file(what.output) as bundle:
        yield GraphCatalog(bundle)


STORES: Mapping[str, Kind] = {
    "directory": Kind(_directory, _writable_settings),
    "sealed bundle": Kind(_sealed_bundle, read_only_settings),
}
