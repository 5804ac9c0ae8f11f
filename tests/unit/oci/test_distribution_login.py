"""Logins: tokens and passwords go where they belong, are kept, and are never sent anywhere else."""

import base64
import threading

import pytest

from packhorse.base.errors import NetworkError, RegistryError
from packhorse.oci.distribution_auth import Server, _check_realm
from packhorse.oci.mirrors import MirrorTable, parse_mirror
from packhorse.oci.model import Descriptor
from packhorse.oci.registry_settings import Credential
from packhorse.oci.retry import RetryPolicy
from tests.support import registry_faults as faults
from tests.support.registry import Registry
from tests.support.registry_faults import Fault
from tests.support.registry_model import Login
from tests.unit.oci.conftest import Clients

USER = Credential("user", "secret")


class Fixed:
    """Credentials for some hosts; it keeps who was asked for."""

    def __init__(self, **hosts: Credential) -> None:
        self.hosts = hosts
        self.asked: list[tuple[str, str]] = []

    def lookup(self, registry: str, repository: str) -> Credential | None:
        self.asked.append((registry, repository))
        return self.hosts.get("any") or self.hosts.get(registry)


@pytest.fixture
def image(registry: Registry) -> Descriptor:
    return registry.put_image("team/app", "v1", b"layer")


def test_an_anonymous_token(registry: Registry, clients: Clients, image: Descriptor) -> None:
    registry.login = Login("bearer", anonymous=True)
    repository = clients.repository(f"{registry.host}/team/app")
    assert repository.resolve("v1") == image
    assert repository.resolve("v1") == image
    token = registry.asked("GET /token")
    assert [request.path for request in token] == ["/token?service=test&scope=repository%3Ateam%2Fapp%3Apull"]
    assert "authorization" not in token[0].headers
    # One refusal, one token, and from then on the token at once.
    assert [request.status for request in registry.asked("HEAD")] == [401, 200, 200]


@pytest.mark.parametrize("field", ["token", "access_token"])
def test_a_token_for_a_user(registry: Registry, clients: Clients, image: Descriptor, field: str) -> None:
    registry.login = Login("bearer", token_field=field)
    credentials = Fixed(any=USER)
    assert clients.repository(f"{registry.host}/team/app", credentials=credentials).resolve("v1") == image
    (asked,) = registry.asked("GET /token")
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"user:secret").decode()
    assert "account=user" in asked.path
    assert credentials.asked == [(registry.host, "team/app")]


def test_an_identity_token_is_exchanged(registry: Registry, clients: Clients, image: Descriptor) -> None:
    registry.login = Login("bearer", identity_token="refresh-me")
    credentials = Fixed(any=Credential(identity_token="refresh-me"))
    assert clients.repository(f"{registry.host}/team/app", credentials=credentials).resolve("v1") == image
    (asked,) = registry.asked("POST /token")
    assert "authorization" not in asked.headers
    assert "refresh-me" not in asked.path


def test_a_registry_token_is_sent_as_it_is(registry: Registry, clients: Clients, image: Descriptor) -> None:
    registry.login = Login("bearer", issued={"as-it-is": frozenset({"repository:team/app:pull"})})
    credentials = Fixed(any=Credential(registry_token="as-it-is"))
    assert clients.repository(f"{registry.host}/team/app", credentials=credentials).resolve("v1") == image
    assert not registry.asked("GET /token")


def test_basic(registry: Registry, clients: Clients, image: Descriptor) -> None:
    registry.login = Login("basic")
    registry.put_image("team/other", "v1", b"other")
    client = clients.client(credentials=Fixed(any=USER))
    assert client.repository(f"{registry.host}/team/app").resolve("v1") == image
    assert client.repository(f"{registry.host}/team/other").resolve("v1").size
    # A password holds for the whole registry.
    assert [request.status for request in registry.requests] == [401, 200, 200]


def test_tokens_are_for_one_repository(registry: Registry, clients: Clients, image: Descriptor) -> None:
    registry.login = Login("bearer", anonymous=True)
    other = registry.put_image("team/other", "v1", b"other")
    client = clients.client()
    assert client.repository(f"{registry.host}/team/app").resolve("v1") == image
    assert client.repository(f"{registry.host}/team/other").resolve("v1") == other
    assert len(registry.asked("GET /token")) == 2


def test_a_token_that_ran_out_is_renewed(registry: Registry, clients: Clients, image: Descriptor) -> None:
    registry.login = Login("bearer", anonymous=True)
    repository = clients.repository(f"{registry.host}/team/app")
    assert repository.resolve("v1") == image
    registry.login.issued.clear()
    assert repository.resolve("v1") == image
    assert len(registry.asked("GET /token")) == 2


def test_a_refused_token_is_renewed_once(registry: Registry, clients: Clients, image: Descriptor) -> None:
    assert image.size
    registry.login = Login("bearer", anonymous=True)
    registry.faults.append(Fault("GET /token", faults.answer(200, body=b'{"token":"useless"}'), times=-1))
    with pytest.raises(RegistryError, match=r"it wants a login \(HTTP 401: UNAUTHORIZED: who are you\?\)") as caught:
        clients.repository(f"{registry.host}/team/app").read_manifest("v1")
    assert caught.value.hint is not None
    assert "docker login" in caught.value.hint
    assert [request.status for request in registry.asked("GET /v2")] == [401, 401]


def test_without_a_login_nothing_is_presented(registry: Registry, clients: Clients, image: Descriptor) -> None:
    assert image.size
    registry.login = Login("basic")
    with pytest.raises(RegistryError, match="it wants a login"):
        clients.repository(f"{registry.host}/team/app").resolve("v1")
    assert len(registry.requests) == 1


def test_a_login_that_is_refused_is_not_asked_for_again(
    registry: Registry, clients: Clients, image: Descriptor
) -> None:
    assert image.size
    registry.login = Login("basic")
    wrong = Fixed(any=Credential("robot", "wr0ng"))
    with pytest.raises(RegistryError, match=r"it refuses the login of robot \(HTTP 401") as caught:
        clients.repository(f"{registry.host}/team/app", credentials=wrong).resolve("v1")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("check the user name and the password")


def test_a_wrong_password(registry: Registry, clients: Clients, image: Descriptor) -> None:
    assert image.size
    registry.login = Login("bearer")
    wrong = Fixed(any=Credential("user", "wr0ng"))
    with pytest.raises(RegistryError, match=r"(?s)could not log in to 127.*HTTP 401: wrong login") as caught:
        clients.repository(f"{registry.host}/team/app", credentials=wrong).resolve("v1")
    assert "wr0ng" not in str(caught.value)


def test_many_threads_fetch_one_token(registry: Registry, clients: Clients, image: Descriptor) -> None:
    registry.login = Login("bearer", anonymous=True)
    repository = clients.repository(f"{registry.host}/team/app")
    start, found = threading.Barrier(8), []

    def work() -> None:
        start.wait()
        found.append(repository.resolve("v1"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [image] * 8
    assert len(registry.asked("GET /token")) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"token":""}',
        b"[]",
        b'{"token":7}',
        b'{"token":"a\\nb"}',
        b'{"token":"a b"}',
        b'{"token":"\xc3\xa9"}',
        b"\xff",
        b'{"token":' + b"[" * 5000,
        b'{"token":"x","expires_in":"soon"}',
    ],
)
def test_what_is_no_token_is_refused(registry: Registry, clients: Clients, body: bytes) -> None:
    registry.login = Login("bearer", anonymous=True)
    registry.faults.append(Fault("GET /token", faults.answer(200, body=body)))
    with pytest.raises(RegistryError, match="token"):
        clients.repository(f"{registry.host}/team/app").resolve("v1")


@pytest.mark.parametrize("seconds", [-5, 0, 1, 10**12])
def test_a_strange_life_of_a_token_does_no_harm(
    registry: Registry, clients: Clients, image: Descriptor, seconds: int
) -> None:
    registry.login = Login("bearer", anonymous=True, expires_in=seconds)
    repository = clients.repository(f"{registry.host}/team/app")
    assert [repository.resolve("v1"), repository.resolve("v1")] == [image, image]
    assert len(registry.asked("GET /token")) == 1


def test_a_token_service_that_is_down_is_named(registry: Registry, clients: Clients, image: Descriptor) -> None:
    assert image.size
    registry.login = Login("bearer", anonymous=True)
    registry.faults.append(Fault("GET /token", faults.drop, times=-1))
    repository = clients.repository(f"{registry.host}/team/app", retry=RetryPolicy(tries=2))
    with pytest.raises(NetworkError, match=f"its token service {registry.url}/token: it closed the connection"):
        repository.resolve("v1")


# --- where secrets may go -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "realm"),
    [
        ("https://r.example", "https://auth.example/token"),
        ("https://r.example", "https://r.example:8443/token?x=y"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
        ("http://r.example:5000", "https://auth.example/token"),
    ],
)
def test_realms_that_may_see_a_secret(base: str, realm: str) -> None:
    _check_realm(Server(base, "r.example"), realm)


@pytest.mark.parametrize(
    ("base", "realm"),
    [
        ("https://r.example", "http://r.example/token"),
        ("https://r.example", "http://auth.example/token"),
        ("http://127.0.0.1:5000", "http://auth.example/token"),
        ("https://r.example", "file:///etc/passwd"),
        ("https://r.example", "ftp://r.example/token"),
        ("https://r.example", "/token"),
        ("https://r.example", ""),
        ("https://r.example", "https://user:pass@r.example/token"),
        ("https://r.example", "https://"),
        ("https://r.example", "https://r.example:99999/"),
        ("https://r.example", "https://[::1/"),
    ],
)
def test_realms_that_may_not(base: str, realm: str) -> None:
    with pytest.raises(RegistryError, match="not where a secret may go"):
        _check_realm(Server(base, "r.example"), realm)


def test_a_token_service_elsewhere_without_tls_gets_nothing(
    registry: Registry, other_registry: Registry, clients: Clients, image: Descriptor
) -> None:
    assert image.size
    port = other_registry.host.rpartition(":")[2]
    registry.login = Login("bearer", realm=f"http://localhost:{port}/token")
    with pytest.raises(RegistryError, match="not where a secret may go"):
        clients.repository(f"{registry.host}/team/app", credentials=Fixed(any=USER)).resolve("v1")
    assert not other_registry.requests


def test_a_redirected_token_request_is_not_followed(
    registry: Registry, other_registry: Registry, clients: Clients, image: Descriptor
) -> None:
    assert image.size
    registry.login = Login("bearer")
    registry.faults.append(Fault("GET /token", faults.answer(307, {"Location": f"{other_registry.url}/token"})))
    with pytest.raises(RegistryError, match=r"(?s)could not log in .*HTTP 307"):
        clients.repository(f"{registry.host}/team/app", credentials=Fixed(any=USER)).resolve("v1")
    assert not other_registry.requests


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_a_redirect_to_another_host_takes_no_secret_along(
    registry: Registry, other_registry: Registry, clients: Clients, kind: str
) -> None:
    layer = registry.put_blob("team/app", b"layer")
    other_registry.put_blob("team/app", b"layer")
    registry.login = Login(kind)
    location = f"{other_registry.url}/v2/team/app/blobs/{layer.digest}"
    registry.faults.append(Fault("GET .*/blobs/", faults.answer(307, {"Location": location}), skip=1))
    repository = clients.repository(f"{registry.host}/team/app", credentials=Fixed(any=USER))
    with repository.open(layer) as stream:
        assert stream.readinto(memoryview(bytearray(10))) == 5
    assert any("authorization" in request.headers for request in registry.asked("GET /v2"))
    assert other_registry.requests
    assert all("authorization" not in request.headers for request in other_registry.requests)


def test_a_challenge_from_another_host_is_not_answered(
    registry: Registry, other_registry: Registry, clients: Clients
) -> None:
    layer = registry.put_blob("team/app", b"layer")
    other_registry.login = Login("basic")
    location = f"{other_registry.url}/v2/team/app/blobs/{layer.digest}"
    registry.faults.append(Fault("GET .*/blobs/", faults.answer(307, {"Location": location}), times=-1))
    with pytest.raises(RegistryError, match="it wants a login"):
        clients.repository(f"{registry.host}/team/app", credentials=Fixed(any=USER)).open(layer)
    assert all("authorization" not in request.headers for request in other_registry.requests)


def test_the_login_of_an_upstream_is_not_for_its_mirror(
    registry: Registry, clients: Clients, image: Descriptor
) -> None:
    assert image.size
    registry.login = Login("basic")
    credentials = Fixed(**{"upstream.invalid": USER})
    table = MirrorTable((parse_mirror(f"upstream.invalid={registry.url}"),), mirror_only=True)
    with pytest.raises(RegistryError, match="it wants a login"):
        clients.repository("upstream.invalid/team/app", credentials=credentials, mirrors=table).resolve("v1")
    assert [host for host, _ in credentials.asked] == [registry.host]
