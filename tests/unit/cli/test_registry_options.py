"""What options, the environment and the usual files come to."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from packhorse.base.errors import UsageError
from packhorse.cli.registry_options import (
    RegistryOptions,
    registry_options,
    registry_settings,
    target_registry_options,
)
from packhorse.oci.registry_settings import Credential


def entry(user: str) -> dict[str, str]:
    """A login in a file."""
    return {"username": user, "password": "pw"}


def user_for(options: RegistryOptions, environment: dict[str, str], registry: str = "r.example") -> str | None:
    """Who would be presented to a registry."""
    found = registry_settings(options, environment).credentials.lookup(registry, "team/app")
    return None if found is None else found.username


def write(path: Path, document: object) -> Path:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_logins_are_looked_for_where_podman_and_docker_keep_them(tmp_path: Path) -> None:
    options = RegistryOptions(workers=1)
    environment = {"HOME": str(tmp_path)}
    assert user_for(options, environment) is None
    write(tmp_path / ".docker" / "config.json", {"auths": {"r.example": entry("docker")}})
    assert user_for(options, environment) == "docker"
    write(tmp_path / ".config" / "containers" / "auth.json", {"auths": {"r.example": entry("home")}})
    assert user_for(options, environment) == "home"
    write(tmp_path / "run" / "containers" / "auth.json", {"auths": {"r.example": entry("run")}})
    environment["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    assert user_for(options, environment) == "run"
    named = write(tmp_path / "named.json", {"auths": {"r.example": entry("named")}})
    environment["REGISTRY_AUTH_FILE"] = str(named)
    assert user_for(options, environment) == "named"
    only = write(tmp_path / "only.json", {"auths": {"other.example": entry("only")}})
    assert user_for(RegistryOptions(workers=1, registry_config=only), environment) is None


def test_a_docker_folder_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "own" / "config.json", {"auths": {"r.example": entry("own")}})
    write(tmp_path / ".docker" / "config.json", {"auths": {"r.example": entry("docker")}})
    environment = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "own")}
    assert user_for(RegistryOptions(workers=1), environment) == "own"


def test_a_login_of_the_command_line_is_for_one_registry() -> None:
    login = ("r.example", Credential("me", "pw"))
    credentials = registry_settings(RegistryOptions(workers=1), {}, login).credentials
    assert credentials.lookup("r.example", "a") == Credential("me", "pw")
    assert credentials.lookup("other.example", "a") is None


def test_mirrors_come_from_options_and_files(tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text('[[registry]]\nprefix="docker.io"\n[[registry.mirror]]\nlocation="conf.example"')
    options = RegistryOptions(workers=1, mirrors=("docker.io=http://m",), mirror_only=True, registries_conf=conf)
    table = registry_settings(options, {}).mirrors
    assert [place.host for place in table.locations("docker.io", "a/b")] == ["m", "conf.example"]


def test_registries_conf_of_the_user_and_of_the_environment(tmp_path: Path) -> None:
    def write_conf(path: Path, mirror: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'[[registry]]\nprefix="x.example"\n[[registry.mirror]]\nlocation="{mirror}"')

    def mirror(environment: dict[str, str]) -> str:
        table = registry_settings(RegistryOptions(workers=1), environment).mirrors
        return table.locations("x.example", "a")[0].host

    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    write_conf(tmp_path / "config" / "containers" / "registries.conf", "own.example")
    assert mirror(environment) == "own.example"
    write_conf(tmp_path / "config" / "containers" / "registries.conf.d" / "10-x.conf", "drop-in.example")
    assert mirror(environment) == "drop-in.example"
    write_conf(tmp_path / "named.conf", "named.example")
    assert mirror({**environment, "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "named.conf")}) == "named.example"


def test_proxies_are_read_in_either_case() -> None:
    environment = {"HTTP_PROXY": "http://big", "https_proxy": "http://small", "HTTPS_PROXY": "http://big"}
    environment["no_proxy"] = "a.example, .b.example,,"
    proxies = registry_settings(RegistryOptions(workers=1), environment).proxies
    assert (proxies.http, proxies.https, proxies.no_proxy) == (
        "http://big",
        "http://small",
        ("a.example", ".b.example"),
    )
    assert registry_settings(RegistryOptions(workers=1), {"ALL_PROXY": "http://all"}).proxies.https == "http://all"


def test_hosts_and_connections(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    options = RegistryOptions(workers=7, ca_file=authority, insecure=("a",), plain_http=("b", "*"))
    settings = registry_settings(options, {})
    assert settings.ca_file == authority
    assert settings.insecure_hosts == {"a"}
    assert settings.plain_http_hosts == {"b", "*"}
    assert settings.connections > 7
    assert settings.user_agent.startswith("packhorse/")


def test_a_wrong_mirror_is_a_mistake_of_the_user() -> None:
    with pytest.raises(UsageError, match="not a mirror"):
        registry_settings(RegistryOptions(workers=1, mirrors=("x",)), {})


def test_the_decorators_gather_the_options() -> None:
    @click.command()
    @click.argument("name")
    @registry_options
    def reading(name: str, registry: RegistryOptions) -> None:
        click.echo(f"{name} {registry.mirrors} {registry.workers} {registry.mirror_only}")

    @click.command()
    @target_registry_options
    def writing(registry: RegistryOptions) -> None:
        click.echo(f"{registry.mirrors} {registry.insecure}")

    arguments = ["x", "--mirror", "a=b", "--mirror", "c=d", "--workers", "3", "--mirror-only"]
    assert CliRunner().invoke(reading, arguments).output == "x ('a=b', 'c=d') 3 True\n"
    assert CliRunner().invoke(writing, ["--insecure", "h"]).output == "() ('h',)\n"
    assert CliRunner().invoke(writing, ["--mirror", "a=b"]).exit_code == 2
    assert 4 <= int(CliRunner().invoke(reading, ["x"]).output.split()[2]) <= 16
