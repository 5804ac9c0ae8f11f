"""What the stories share: the built programs and the beds, made once for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.build import ensure_programs
from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.cluster.network import SiteNetwork

# These speak by assertions as tests do, and shall say as much when they fail.
pytest.register_assert_rewrite(
    "e2e.completeness", "e2e.example_checks", "e2e.journey", "e2e.systemd", "e2e.walkthrough"
)

# The suite's own limit of a minute is for unit tests; here a test may be the one that waits for the bed.
_TIMEOUT_SECONDS = 600
_HOSTS = ["127.0.0.1", "::1", "localhost", SiteNetwork.node_address, SiteNetwork.service_range]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every story the time that a bed takes, unless it says otherwise itself, and let it talk to the site."""
    for item in items:
        item.add_marker(pytest.mark.allow_hosts(_HOSTS))
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def bin_dir() -> Path:
    """The folder with the built programs."""
    return ensure_programs()


@pytest.fixture(scope="session")
def cluster(bin_dir: Path) -> Iterator[Cluster]:
    """A cluster of one node on a network that leads nowhere. Its packet counter counts from its beginning."""
    with Cluster(bin_dir) as running:
        yield running


@pytest.fixture(scope="session")
def internet() -> Iterator[Internet]:
    """An empty registry in a namespace of its own, joined to no other."""
    with Internet() as running:
        yield running
