"""What all tests share: how hypothesis runs, and the real Kubernetes API that some ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.api_server import running_api_server, why_not

# A loaded machine is slow without a fault of the code: time is bounded by pytest's timeout, not per example.
settings.register_profile("packhorse", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("packhorse")


@pytest.fixture(scope="session")
def api_kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig of an API server that lives as long as the test run."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with running_api_server(tmp_path_factory.mktemp("api-server")) as kubeconfig:
        yield kubeconfig
