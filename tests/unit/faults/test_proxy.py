"""The faulty proxy: good when it is told nothing, the same for the same seed, and in its own right mind always."""

import contextlib
import http.client
import inspect
import time
from collections.abc import Iterator

import pytest

from faults.proxy import misdeeds, schedule, server
from faults.proxy.schedule import Schedule
from faults.proxy.server import Proxy
from tests.support.registry import Registry, serving

BLOB = b"some content" * 1000


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as registry:
        yield registry


@pytest.fixture
def proxy(registry: Registry) -> Iterator[Proxy]:
    with server.running(registry.url, misdeeds.MISDEEDS) as proxy:
        yield proxy


def ask(proxy: Proxy, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(proxy.host, timeout=0.5)
    with contextlib.closing(connection):
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        content, end = b"", time.monotonic() + 1
        while (piece := answer.read1(65536)) and time.monotonic() < end:
            content += piece
        return answer.status, content


def test_without_a_schedule_it_hands_on(proxy: Proxy, registry: Registry) -> None:
    seen = proxy.begin()
    blob = registry.put_blob("a/b", BLOB)
    assert ask(proxy, f"/v2/a/b/blobs/{blob.digest}") == (200, BLOB)
    assert ask(proxy, f"/v2/a/b/blobs/{blob.digest}", "HEAD") == (200, b"")
    assert ask(proxy, "/v2/a/b/manifests/none")[0] == 404
    assert [(each.method, each.kind, each.sent_bytes) for each in seen][:2] == [("GET", "", len(BLOB)), ("HEAD", "", 0)]


@pytest.mark.parametrize("name", sorted(misdeeds.MISDEEDS))
def test_every_misdeed_harms_or_delays_and_the_proxy_lives(
    proxy: Proxy, registry: Registry, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    blob = registry.put_blob("a/b", BLOB)
    path = f"/v2/a/b/blobs/{blob.digest}"
    ask(proxy, path)
    seen = proxy.begin(Schedule("1", (name,), 1.0))
    for method, where, body in (("GET", path, None), ("PUT", "/v2/a/b/manifests/1", b"{}")):
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask(proxy, where, method, body)
    assert {each.kind for each in seen} == {name}
    proxy.begin()
    assert ask(proxy, path) == (200, BLOB)
    assert "Traceback" not in capsys.readouterr().err


def test_every_misdeed_is_in_a_list_that_rounds_draw_from() -> None:
    names = {name for name, each in inspect.getmembers(misdeeds, inspect.isfunction) if not name.startswith("_")}
    assert names - {"formatdate"} == set(misdeeds.MISDEEDS) == set(misdeeds.READS) | set(misdeeds.WRITES)


def test_the_same_seed_makes_the_same_choices_in_any_order() -> None:
    lines = [f"GET /v2/a/blobs/{number}" for number in range(40)]
    kinds = ("delay", "drip", "forbidden")
    first, second, other = (Schedule(seed, kinds, 0.5) for seed in ("1", "1", "2"))
    chosen = {line: first.choose(line).kind for line in lines}
    assert chosen == {line: second.choose(line).kind for line in reversed(lines)}
    assert chosen != {line: other.choose(line).kind for line in lines}
    assert {"", *kinds} == set(chosen.values())


def test_a_sticky_schedule_is_the_same_each_time_and_a_session_is_no_difference() -> None:
    sticky = schedule.Schedule("1", ("delay",), 0.5, sticky=True)
    for number in range(20):
        assert len({sticky.choose(f"GET /{number}").kind for _ in range(5)}) == 1
    again = schedule.Schedule("1", ("delay",), 0.5, sticky=True)
    assert len({again.choose(f"PUT /v2/a/blobs/uploads/{session:x}").kind for session in range(50)}) == 1


def test_the_alarm_comes_with_its_request() -> None:
    counted = schedule.Schedule(alarm_at=2)
    counted.choose("GET /a")
    assert not counted.alarm.is_set()
    counted.choose("GET /b")
    assert counted.alarm.is_set()
