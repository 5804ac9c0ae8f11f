"""What the adapter makes of an API server's answers; that it works with a real one is in the contract tests."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from packhorse.base.errors import ClusterError, ConfigError, NetworkError
from packhorse.kube.errors import (
    FieldConflict,
    FieldConflictError,
    InvalidObjectError,
    NotServedError,
    StaleObjectError,
)
from packhorse.kube.lightkube_cluster import LightkubeCluster
from packhorse.kube.object_identity import ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind
from packhorse.oci.registry_settings import ProxySettings

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}
CONFIG_PATH = "/api/v1/namespaces/shop/configmaps/a"
CORE = {
    "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["list", "get"]},
        {"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]},
        {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["list"]},
        {"name": "namespaces/status", "kind": "Namespace", "namespaced": False, "verbs": ["get"]},
    ]
}

Answer = httpx2.Response | Exception


class Server:
    """Answers each path with what is prepared for it, one after another; the last answer stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {"/api/v1": [httpx2.Response(200, json=CORE)]}
        self.requests: list[httpx2.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        prepared = self.answers.get(request.url.path)
        if not prepared:
            return status(404, "NotFound", "not found")
        answer = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def on(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)


def status(code: int, reason: str, message: str, *causes: dict[str, str], **headers: str) -> httpx2.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": {"causes": list(causes)}}
    return httpx2.Response(code, json=body, headers=headers)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def cluster(server: Server) -> Iterator[LightkubeCluster]:
    client = httpx2.Client(transport=httpx2.MockTransport(server), base_url="https://cluster:6443")
    with LightkubeCluster(client, sleep=server.pauses.append) as made:
        yield made


def apply(cluster: LightkubeCluster) -> dict[str, Any]:
    return cluster.apply(CONFIG, ApplyOptions())


def test_applying_asks_as_the_specification_says(server: Server, cluster: LightkubeCluster) -> None:
    server.on(CONFIG_PATH, httpx2.Response(200, json=CONFIG))
    cluster.apply(CONFIG, ApplyOptions(manager="m", force=True, dry_run=True, strict=False))
    request = server.requests[-1]
    assert request.method == "PATCH"
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert dict(request.url.params) == {
        "fieldManager": "m",
        "force": "true",
        "fieldValidation": "Ignore",
        "dryRun": "All",
    }
    assert json.loads(request.content) == CONFIG


def test_names_are_written_so_that_they_cannot_lead_elsewhere(server: Server, cluster: LightkubeCluster) -> None:
    assert cluster.get(ObjectIdentity("v1", "ConfigMap", "shop", "../../secrets/a:b")) is None
    assert server.requests[-1].url.raw_path == b"/api/v1/namespaces/shop/configmaps/..%2F..%2Fsecrets%2Fa%3Ab"


def test_lists_are_read_page_by_page(server: Server, cluster: LightkubeCluster) -> None:
    def page(name: str, following: str) -> httpx2.Response:
        return httpx2.Response(200, json={"metadata": {"continue": following}, "items": [{"metadata": {"name": name}}]})

    server.on("/api/v1/configmaps", page("a", "more"), page("b", ""))
    found = cluster.list(ServedKind("v1", "ConfigMap"), labels="x=y")
    assert [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found] == [
        ("v1", "ConfigMap", "a"),
        ("v1", "ConfigMap", "b"),
    ]
    assert server.requests[-1].url.params["continue"] == "more"
    assert server.requests[-1].url.params["labelSelector"] == "x=y"


def test_subresources_and_what_cannot_be_listed_are_no_kinds(server: Server, cluster: LightkubeCluster) -> None:
    server.on("/apis", httpx2.Response(200, json={"groups": [{"preferredVersion": {"groupVersion": "gone.dev/v1"}}]}))
    assert cluster.namespaced_kinds() == (ServedKind("v1", "ConfigMap"),)


def test_a_kind_that_comes_later_is_found(server: Server, cluster: LightkubeCluster) -> None:
    with pytest.raises(NotServedError):
        cluster.is_namespaced("shop.dev/v1", "Theme")
    server.on(
        "/apis/shop.dev/v1",
        httpx2.Response(200, json={"resources": [{"name": "themes", "kind": "Theme", "namespaced": True}]}),
    )
    assert cluster.is_namespaced("shop.dev/v1", "Theme")
    before = len(server.requests)
    assert cluster.is_namespaced("shop.dev/v1", "Theme")
    assert len(server.requests) == before


def test_conflicts_name_manager_and_field(server: Server, cluster: LightkubeCluster) -> None:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using apps/v1',
            "field": ".spec.replicas",
        },
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "hpa" with subresource "scale" using apps/v1',
            "field": ".spec.x",
        },
    ]
    server.on(CONFIG_PATH, status(409, "Conflict", "Apply failed with 2 conflicts", *causes))
    with pytest.raises(FieldConflictError) as caught:
        apply(cluster)
    assert caught.value.conflicts == (
        FieldConflict("kubectl-edit", ".spec.replicas"),
        FieldConflict("hpa (scale)", ".spec.x"),
    )
    assert "--force-conflicts" in str(caught.value.hint)


def test_the_value_that_is_refused_is_not_repeated_when_it_is_an_object(
    server: Server, cluster: LightkubeCluster
) -> None:
    causes = [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: {"env":[{"value":"hunter2"}]}: field is immutable',
            "field": "spec.template",
        },
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: "A_B": must be a lowercase name',
            "field": "metadata.name",
        },
    ]
    server.on(CONFIG_PATH, status(422, "Invalid", 'ConfigMap "a" is invalid: {"env":[{"value":"hunter2"}]}', *causes))
    with pytest.raises(InvalidObjectError) as caught:
        apply(cluster)
    assert caught.value.message == (
        "cannot apply ConfigMap/a in shop: spec.template: field is immutable; "
        'metadata.name: Invalid value: "A_B": must be a lowercase name'
    )


@pytest.mark.parametrize(
    ("answer", "family", "message"),
    [
        (
            status(403, "Forbidden", 'user "dev" cannot patch'),
            ClusterError,
            'cannot apply ConfigMap/a in shop: user "dev" cannot patch',
        ),
        (status(409, "AlreadyExists", "there is one"), StaleObjectError, "there is one"),
        (status(409, "Conflict", "has been modified"), StaleObjectError, "has been modified"),
        (status(400, "BadRequest", "no good"), InvalidObjectError, "no good"),
        (httpx2.Response(500, text="<html>"), ClusterError, "HTTP status 500"),
        (httpx2.Response(200, text="[1]"), ClusterError, "something that is no JSON object"),
    ],
)
def test_refusals(
    server: Server, cluster: LightkubeCluster, answer: httpx2.Response, family: type[Exception], message: str
) -> None:
    server.on(CONFIG_PATH, answer)
    with pytest.raises(family, match=message):
        apply(cluster)


@pytest.mark.parametrize(
    "first",
    [status(429, "TooManyRequests", "slow down"), status(503, "ServiceUnavailable", "busy"), httpx2.ReadError("broke")],
)
def test_what_passes_is_tried_again(server: Server, cluster: LightkubeCluster, first: Answer) -> None:
    server.on(CONFIG_PATH, first, httpx2.Response(200, json=CONFIG))
    assert apply(cluster) == CONFIG
    assert len(server.pauses) == 1
    assert 0 < server.pauses[0] <= 0.25


def test_the_server_says_how_long_to_wait(server: Server, cluster: LightkubeCluster) -> None:
    busy = status(429, "TooManyRequests", "slow down", **{"Retry-After": "2"})
    server.on(
        CONFIG_PATH,
        busy,
        status(429, "TooManyRequests", "slow down", **{"Retry-After": "600"}),
        httpx2.Response(200, json=CONFIG),
    )
    apply(cluster)
    assert server.pauses == [2.0, 5.0]


def test_it_gives_up_after_some_tries(server: Server, cluster: LightkubeCluster) -> None:
    server.on(CONFIG_PATH, status(503, "ServiceUnavailable", "busy"))
    with pytest.raises(ClusterError, match="busy"):
        apply(cluster)
    assert len(server.pauses) == 3


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout("slow"), httpx2.RemoteProtocolError("odd"), httpx2.ConnectError("refused")]
)
def test_a_server_that_does_not_answer_is_a_network_error(
    server: Server, cluster: LightkubeCluster, error: Exception
) -> None:
    server.on(CONFIG_PATH, error)
    with pytest.raises(NetworkError, match="https://cluster:6443 does not answer") as caught:
        apply(cluster)
    assert "--kubeconfig" in str(caught.value.hint)


@pytest.mark.parametrize("write", [lambda cluster: cluster.create(CONFIG), lambda cluster: cluster.replace(CONFIG)])
def test_what_may_have_happened_is_not_done_twice(
    server: Server, cluster: LightkubeCluster, write: Callable[[LightkubeCluster], object]
) -> None:
    server.on("/api/v1/namespaces/shop/configmaps", httpx2.ReadError("broke"))
    server.on(CONFIG_PATH, httpx2.ReadError("broke"))
    with pytest.raises(NetworkError):
        write(cluster)
    assert server.pauses == []


def test_logs_that_cannot_be_had_are_empty(server: Server, cluster: LightkubeCluster) -> None:
    server.answers["/api/v1"] = [
        httpx2.Response(200, json={"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]})
    ]
    pod = ObjectIdentity("v1", "Pod", "shop", "api")
    server.on("/api/v1/namespaces/shop/pods/api/log", httpx2.Response(200, text="one\ntwo\nthree\n"))
    assert cluster.log_tail(pod, "api", lines=2, previous=True) == ("two", "three")
    assert server.requests[-1].url.params["previous"] == "true"
    server.on("/api/v1/namespaces/shop/pods/api/log", status(400, "BadRequest", "waiting to start"))
    assert cluster.log_tail(pod, "api", lines=2) == ()


def test_events_are_in_their_order_whatever_form_their_time_has(server: Server, cluster: LightkubeCluster) -> None:
    events = [
        {"reason": "last", "series": {"lastObservedTime": "2026-01-01T00:00:09Z"}, "eventTime": "2026-01-01T00:00:01Z"},
        {"reason": "first", "lastTimestamp": "2026-01-01T00:00:02Z"},
        {"reason": "second", "lastTimestamp": None, "eventTime": "2026-01-01T00:00:03.5Z"},
    ]
    server.on("/api/v1/namespaces/shop/events", httpx2.Response(200, json={"items": events}))
    assert [event["reason"] for event in cluster.events("shop", "u")] == ["first", "second", "last"]
    assert server.requests[-1].url.params["fieldSelector"] == "involvedObject.uid=u"


@pytest.fixture
def versions() -> Iterator[HTTPServer]:
    """Answers each request with a version, as an API server or a proxy in front of it does."""
    with HTTPServer(("127.0.0.1", 0), Versions) as listening:
        listening.asked = []  # type: ignore[attr-defined] # what was asked for, for the test
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


class Versions(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined] # as above
        body = json.dumps({"gitVersion": "v1.34.4"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def kubeconfig(path: Path, server: str) -> Path:
    entries = {
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }
    path.write_text(json.dumps({**entries, "current-context": "a"}), encoding="utf-8")
    return path


def test_a_server_on_loopback_is_asked_directly_whatever_the_environment_says(
    versions: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    path = kubeconfig(tmp_path / "config", f"http://127.0.0.1:{versions.server_port}")
    proxies = ProxySettings(http="http://127.0.0.1:9")
    with LightkubeCluster.connect([path], proxies=proxies) as cluster:
        assert cluster.server_version() == "v1.34.4"
    assert versions.asked == ["/version"]  # type: ignore[attr-defined] # as above


def test_any_other_server_is_asked_through_the_proxy(versions: HTTPServer, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "http://api.example")
    proxies = ProxySettings(http=f"http://127.0.0.1:{versions.server_port}")
    with LightkubeCluster.connect([path], proxies=proxies) as cluster:
        assert cluster.server_version() == "v1.34.4"
    assert versions.asked == ["http://api.example/version"]  # type: ignore[attr-defined] # as above


def test_credentials_that_are_not_what_they_should_be_are_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "config"
    user = {"client-certificate-data": "bm90IGEgY2VydA==", "client-key-data": "bm90IGEga2V5"}
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "a", "cluster": {"server": "https://a"}}],
                "users": [{"name": "a", "user": user}],
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "current-context": "a",
            }
        ),
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="cannot use the kubeconfig's context a"):
        LightkubeCluster.connect([path])


class Dripping(httpx2.SyncByteStream):
    """A body of which a byte comes now and then, for ever."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.seconds += 10
            yield b" "


def test_an_answer_that_drips_is_given_up() -> None:
    body = Dripping()
    client = httpx2.Client(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, stream=body)), base_url="https://api.example"
    )
    cluster = LightkubeCluster(client, sleep=lambda _: None, clock=lambda: body.seconds)
    with cluster, pytest.raises(NetworkError, match="does not answer: its answer did not come to an end within 60 s"):
        cluster.server_version()
    assert body.seconds < 400
