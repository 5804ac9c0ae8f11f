"""Kubeconfig files as kubectl reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from packhorse.base.errors import ConfigError
from packhorse.kube.kubeconfig import load_kubeconfig


def config(name: str, *, user: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"}}],
        "users": [{"name": name, "user": user or {"token": f"token of {name}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        **more,
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_current_context_counts(tmp_path: Path) -> None:
    loaded = load_kubeconfig([write(tmp_path / "a", config("one"))])
    assert loaded.cluster.server == "https://one:6443"
    assert loaded.user is not None
    assert loaded.user.token == "token of one"


def test_several_files_are_merged_and_the_first_wins(tmp_path: Path) -> None:
    second = config("one", user={"token": "another"})
    second["contexts"].append({"name": "two", "context": {"cluster": "two", "user": "one"}})
    second["clusters"].append({"name": "two", "cluster": {"server": "https://two:6443"}})
    files = [write(tmp_path / "a", config("one")), tmp_path / "missing", write(tmp_path / "b", second)]
    assert load_kubeconfig(files).cluster.server == "https://one:6443"
    loaded = load_kubeconfig(files, "two")
    assert loaded.cluster.server == "https://two:6443"
    assert loaded.user is not None
    assert loaded.user.token == "token of one"


def test_paths_are_those_beside_the_file_they_stand_in(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    content = config("one", user={"client-certificate": "me.crt", "client-key": "/abs/me.key"})
    content["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    loaded = load_kubeconfig([write(folder / "config", content)])
    assert loaded.cluster.certificate_auth == str(folder / "ca.crt")
    assert loaded.user is not None
    assert (loaded.user.client_cert, loaded.user.client_key) == (str(folder / "me.crt"), "/abs/me.key")


def test_current_exec_plugins_are_told_what_they_are_called_for(tmp_path: Path) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "get-token",
        "env": [{"name": "A", "value": "b"}],
        "interactiveMode": "Never",
    }
    loaded = load_kubeconfig([write(tmp_path / "a", config("one", user={"exec": plugin}))])
    assert loaded.user is not None
    assert loaded.user.exec is not None
    environment = {each.name: each.value for each in loaded.user.exec.env or ()}
    assert environment["A"] == "b"
    info = json.loads(environment["KUBERNETES_EXEC_INFO"])
    assert info["apiVersion"] == "client.authentication.k8s.io/v1"
    assert info["spec"] == {"interactive": False}


def test_a_foreign_plugin_version_is_left_as_it_is(tmp_path: Path) -> None:
    loaded = load_kubeconfig(
        [write(tmp_path / "a", config("one", user={"exec": {"apiVersion": "x/v1", "command": "c"}}))]
    )
    assert loaded.user is not None
    assert loaded.user.exec is not None
    assert loaded.user.exec.apiVersion == "x/v1"


@pytest.mark.parametrize(
    ("content", "context", "message"),
    [
        (config("one"), "three", "contexts in it: one"),
        ({**config("one"), "current-context": None}, None, "No current context"),
        ({**config("one"), "users": []}, None, "no entry 'one'"),
        ({**config("one"), "contexts": [{"name": "one", "context": {"cluster": "one"}}]}, None, "names no user"),
        ({**config("one"), "users": [{"name": "one", "user": {"token": 3}}]}, None, "cannot use the kubeconfig"),
        (["a list"], None, "expected a mapping, found list"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: Any, context: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_kubeconfig([write(tmp_path / "a", content)], context)


def test_no_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no kubeconfig") as caught:
        load_kubeconfig([tmp_path / "a", tmp_path / "b"])
    assert "--kubeconfig" in str(caught.value.hint)


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_kubeconfig([path])


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(ConfigError, match="that is no kubeconfig"):
        load_kubeconfig([path])
