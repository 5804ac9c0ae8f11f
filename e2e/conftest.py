"""What the stories share: the built programs and the beds, made once for all of them."""

from pathlib import Path

import pytest

from e2e.cluster.build import ensure_programs

# The suite's own limit of a minute is for unit tests; here a test may be the one that waits for the bed.
_TIMEOUT_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every story the time that a bed takes, unless it says otherwise itself."""
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def bin_dir() -> Path:
    """The folder with the built programs."""
    return ensure_programs()
