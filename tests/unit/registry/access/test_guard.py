"""Who may do what, over a real socket and against a real store."""

import base64
import http.client
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from packhorse.base.errors import ConfigError
from packhorse.oci.digest import Digest
from packhorse.oci.www_authenticate import parse_challenges
from tests.support.guarding import ACCESS, EMPTY, Guarded, basic, guarded, write_users
from tests.support.serving import Reply


def without_id(reply: Reply) -> bytes:
    """The body of an error without the id that each request has of its own."""
    return re.sub(rb'"requestId": "[0-9a-f]+"', b"", reply.body)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Guarded]:
    with guarded(tmp_path) as running:
        yield running


def code(body: bytes) -> str:
    """The code of an error body."""
    return str(json.loads(body)["errors"][0]["code"])


def fill(site: Guarded, *names: str) -> None:
    """Have repositories."""
    for name in names:
        assert site.put(name, "admin").status == 201


def test_a_client_without_a_login_is_told_where_to_log_in(site: Guarded) -> None:
    reply = site.ask("/v2/")
    challenge, *_ = parse_challenges([reply.headers["WWW-Authenticate"]])
    assert (reply.status, code(reply.body)) == (401, "UNAUTHORIZED")
    assert challenge.scheme == "bearer"
    assert challenge.parameters == {
        "realm": f"http://127.0.0.1:{site.server.port}/token",
        "service": "packhorse",
    }


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v2/team/app/manifests/1", "repository:team/app:pull"),
        ("GET", "/v2/library/redis/manifests/7?ns=docker.io", "repository:docker.io/library/redis:pull"),
        ("POST", "/v2/team/app/blobs/uploads/", "repository:team/app:pull,push"),
        ("DELETE", "/v2/team/app/manifests/1", "repository:team/app:pull,delete"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ],
)
def test_a_challenge_says_what_the_token_must_be_for(site: Guarded, method: str, path: str, scope: str) -> None:
    reply = site.ask(path, method)
    challenge, *_ = parse_challenges([reply.headers["WWW-Authenticate"]])
    assert (reply.status, challenge.parameters["scope"]) == (401, scope)


def test_a_password_lets_in_on_each_request(site: Guarded) -> None:
    assert site.ask("/v2/", user="node").status == 200
    assert site.ask("/v2/", Authorization=basic("node", "node-pass ")).status == 401
    assert site.ask("/v2/", Authorization=basic("stranger")).status == 401


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Digest x", "Bearer a.b", ""]
)
def test_what_is_no_login_is_refused(site: Guarded, header: str) -> None:
    assert site.ask("/v2/", Authorization=header).status == 401


@pytest.mark.parametrize(
    ("user", "name", "status"),
    [
        ("admin", "any/where", 201),
        ("ci", "team/app", 201),
        ("ci", "team/app/deeper", 403),
        ("ci", "docker.io/redis", 201),
        ("ci", "docker.io/team/redis", 403),
        ("ci", "other/app", 403),
        ("node", "team/app", 403),
        ("nobody", "team/app", 403),
        (None, "team/app", 401),
    ],
)
def test_pushing_needs_the_role(site: Guarded, user: str | None, name: str, status: int) -> None:
    assert site.put(name, user).status == status
    assert site.put_blob(name, user).status == status
    assert (site.store.tags("packhorse.internal/team/app") is not None) == (status == 201 and name == "team/app")


def test_deleting_needs_more_than_pushing(site: Guarded) -> None:
    fill(site, "team/app", "team/old")
    assert site.ask("/v2/team/app/manifests/1", "DELETE", "ci").status == 403
    assert site.ask("/v2/team/app/manifests/1", "DELETE", "cleaner").status == 403
    assert site.ask("/v2/team/old/manifests/1", "DELETE", "cleaner").status == 202


def test_uploads_belong_to_those_who_may_push(site: Guarded) -> None:
    begun = site.ask("/v2/team/app/blobs/uploads/", "POST", "ci")
    location = begun.headers["Location"]
    assert begun.status == 202
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert site.ask(location, method, "node").status == 403
        assert site.ask(location, method).status == 401
    assert site.ask(location, "DELETE", "ci").status == 204


def test_what_may_not_be_pulled_is_as_if_it_were_not_there(site: Guarded) -> None:
    fill(site, "secret/app", "team/app")
    for method in ("GET", "HEAD"):
        for rest in ("manifests/1", "tags/list", f"referrers/{Digest.of(EMPTY)}", f"blobs/{Digest.of(EMPTY)}"):
            there = site.ask(f"/v2/secret/app/{rest}", method, "node", X_Request_Id="same")
            absent = site.ask(f"/v2/secret/bpp/{rest}", method, "node", X_Request_Id="same")
            assert there.status == absent.status == 403
            assert without_id(there).replace(b"secret/app", b"secret/bpp") == without_id(absent)
            assert site.ask(f"/v2/secret/app/{rest}", method).status == 401
    assert site.ask("/v2/team/app/manifests/1", user="node").status == 200
    assert site.ask("/v2/team/none/manifests/1", user="node").status == 404


def test_a_hidden_repository_of_another_registry_does_not_show_through_a_short_name(site: Guarded) -> None:
    fill(site, "quay.io/team/hidden")
    hidden = site.ask("/v2/team/hidden/manifests/1", user="node", X_Request_Id="same")
    absent = site.ask("/v2/team/absent/manifests/1", user="node", X_Request_Id="same")
    assert (hidden.status, absent.status) == (404, 404)
    assert without_id(hidden).replace(b"hidden", b"absent") == without_id(absent)
    assert site.ask("/v2/team/hidden/manifests/1", user="admin").status == 200


def test_lists_have_what_may_be_pulled(site: Guarded) -> None:
    fill(site, "secret/app", "team/app", "docker.io/library/redis")
    lists = {
        user: json.loads(site.ask("/v2/_catalog", user=user).body)["repositories"] for user in ("admin", "ci", "nobody")
    }
    assert lists == {
        "admin": ["docker.io/library/redis", "secret/app", "team/app"],
        "ci": ["docker.io/library/redis", "team/app"],
        "nobody": [],
    }
    assert site.ask("/v2/_catalog").status == 401


def test_a_blob_is_mounted_from_what_may_be_pulled_only(site: Guarded) -> None:
    secret, shared = b"secret", b"shared"
    assert site.put_blob("secret/app", "admin", secret).status == 201
    assert site.put_blob("team/other", "admin", shared).status == 201
    path = "/v2/team/app/blobs/uploads/?mount={}&from={}"
    assert site.ask(path.format(Digest.of(shared), "team/other"), "POST", "ci").status == 201
    assert site.ask(path.format(Digest.of(secret), "secret/app"), "POST", "ci").status == 202
    assert site.ask(f"/v2/team/app/blobs/{Digest.of(secret)}", user="ci").status == 404
    assert site.ask(path.format(Digest.of(secret), "secret/app"), "POST", "admin").status == 201


def test_the_token_of_a_login_opens_what_it_was_asked_for(site: Guarded) -> None:
    fill(site, "team/app", "team/other")
    token = site.token("ci", "repository:team/app:pull,push,delete", "repository:secret/app:pull")
    bearer = f"Bearer {token}"
    assert site.ask("/v2/", Authorization=bearer).status == 200
    assert site.put("team/app", None, Authorization=bearer).status == 201
    other = site.ask("/v2/team/other/manifests/1", Authorization=bearer)
    challenge, *_ = parse_challenges([other.headers["WWW-Authenticate"]])
    assert (other.status, challenge.parameters["error"]) == (401, "insufficient_scope")
    assert challenge.parameters["scope"] == "repository:team/other:pull"
    assert site.ask("/v2/team/app/manifests/1", "DELETE", Authorization=bearer).status == 403
    assert site.ask("/v2/secret/app/manifests/1", Authorization=bearer).status == 403


def test_a_token_for_a_mount_must_name_both_repositories(site: Guarded) -> None:
    assert site.put_blob("team/other", "admin").status == 201
    path = f"/v2/team/app/blobs/uploads/?mount={Digest.of(EMPTY)}&from=team/other"
    one = site.ask(path, "POST", Authorization=f"Bearer {site.token('ci', 'repository:team/app:pull,push')}")
    challenge, *_ = parse_challenges([one.headers["WWW-Authenticate"]])
    scopes = challenge.parameters["scope"]
    assert (one.status, scopes) == (401, "repository:team/app:pull,push repository:team/other:pull")
    both = site.ask(path, "POST", Authorization=f"Bearer {site.token('ci', *scopes.split())}")
    assert both.status == 201


def test_a_token_can_be_had_by_post(site: Guarded) -> None:
    form = {"grant_type": "password", "username": "ci", "password": "ci-pass", "service": "packhorse"}
    form["scope"] = "repository:team/app:pull repository:team/other:pull,push"
    reply = site.send("/token", "POST", None, urlencode(form).encode())
    given = json.loads(reply.body)
    assert (reply.status, given["expires_in"]) == (200, 300)
    assert given["access_token"] == given["token"]
    assert given["scope"] == "repository:team/app:pull repository:team/other:pull,push"
    assert site.send("/token", "POST", None, urlencode({**form, "password": "x"}).encode()).status == 401
    assert site.send("/token", "POST", None, urlencode({**form, "grant_type": "refresh_token"}).encode()).status == 400
    assert site.send("/token", "POST", None, b"\xff").status == 400
    assert site.send("/token", "POST", None, b"x" * 70_000).status == 413


def test_no_token_for_nobody_for_others_or_for_a_token(site: Guarded) -> None:
    assert site.ask("/token?service=packhorse").status == 401
    assert site.ask("/token?service=other", user="ci").status == 400
    assert site.ask("/token", Authorization=f"Bearer {site.token('ci')}").status == 403


def test_anybody_may_pull_where_the_file_says_so(tmp_path: Path) -> None:
    with guarded(tmp_path, ACCESS + "anonymous: {pull: ['docker.io/**']}\n") as site:
        fill(site, "docker.io/library/redis", "team/app")
        assert site.ask("/v2/library/redis/manifests/1?ns=docker.io").status == 200
        assert site.ask("/v2/docker.io/library/none/manifests/1").status == 404
        assert site.ask("/v2/team/app/manifests/1").status == 401
        assert site.put("docker.io/library/redis", None).status == 401
        assert json.loads(site.ask("/v2/_catalog").body)["repositories"] == ["docker.io/library/redis"]
        # Those who want to push must still find out where to log in.
        assert site.ask("/v2/").status == 401
        bearer = f"Bearer {site.token(None, 'repository:docker.io/library/redis:pull,push')}"
        assert site.ask("/v2/docker.io/library/redis/manifests/1", Authorization=bearer).status == 200
        assert site.put("docker.io/library/redis", None, Authorization=bearer).status == 401


def test_metrics_are_for_admins_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    with guarded(tmp_path) as site:
        assert site.ask("/metrics").headers["WWW-Authenticate"].startswith("Basic ")
        assert site.ask("/metrics", user="ci").status == 403
        assert site.ask("/metrics", user="admin").status == 200
        assert site.ask("/healthz").status == 200
        assert site.ask("/v3/nothing").status == 404
        (tmp_path / "access.yaml").write_text(ACCESS + "metrics: anyone\n")
        site.guard.reload()
        assert site.ask("/metrics").status == 200


def test_a_node_that_probes_needs_no_login(site: Guarded) -> None:
    assert site.ask("/v2/packhorse-probe/p-1/manifests/latest?ns=packhorse-probe.invalid").status == 404
    assert json.loads(site.ask("/probe/p-1").body) == {"seen": 1}
    fill(site, "packhorse-probe/real")
    assert site.ask("/v2/packhorse-probe/real/manifests/1").status == 404
    assert site.put("packhorse-probe/real", None).status == 401


def test_a_changed_file_holds_for_tokens_too_and_a_broken_one_is_not_taken(site: Guarded) -> None:
    fill(site, "team/app")
    bearer = f"Bearer {site.token('ci', 'repository:team/app:pull')}"
    assert site.ask("/v2/team/app/manifests/1", Authorization=bearer).status == 200
    (site.folder / "access.yaml").write_text(ACCESS.replace("users: [ci]", "users: [nobody]"))
    site.guard.reload()
    assert site.ask("/v2/team/app/manifests/1", Authorization=bearer).status == 403
    (site.folder / "access.yaml").write_text(ACCESS.replace("role: push", "role: psuh"))
    with pytest.raises(ConfigError, match='did you mean "push"'):
        site.guard.reload()
    assert site.ask("/v2/team/app/manifests/1", user="nobody").status == 200


def test_another_password_ends_tokens_and_remembered_logins(site: Guarded) -> None:
    bearer = f"Bearer {site.token('ci')}"
    assert site.ask("/v2/", Authorization=bearer).status == 200
    write_users(site.folder, "admin", "node", "ci", "cleaner", "nobody")
    site.guard.reload()
    assert site.ask("/v2/", Authorization=bearer).status == 401
    assert site.ask("/v2/", user="ci").status == 200
    write_users(site.folder, "admin", "node", "cleaner", "nobody")
    (site.folder / "access.yaml").write_text(ACCESS.replace("users: [ci]", "users: [nobody]"))
    site.guard.reload()
    assert site.ask("/v2/", user="ci").status == 401


def test_failed_logins_are_slowed_down_but_not_those_that_were_right_before(site: Guarded) -> None:
    assert site.ask("/v2/", user="ci").status == 200
    for _ in range(5):
        assert site.ask("/v2/", Authorization=basic("ci", "guess")).status == 401
    reply = site.ask("/v2/", Authorization=basic("ci", "guess"))
    assert (reply.status, code(reply.body)) == (429, "TOOMANYREQUESTS")
    assert 1 <= int(reply.headers["Retry-After"]) <= 2
    # The right one of somebody else from there must wait too, so that it tells nothing.
    assert site.ask("/token", user="node").status == 429
    assert site.ask("/v2/", user="ci").status == 200


def test_every_write_and_refusal_is_written_down_and_no_secret_is(site: Guarded) -> None:
    site.put_blob("team/app", "ci")
    site.put("team/app", "ci", X_Request_Id="abc-1")
    site.put("secret/app", "ci")
    site.put("team/app", None)
    site.ask("/v2/team/app/manifests/1", "DELETE", "admin")
    site.ask("/v2/", Authorization=basic("ci", "Sesame1"))
    site.ask("/v2/", Authorization=basic("Sesame2", "x"))
    site.ask("/v2/")
    site.ask("/v2/team/app/tags/list", user="ci")
    text = (site.folder / "audit.log").read_text()
    events = site.events()
    told = [(each["action"], each["outcome"], each.get("user"), each["status"]) for each in events]
    assert told == [
        ("push blob", "done", "ci", 201),
        ("push manifest", "done", "ci", 201),
        ("push manifest", "refused", "ci", 403),
        ("push manifest", "refused", None, 401),
        ("delete manifest", "done", "admin", 202),
        ("read", "refused", "ci", 401),
        ("read", "refused", None, 401),
    ]
    assert events[1]["request"] == "abc-1"
    assert len({each["request"] for each in events}) == len(events)
    assert events[1]["digest"].startswith("sha256:")
    assert events[0]["target"] == Digest.of(EMPTY)
    assert all(each["address"] == "127.0.0.1" and each["time"].endswith("Z") for each in events)
    assert "Sesame" not in text
    assert "-pass" not in text


def test_a_log_that_cannot_be_written_stops_writes_and_not_pulls(site: Guarded) -> None:
    fill(site, "team/app")
    log = site.folder / "audit.log"
    log.rename(site.folder / "old.log")
    log.symlink_to("/dev/full")
    site.guard.reload()
    # The one that finds out was done; it is counted as lost.
    assert site.put("team/app", "ci").status == 201
    assert site.put("team/app", "ci").status == 503
    assert site.ask("/v2/team/app/manifests/1", user="ci").status == 200
    log.unlink()
    site.guard.reload()
    assert site.put("team/app", "ci").status == 503
    assert site.put("team/app", "ci").status == 201
    assert [(each["action"], each["outcome"]) for each in site.events()] == [
        ("audit", "lost"),
        ("push manifest", "refused"),
        ("push manifest", "done"),
    ]


def test_many_at_once_with_one_login_are_checked_once(tmp_path: Path) -> None:
    with guarded(tmp_path) as site:
        connections = [http.client.HTTPConnection(site.server.host, site.server.port, timeout=20) for _ in range(60)]
        started = time.monotonic()
        for connection in connections:
            connection.request("GET", "/v2/", headers={"Authorization": basic("node")})
        statuses = {connection.getresponse().status for connection in connections}
        for connection in connections:
            connection.close()
        assert statuses == {200}, time.monotonic() - started
