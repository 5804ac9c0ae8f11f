"""What pages, readiness and the log tell, and to whom, where an access file says who may do what."""

import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.registry import watching
from tests.support.guarding import ACCESS, Guarded, guarded


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    monkeypatch.setattr(watching, "_CHECK_FRESH_SECONDS", 0.0)
    with guarded(tmp_path) as site:
        for name in ("secret/app", "team/app", "team/old"):
            assert site.put(name, "admin").status == 201
        yield site


def listed(site: Guarded, user: str | None) -> list[str]:
    reply = site.ask("/ui/", user=user)
    assert reply.status == 200
    return re.findall(r'href="/ui/packhorse\.internal/([^"]+)"', reply.body.decode())


def test_a_page_has_what_its_reader_may_pull(site: Guarded) -> None:
    assert listed(site, "admin") == ["secret/app", "team/app", "team/old"]
    assert listed(site, "node") == ["team/app", "team/old"]
    assert listed(site, "cleaner") == ["team/old"]
    assert "1 to 2 of 2 repositories" in site.ask("/ui/", user="node").body.decode()


@pytest.mark.parametrize("rest", ["", ":1", "@sha256:" + "0" * 64])
def test_a_hidden_repository_is_one_that_is_not_there(site: Guarded, rest: str) -> None:
    assert site.ask("/ui/packhorse.internal/secret/app:1", user="admin").status == 200
    hidden, absent = (
        site.ask(f"/ui/packhorse.internal/{name}{rest}", user="node") for name in ("secret/app", "no/app")
    )
    assert (hidden.status, absent.status) == (404, 404)
    assert hidden.body.replace(b"secret/app", b"no/app") == absent.body


def test_a_browser_is_asked_for_a_password_and_strangers_see_nothing(site: Guarded) -> None:
    for path in ("/ui/", "/ui/packhorse.internal/team/app", "/"):
        reply = site.ask(path, Accept="text/html")
        assert (reply.status, reply.headers["WWW-Authenticate"][:6]) == (401, "Basic ")
        assert b"team" not in reply.body
    assert site.ask("/ui/", user="nobody").status == 403


def test_where_everybody_may_pull_everybody_may_look(tmp_path: Path) -> None:
    anyone = ACCESS + 'anonymous: {pull: ["team/*"]}\n'
    with guarded(tmp_path, anyone) as site:
        site.put("secret/app", "admin")
        site.put("team/app", "admin")
        assert listed(site, None) == ["team/app"]


def test_readiness_is_for_probes_which_have_no_login_and_tells_them_no_paths(site: Guarded) -> None:
    reply = site.ask("/readyz")
    assert (reply.status, json.loads(reply.body)) == (200, {"ready": True})
    shutil.rmtree(site.store.path / "incoming")
    reply = site.ask("/readyz")
    assert (reply.status, json.loads(reply.body)) == (503, {"ready": False})
    assert site.ask("/healthz").status == 200


def test_the_log_names_who_asked(
    site: Guarded, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("packhorse"), "propagate", True)
    caplog.set_level(logging.INFO, "packhorse.registry.access")
    site.ask("/v2/team/app/tags/list", user="ci")
    site.ask("/v2/")
    events = [record.__dict__["event"] for record in caplog.records if hasattr(record, "event")]
    assert [event.get("user") for event in events] == ["ci", None]
    assert "ci-pass" not in caplog.text + json.dumps(events)
