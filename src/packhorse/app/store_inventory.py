"""``store inventory``: what a store has."""

from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from packhorse.app.known_images import known_of_store
from packhorse.oci.digest import Digest
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.store_folder import file_sizes

__all__ = ["Inventory", "InventoryBundle", "InventoryRepository", "take_inventory"]


class InventoryRepository(msgspec.Struct, frozen=True):
    """A repository; its size counts what it shares with others, too."""

    name: str
    tags: tuple[str, ...]
    manifests: int
    size_bytes: int


class InventoryBundle(msgspec.Struct, frozen=True):
    """A bundle that was loaded: its packages (none where it can't be read), and when, in UTC."""

    root: Digest
    packages: tuple[str, ...]
    loaded: str


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What a store has, as of now. Unnamed is what no repository has; bundles may need some of it."""

    files: int
    size_bytes: int
    unnamed_files: int
    unnamed_bytes: int
    uploads: int
    upload_bytes: int
    repositories: tuple[InventoryRepository, ...]
    bundles: tuple[InventoryBundle, ...]
    pins: tuple[tuple[str, Digest, str], ...]


def take_inventory(path: Path) -> Inventory:
    """Look at everything in a store.

    Raises:
        ConfigError: There is no store.
    """
    with closing(DirectoryStore.open_existing(path)) as store:
        sizes = _sizes(path)
        named = store.all_members()
        unnamed = {digest: size for digest, size in sizes.items() if digest not in named}
        uploads = [size for _, size in _entries(path / "uploads")]
        return Inventory(
            files=len(sizes),
            size_bytes=sum(sizes.values()),
            unnamed_files=len(unnamed),
            unnamed_bytes=sum(unnamed.values()),
            uploads=len(uploads),
            upload_bytes=sum(uploads),
            repositories=tuple(
                InventoryRepository(name, tuple(store.tags(name) or ()), *store.extent_of(name))
                for name in store.repositories()
            ),
            bundles=tuple(
                InventoryBundle(
                    root.digest,
                    tuple(dict.fromkeys(known.package for known in known_of_store(store, [root]))),
                    datetime.fromtimestamp(added, UTC).isoformat(timespec="seconds"),
                )
                for root, added in store.dated_bundles()
            ),
            pins=tuple(store.pins()),
        )


def _sizes(path: Path) -> dict[str, int]:
    return {
        f"{algorithm}:{name}": size
        for algorithm in ("sha256", "sha512")
        for name, size in _entries(path / "blobs" / algorithm)
    }


def _entries(folder: Path) -> list[tuple[str, int]]:
    with suppress(FileNotFoundError):
        return list(file_sizes(folder))
    return []
