"""The stores that the specification's clauses are held against, each behind a server of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.store.directory_site import DirectorySite
from tests.conformance.registry_client import Client
from tests.support.memory_site import MemorySite
from tests.support.serving import running

__all__ = ["client", "place"]


@pytest.fixture(params=["directory", "memory"])
def place(request: pytest.FixtureRequest) -> str:
    """Which store."""
    return str(request.param)


@pytest.fixture
def client(place: str, tmp_path: Path) -> Iterator[Client]:
    """A client of an empty registry."""
    if place == "memory":
        with running(MemorySite()) as server:
            yield Client(server.host, server.port)
        return
    store = DirectorySite.create(tmp_path / "store")
    try:
        with running(store) as server:
            yield Client(server.host, server.port)
    finally:
        store.close()
