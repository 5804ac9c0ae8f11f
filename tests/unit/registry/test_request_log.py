"""Ids that the client, the error and the log have in common, and what the log must not tell."""

import json
import logging

import pytest

from packhorse.registry.request_log import request_id_of
from tests.support.serving import Served


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("packhorse"), "propagate", True)
    caplog.set_level(logging.INFO, "packhorse.registry")
    return caplog


def event(log: pytest.LogCaptureFixture) -> dict[str, object]:
    """The one request without a blob: the end of what an earlier test has streamed may be logged late."""
    events = [record.__dict__["event"] for record in log.records if record.name == "packhorse.registry.access"]
    found: dict[str, object]
    (found,) = [each for each in events if each["operation"] != "blob"]
    return found


def test_an_id_that_is_given_is_kept(served: Served) -> None:
    reply = served.ask("/v2/nothing/manifests/1", X_Request_Id="proxy-1.a:b")
    assert reply.headers["X-Request-Id"] == "proxy-1.a:b"
    (error,) = json.loads(reply.body)["errors"]
    assert error["detail"] == {"requestId": "proxy-1.a:b"}


@pytest.mark.parametrize("given", ["", "two words", "ü", "x" * 129, "a\tb", '"', "<b>"])
def test_an_id_that_could_forge_a_log_is_replaced(given: str) -> None:
    made = request_id_of({"X-Request-Id": given})
    assert made != given
    assert len(made) == 16


def test_every_answer_has_an_id_of_its_own(served: Served) -> None:
    paths = ("/v2/", "/healthz", "/metrics", "/ui/", "/v2/library/multi/manifests/1", "/nothing")
    ids = {served.ask(path).headers["X-Request-Id"] for path in paths}
    assert len(ids) == len(paths)
    digest = served.ask("/v2/library/multi/manifests/1").headers["Docker-Content-Digest"]
    assert served.ask(f"/v2/library/multi/blobs/{digest}", X_Request_Id="blob").headers["X-Request-Id"] == "blob"


def test_a_request_is_logged_with_its_parts(served: Served, log: pytest.LogCaptureFixture) -> None:
    reply = served.ask("/v2/library/multi/manifests/1?ns=docker.io", User_Agent="containerd/2.2")
    found = event(log)
    seconds = found.pop("seconds")
    assert isinstance(seconds, float)
    assert found == {
        "remote": "127.0.0.1",
        "method": "GET",
        "path": "/v2/library/multi/manifests/1?ns=docker.io",
        "operation": "manifest",
        "repository": "library/multi",
        "status": 200,
        "sentBytes": len(reply.body),
        "receivedBytes": 0,
        "agent": "containerd/2.2",
    }


def test_no_secret_is_logged(served: Served, log: pytest.LogCaptureFixture) -> None:
    served.ask(
        "/v2/library/multi/tags/list?n=1&token=hush-1&password=hush-2&hush-3&ns=docker.io",
        Authorization="Basic aHVzaC00",
        Cookie="session=hush-5",
    )
    assert "?n=1&token=...&password=...&ns=docker.io" in log.text.replace("&hush-3=...", "")
    told = log.text + json.dumps(event(log))
    assert [secret for secret in ("hush-1", "hush-2", "aHVzaC00", "hush-5") if secret in told] == []


def test_a_path_cannot_begin_a_line_of_the_log(served: Served, log: pytest.LogCaptureFixture) -> None:
    served.ask("/v2/x%0aERROR%20forged/manifests/1")
    assert event(log)["path"] == "/v2/x%0AERROR%20forged/manifests/1"
    assert all("\n" not in record.getMessage() for record in log.records)
