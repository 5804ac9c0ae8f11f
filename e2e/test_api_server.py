"""The quick bed: a real API with real admission, up in seconds and gone without a trace."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e.cluster.api_server import ApiServer
from e2e.cluster.errors import BedError
from e2e.cluster.process import wait_until


@pytest.fixture(scope="module")
def api_server(bin_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with ApiServer(bin_dir, tmp_path_factory.mktemp("api"), controllers=True) as server:
        yield server


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_it_is_the_version_that_the_modules_say(api_server: ApiServer) -> None:
    assert api_server.api.request("GET", "/version")["gitVersion"] == "v1.34.4"


def test_it_applies_on_the_server_and_records_the_manager(api_server: ApiServer) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "b"}}
    made = api_server.api.apply("/api/v1/namespaces/default/configmaps", config)
    assert [field["manager"] for field in made["metadata"]["managedFields"]] == ["e2e"]


def test_it_refuses_what_is_no_object_of_its_kind(api_server: ApiServer) -> None:
    with pytest.raises(BedError, match="was answered with 422"):
        api_server.api.apply("/api/v1/namespaces", namespace("Not_A_Name"))


def test_with_controllers_a_namespace_goes_away_with_all_in_it(api_server: ApiServer) -> None:
    api = api_server.api
    api.apply("/api/v1/namespaces", namespace("gone"))
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left"}, "data": {"a": "b"}}
    api.apply("/api/v1/namespaces/gone/configmaps", config)
    api.request("DELETE", "/api/v1/namespaces/gone")
    wait_until(lambda: api.get("/api/v1/namespaces/gone") is None, "the namespace to go", timeout_seconds=30)
    assert api.get("/api/v1/namespaces/gone/configmaps/left") is None


def test_its_processes_end_with_the_block(bin_dir: Path, tmp_path: Path) -> None:
    with ApiServer(bin_dir, tmp_path) as server:
        mine = {child.pid: child.name() for child in psutil.Process().children()}
        assert {"etcd", "kube-apiserver"} <= set(mine.values())
        assert server.kubeconfig.stat().st_mode & 0o077 == 0
        started = [pid for pid in mine if str(tmp_path) in " ".join(psutil.Process(pid).cmdline())]
        assert len(started) == 2
    assert not [pid for pid in started if psutil.pid_exists(pid)]
    assert not (tmp_path / "etcd").exists()


def test_a_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("etcd", "kube-apiserver"):
        program = programs / name
        program.write_text("#!/bin/sh\necho the disk is made of cheese >&2\nexit 3\n")
        program.chmod(0o755)
    with pytest.raises(BedError, match="the disk is made of cheese"), ApiServer(programs, tmp_path / "state"):
        pytest.fail("it came up")
