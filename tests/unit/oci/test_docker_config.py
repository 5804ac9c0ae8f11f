"""Logins in files and from helpers."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from packhorse.base.errors import ConfigError
from packhorse.oci.docker_config import FixedCredential, HelperAnswer, StoredCredentials, run_helper
from packhorse.oci.registry_settings import Credential


def encoded(user: str, password: str) -> dict[str, str]:
    """An entry as ``docker login`` writes it."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


class Helpers:
    """Runs no helper, but answers for them."""

    def __init__(self, **answers: HelperAnswer) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def __call__(self, name: str, address: str) -> HelperAnswer:
        self.asked.append((name, address))
        return self.answers[name]


def helper_answer(user: str, secret: str) -> HelperAnswer:
    """What a helper writes."""
    return HelperAnswer(0, json.dumps({"ServerURL": "x", "Username": user, "Secret": secret}).encode())


def stored(tmp_path: Path, *documents: dict[str, Any], helpers: Helpers | None = None) -> StoredCredentials:
    """Credentials in files, in this order."""
    paths = []
    for number, document in enumerate(documents):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(document))
    return StoredCredentials(paths, helpers or Helpers())


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("quay.io", "quay.io"),
        ("https://quay.io", "quay.io"),
        ("https://quay.io/v2/", "quay.io"),
        ("quay.io/v1/", "quay.io"),
        ("http://localhost:5000", "localhost:5000"),
    ],
)
def test_keys_of_hosts(tmp_path: Path, key: str, registry: str) -> None:
    credentials = stored(tmp_path, {"auths": {key: encoded("me", "p:w")}})
    assert credentials.lookup(registry, "team/app") == Credential("me", "p:w")
    assert credentials.lookup("other.example", "team/app") is None


def test_the_longest_name_wins(tmp_path: Path) -> None:
    credentials = stored(
        tmp_path,
        {
            "auths": {
                "quay.io": encoded("host", "1"),
                "quay.io/team": encoded("team", "2"),
                "quay.io/team/app": encoded("app", "3"),
            }
        },
    )
    users = {
        repository: found.username
        for repository in ("team/app", "team/other", "teamster/app", "x")
        if (found := credentials.lookup("quay.io", repository)) is not None
    }
    assert users == {"team/app": "app", "team/other": "team", "teamster/app": "host", "x": "host"}


def test_the_first_file_that_has_one_wins(tmp_path: Path) -> None:
    one = {"auths": {"quay.io": encoded("one", "1")}}
    two = {"auths": {"quay.io": encoded("two", "2"), "ghcr.io": encoded("two", "2")}}
    credentials = stored(tmp_path, one, two)
    assert credentials.lookup("quay.io", "a") == Credential("one", "1")
    assert credentials.lookup("ghcr.io", "a") == Credential("two", "2")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({"registrytoken": "t"}, Credential(registry_token="t")),
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        ({"auth": base64.b64encode(b"u:p\x00\x00").decode()}, Credential("u", "p")),
        ({**encoded("u", "p"), "identitytoken": "t"}, Credential(identity_token="t")),
        ({}, None),
        ({"email": "x@example"}, None),
    ],
)
def test_kinds_of_entries(tmp_path: Path, entry: dict[str, str], expected: Credential | None) -> None:
    assert stored(tmp_path, {"auths": {"quay.io": entry}}).lookup("quay.io", "a") == expected


def test_a_helper_for_a_host_comes_first(tmp_path: Path) -> None:
    helpers = Helpers(ecr=helper_answer("AWS", "secret"))
    document = {"auths": {"ecr.example": encoded("x", "y")}, "credHelpers": {"ecr.example": "ecr"}}
    credentials = stored(tmp_path, document, helpers=helpers)
    assert credentials.lookup("ecr.example", "a") == Credential("AWS", "secret")
    assert credentials.lookup("ecr.example", "b") == Credential("AWS", "secret")
    assert helpers.asked == [("ecr", "ecr.example")]


def test_the_store_comes_last_and_may_have_nothing(tmp_path: Path) -> None:
    helpers = Helpers(desktop=HelperAnswer(1, b"credentials not found in native keychain\n"))
    document = {"auths": {"docker.io": encoded("x", "y"), "quay.io": {}}, "credsStore": "desktop"}
    credentials = stored(tmp_path, document, helpers=helpers)
    assert credentials.lookup("docker.io", "a") == Credential("x", "y")
    assert credentials.lookup("quay.io", "a") is None
    assert helpers.asked == [("desktop", "quay.io")]


def test_docker_hub_has_an_address_of_its_own_with_helpers(tmp_path: Path) -> None:
    helpers = Helpers(desktop=helper_answer("<token>", "refresh"))
    credentials = stored(tmp_path, {"credsStore": "desktop"}, helpers=helpers)
    assert credentials.lookup("docker.io", "library/redis") == Credential(identity_token="refresh")
    assert helpers.asked == [("desktop", "https://index.docker.io/v1/")]


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (HelperAnswer(1, b"keychain is locked"), "no answer for quay.io: exit code 1: keychain is locked"),
        (HelperAnswer(0, b"not json: s3cret"), "gave no credentials for quay.io"),
        (HelperAnswer(0, b"[]"), "gave no credentials"),
        (HelperAnswer(0, b""), "gave no credentials"),
    ],
)
def test_a_helper_that_fails(tmp_path: Path, answer: HelperAnswer, match: str) -> None:
    credentials = stored(tmp_path, {"credsStore": "broken"}, helpers=Helpers(broken=answer))
    with pytest.raises(ConfigError, match=match) as caught:
        credentials.lookup("quay.io", "a")
    assert "s3cret" not in caught.value.message
    assert caught.value.hint is not None


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "-x", "a/b", "$(x)"])
def test_a_helper_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a credential helper"):
        stored(tmp_path, {"credsStore": name}).lookup("quay.io", "a")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"[]", "not a file of registry logins"),
        (b'{"auths": 5}', "not a file of registry logins"),
        (b"{", "not a file of registry logins"),
        (b"\xff\xfe", "not a file of registry logins"),
        (b"[" * 100_000, "not a file of registry logins"),
        (b" " * 5_000_000, "larger than"),
    ],
)
def test_what_is_no_file_of_logins(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=match):
        StoredCredentials([path])


@pytest.mark.parametrize(
    "auth", ["!!!", base64.b64encode(b"nocolon").decode(), base64.b64encode(b"\xff:\xff").decode()]
)
def test_an_entry_that_is_no_login(tmp_path: Path, auth: str) -> None:
    with pytest.raises(ConfigError, match="not base64 of user:password"):
        stored(tmp_path, {"auths": {"quay.io": {"auth": auth}}}).lookup("quay.io", "a")


def test_missing_and_empty_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("\n")
    assert StoredCredentials([tmp_path / "missing", tmp_path / "empty.json"]).lookup("quay.io", "a") is None
    with pytest.raises(ConfigError, match="can't be read"):
        StoredCredentials([tmp_path])


def test_a_fixed_login_is_for_its_registry_alone(tmp_path: Path) -> None:
    otherwise = stored(tmp_path, {"auths": {"quay.io": encoded("file", "x")}})
    credentials = FixedCredential("r.example", Credential("me", "pw"), otherwise)
    assert credentials.lookup("r.example", "a") == Credential("me", "pw")
    assert credentials.lookup("quay.io", "a") == Credential("file", "x")
    assert credentials.lookup("other.example", "a") is None


def test_secrets_are_not_in_what_is_printed() -> None:
    shown = repr(Credential("me", "pw-secret", "id-secret", "reg-secret")) + repr(HelperAnswer(0, b"out-secret"))
    assert "secret" not in shown


def test_a_real_helper_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker-credential-test"
    program.write_text('#!/bin/sh\nread host\n[ "$1" = get ] && printf "%s" "$host"\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert run_helper("test", "quay.io") == HelperAnswer(3, b"quay.io")
    with pytest.raises(ConfigError, match="docker-credential-missing is not on PATH"):
        run_helper("missing", "quay.io")
