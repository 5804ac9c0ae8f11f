"""Registries that lead astray, or keep one waiting."""

import threading
import time
from collections.abc import Callable

import pytest

from packhorse.base.errors import NetworkError, RegistryError
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.distribution_exchange import settle_location
from packhorse.oci.model import Descriptor
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import Pacing
from tests.support import registry_faults as faults
from tests.support.registry import Registry
from tests.support.registry_faults import Fault
from tests.unit.oci.conftest import Clients

Patient = Callable[[float], RegistryClient]


@pytest.mark.parametrize(
    ("base", "location", "expected"),
    [
        ("https://r.example/v2/a", "/v2/b", "https://r.example/v2/b"),
        ("https://r.example/v2/a", "b?c=d", "https://r.example/v2/b?c=d"),
        ("https://r.example/v2/a", "https://cdn.example/x#y", "https://cdn.example/x"),
        ("http://r.example:5000/v2/a", "https://cdn.example/x", "https://cdn.example/x"),
        ("http://r.example:5000/v2/a", "http://cdn.example/x", "http://cdn.example/x"),
        # A registry behind a proxy that ends TLS names itself without it.
        ("https://r.example/v2/a", "http://r.example/v2/b", "https://r.example/v2/b"),
        ("https://r.example:8443/v2/a", "http://r.example:8443/v2/b", "https://r.example:8443/v2/b"),
        ("https://r.example/v2/a", "http://r.example:80/v2/b", "https://r.example/v2/b"),
    ],
)
def test_locations_that_are_gone_to(base: str, location: str, expected: str) -> None:
    assert settle_location(base, location, "x") == expected


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://r.example/x",
        "gopher://r.example/x",
        "javascript:alert(1)",
        "/v2/\x1b[31m",
        "https://r.example/a b\r\nHost: other",
        "https://user:password@r.example/x",
        "https://r.example:port/x",
        "https://r.example:99999/x",
        "https://[::1/x",
        "http://cdn.example/x",
        "http://r.example:8080/x",
    ],
)
def test_locations_that_are_not(location: str) -> None:
    with pytest.raises(RegistryError, match=r"could not read it: https://r\.example/a redirects"):
        settle_location("https://r.example/a", location, "read it")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "\x1b[31mhttp://", "ftp://127.0.0.1/x"])
def test_a_redirect_to_nowhere_good_is_refused(registry: Registry, clients: Clients, location: str) -> None:
    layer = registry.put_blob("team/app", b"layer")
    registry.faults.append(Fault("GET", faults.answer(307, {"Location": location})))
    with pytest.raises(RegistryError, match="only http and https URLs are followed") as caught:
        clients.repository(f"{registry.host}/team/app").open(layer)
    assert "\x1b" not in caught.value.message


def test_redirects_in_a_circle_are_given_up(registry: Registry, clients: Clients) -> None:
    layer = registry.put_blob("team/app", b"layer")
    location = {"Location": f"/v2/team/app/blobs/{layer.digest}"}
    registry.faults.append(Fault("GET", faults.answer(302, location), times=-1))
    with pytest.raises(RegistryError, match="more than 5 redirects"):
        clients.repository(f"{registry.host}/team/app").open(layer)
    assert len(registry.requests) == 6


def test_a_few_redirects_are_followed(registry: Registry, clients: Clients) -> None:
    layer = registry.put_blob("team/app", b"layer")
    location = {"Location": f"/v2/team/app/blobs/{layer.digest}"}
    registry.faults.append(Fault("GET", faults.answer(301, location), times=5))
    with clients.repository(f"{registry.host}/team/app").open(layer) as stream:
        assert stream.readinto(memoryview(bytearray(10))) == 5


@pytest.mark.parametrize("slow", [faults.drip(0.01, 100_000), faults.header_drip(0.01)])
def test_a_server_that_drips_is_given_up(registry: Registry, patient: Patient, slow: faults.Action) -> None:
    fault = Fault("GET", slow, times=-1)
    registry.faults.append(fault)
    started = time.monotonic()
    with pytest.raises(NetworkError, match=r"only \d+ bytes came in|did not answer in time"):
        patient(0.2).repository(f"{registry.host}/team/app").read_manifest("v1")
    assert time.monotonic() - started < 20
    fault.stop.set()


def test_a_blob_that_drips_is_given_up(registry: Registry, patient: Patient) -> None:
    size = 100_000_000
    layer = Descriptor(media_type="application/x", digest=registry.put_blob("team/app", b"x").digest, size=size)
    fault = Fault("GET", faults.drip(0.01, size), times=-1)
    registry.faults.append(fault)
    repository = patient(0.2).repository(f"{registry.host}/team/app")
    buffer = memoryview(bytearray(65536))
    with (
        repository.open(layer) as stream,
        pytest.raises(NetworkError, match=r"(bytes came in 0 s|in time) at \d+ B, 5 tries"),
    ):
        stream.readinto(buffer)
    fault.stop.set()


def test_a_server_that_says_nothing_is_given_up(registry: Registry, patient: Patient) -> None:
    silence = threading.Event()

    def keep_still(handler: faults.FaultyHandler, _fault: Fault) -> None:
        silence.wait(20)
        handler.close_connection = True

    registry.faults.append(Fault("HEAD", keep_still, times=-1))
    with pytest.raises(NetworkError, match="did not answer in time, 5 tries"):
        patient(0.1).repository(f"{registry.host}/team/app").resolve("v1")
    silence.set()


def test_an_endless_error_body_is_not_read(registry: Registry, clients: Clients) -> None:
    sent = []

    def rage(handler: faults.FaultyHandler, _fault: Fault) -> None:
        handler.write_raw(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n")
        handler.close_connection = True
        while True:
            handler.write_raw(b"no! " * 16384)
            sent.append(1)

    registry.faults.append(Fault("GET", rage))
    with pytest.raises(RegistryError, match=r"access is denied \(HTTP 403: no! no!") as caught:
        clients.repository(f"{registry.host}/team/app").read_manifest("v1")
    assert len(caught.value.message) < 600


def test_a_registry_that_is_gone_is_not_waited_for_again_and_again(registry: Registry) -> None:
    seconds, pauses = [0.0], []

    def sleep(pause: float) -> None:
        pauses.append(pause)
        seconds[0] += pause

    pacing = Pacing(clock=lambda: seconds[0], sleep=sleep, chance=lambda: 1.0)
    with RegistryClient(RegistrySettings(), pacing) as client:
        repository = client.repository(f"{registry.host}/team/app")
        registry.put_image("team/app", "v1")
        registry.faults.append(Fault("HEAD", faults.drop, times=-1))
        while seconds[0] <= 60:
            with pytest.raises(NetworkError, match="5 tries"):
                repository.resolve("v1")
        pauses.clear()
        seconds[0] += 1
        for _ in range(3):
            with pytest.raises(NetworkError):
                repository.resolve("v1")
        assert pauses == []
        # It is asked all the same: once it answers, it is as patient as before.
        registry.faults.clear()
        assert repository.resolve("v1").size
        registry.faults.append(Fault("HEAD", faults.drop, times=1))
        assert repository.resolve("v1").size
        assert len(pauses) == 1
