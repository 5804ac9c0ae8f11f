"""TLS: authorities, client certificates, hosts that are not checked or do without, and the words when it fails."""

import shutil
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError, NetworkError, RegistryError
from packhorse.oci.mirrors import Location
from packhorse.oci.registry_settings import ProxySettings
from tests.support.registry import Registry, serving
from tests.unit.oci.conftest import Certificates, Clients


def test_an_authority_of_ones_own(certificates: Certificates, clients: Clients) -> None:
    with serving(certificate=certificates.server) as registry:
        image = registry.put_image("team/app", "v1", b"layer")
        name = f"{registry.host}/team/app"
        assert clients.repository(name, ca_file=certificates.authority).resolve("v1") == image
        layer = registry.put_blob("team/app", bytes(3_000_000))
        with clients.repository(name, ca_file=certificates.authority).open(layer) as stream:
            buffer = memoryview(bytearray(1 << 20))
            total = 0
            while count := stream.readinto(buffer):
                total += count
        assert total == 3_000_000


def test_an_unknown_authority(certificates: Certificates, clients: Clients) -> None:
    with serving(certificate=certificates.server) as registry:
        host = registry.host
        with pytest.raises(NetworkError, match="its certificate is not trusted: ") as caught:
            clients.repository(f"{host}/team/app", certificate_folders=(folder_for(host, certificates),)).resolve("v1")
    assert caught.value.hint is not None
    assert "--ca-file" in caught.value.hint
    # It is not tried again: it would not get better.
    assert clients.pauses == []


def folder_for(host: str, certificates: Certificates, *, authority: bool = False, client: bool = False) -> Path:
    """A folder as /etc/docker/certs.d is."""
    folder = certificates.authority.parent / f"certs.d-{authority}-{client}-{host.rpartition(':')[2]}"
    (folder / host).mkdir(parents=True, exist_ok=True)
    if authority:
        shutil.copy(certificates.authority, folder / host / "ca.crt")
    if client:
        shutil.copy(certificates.client[0], folder / host / "client.cert")
        shutil.copy(certificates.client[1], folder / host / "client.key")
    return folder


def test_an_unchecked_certificate(certificates: Certificates, clients: Clients) -> None:
    with serving(certificate=certificates.server) as registry:
        image = registry.put_image("team/app", "v1", b"layer")
        insecure = frozenset({registry.host})
        assert clients.repository(f"{registry.host}/team/app", insecure_hosts=insecure).resolve("v1") == image


def test_a_clients_certificate(certificates: Certificates, clients: Clients) -> None:
    with serving(certificate=certificates.server, client_authority=certificates.authority) as registry:
        image = registry.put_image("team/app", "v1", b"layer")
        name = f"{registry.host}/team/app"
        both = folder_for(registry.host, certificates, authority=True, client=True)
        assert clients.repository(name, certificate_folders=(both,)).resolve("v1") == image
        only_authority = folder_for(registry.host, certificates, authority=True)
        with pytest.raises(NetworkError):
            clients.repository(name, certificate_folders=(only_authority,)).resolve("v1")


def test_another_name_than_the_certificate_has(certificates: Certificates, clients: Clients) -> None:
    with (
        serving(certificate=certificates.stranger) as registry,
        pytest.raises(NetworkError, match=r"certificate is not trusted: .*127\.0\.0\.1"),
    ):
        clients.repository(f"{registry.host}/team/app", ca_file=certificates.authority).resolve("v1")


def test_tls_spoken_to_a_server_without(registry: Registry, certificates: Certificates, clients: Clients) -> None:
    with pytest.raises(NetworkError, match="does not speak TLS") as caught:
        clients.repository(f"{registry.host}/team/app", ca_file=certificates.authority).resolve("v1")
    assert caught.value.hint is not None
    assert "--plain-http" in caught.value.hint


def test_a_certificate_file_that_is_none(tmp_path: Path, clients: Clients) -> None:
    wrong = tmp_path / "ca.crt"
    wrong.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca\.crt is not a certificate that can be used"):
        clients.repository("127.0.0.1:1/team/app", ca_file=wrong).resolve("v1")


@pytest.mark.parametrize(
    ("host", "settings", "base"),
    [
        ("registry.example", {}, "https://registry.example"),
        ("registry.example:5000", {}, "https://registry.example:5000"),
        ("docker.io", {}, "https://registry-1.docker.io"),
        ("localhost:5000", {}, "http://localhost:5000"),
        ("127.0.0.1:5000", {}, "http://127.0.0.1:5000"),
        ("127.8.9.10", {}, "http://127.8.9.10"),
        ("[::1]:5000", {}, "http://[::1]:5000"),
        ("127.evil.example", {}, "https://127.evil.example"),
        ("localhost.evil.example", {}, "https://localhost.evil.example"),
        ("localhost:5000", {"insecure_hosts": frozenset({"localhost:5000"})}, "https://localhost:5000"),
        ("localhost:5000", {"ca_file": Path("/ca.pem")}, "https://localhost:5000"),
        ("registry.example", {"plain_http_hosts": frozenset({"registry.example"})}, "http://registry.example"),
        ("registry.example:1", {"plain_http_hosts": frozenset({"registry.example"})}, "https://registry.example:1"),
        ("registry.example:1", {"plain_http_hosts": frozenset({"*"})}, "http://registry.example:1"),
    ],
)
def test_which_hosts_are_spoken_to_without_tls(
    clients: Clients, host: str, settings: dict[str, object], base: str
) -> None:
    (place,) = clients.client(**settings)._router.places([Location(host, "team/app")])
    assert place.server.base == base
    assert place.server.name == host


def test_insecure_in_registries_conf_means_either(clients: Clients) -> None:
    places = clients.client()._router.places([Location("registry.example", "app", insecure=True)])
    assert [place.server.base for place in places] == ["https://registry.example", "http://registry.example"]
    assert all(place.server.insecure for place in places)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "expected"),
    [
        ("http", "registry.example", 80, "http://proxy:3128"),
        ("https", "registry.example", 443, "http://tls-proxy:3128"),
        ("https", "inner.example", 443, None),
        ("https", "a.inner.example", 443, None),
        ("https", "notinner.example", 443, "http://tls-proxy:3128"),
        ("https", "dotted.example", 443, None),
        ("https", "x.dotted.example", 443, None),
        ("https", "with-port.example", 5000, None),
        ("https", "with-port.example", 5001, "http://tls-proxy:3128"),
        ("http", "localhost", 80, None),
        ("http", "127.0.0.1", 80, None),
        ("http", "::1", 80, None),
        ("https", "10.0.0.5", 443, None),
    ],
)
def test_proxies(scheme: str, host: str, port: int, expected: str | None) -> None:
    settings = ProxySettings(
        "http://proxy:3128",
        "http://tls-proxy:3128",
        ("inner.example", ".dotted.example", "with-port.example:5000", "10.0.0.5"),
    )
    assert settings.proxy_for(scheme, host, port) == expected
    assert ProxySettings("http://p", "http://p", ("*",)).proxy_for(scheme, host, port) is None


def test_a_request_goes_through_the_proxy(registry: Registry, clients: Clients) -> None:
    proxies = ProxySettings(http=f"http://user:pass@{registry.host}")
    plain = frozenset({"registry.invalid"})
    repository = clients.repository("registry.invalid/team/app", proxies=proxies, plain_http_hosts=plain)
    with pytest.raises(RegistryError):
        repository.resolve("v1")
    (asked,) = registry.requests
    assert asked.path == "http://registry.invalid/v2/team/app/manifests/v1"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
