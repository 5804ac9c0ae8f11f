"""Every kind of data goes in and comes out as it was, by every way there is."""

import pytest

from tests.conformance.registry_client import KINDS, Client, digest_of

NAME = "conformance/kinds"


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_comes_back_by_tag_and_digest(client: Client, kind: str) -> None:
    """end-3: exact bytes, type, length and digest, for GET and HEAD."""
    pushed = KINDS[kind]
    assert client.push(NAME, pushed, None if pushed.algorithm == "sha512" else "tag").status == 201
    for target in [pushed.digest] if pushed.algorithm == "sha512" else ["tag", pushed.digest]:
        got = client.ask("GET", f"/v2/{NAME}/manifests/{target}", Accept=pushed.media_type)
        head = client.ask("HEAD", f"/v2/{NAME}/manifests/{target}", Accept=pushed.media_type)
        assert (got.status, head.status) == (200, 200)
        assert got.body == pushed.content
        for reply in (got, head):
            assert reply.headers["content-type"] == pushed.media_type
            assert reply.headers["content-length"] == str(len(pushed.content))
            assert reply.headers["docker-content-digest"] == pushed.digest


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_is_answered(client: Client, kind: str) -> None:
    """end-7a: 201, a pullable location, the client's digest, and the subject where there is one."""
    pushed = KINDS[kind]
    reply = client.push(NAME, pushed)
    assert reply.status == 201
    assert client.ask("GET", reply.headers["location"]).body == pushed.content
    assert reply.headers["docker-content-digest"] == pushed.digest
    assert reply.headers.get("oci-subject", "") == pushed.subject


@pytest.mark.parametrize("kind", KINDS)
def test_blobs_come_back(client: Client, kind: str) -> None:
    """end-2: exact bytes, length and digest, for GET and HEAD."""
    pushed = KINDS[kind]
    client.push(NAME, pushed)
    for blob in pushed.blobs:
        digest = digest_of(blob, pushed.algorithm)
        got, head = (client.ask(method, f"/v2/{NAME}/blobs/{digest}") for method in ("GET", "HEAD"))
        assert (got.status, got.body, head.status) == (200, blob, 200)
        for reply in (got, head):
            assert reply.headers["content-length"] == str(len(blob))
            assert reply.headers["docker-content-digest"] == digest


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.subject])
def test_what_refers_is_listed(client: Client, kind: str) -> None:
    """end-12a: with type, size, artifact type and annotations; gone when it is deleted."""
    pushed = KINDS[kind]
    client.push(NAME, pushed)
    reply = client.ask("GET", f"/v2/{NAME}/referrers/{pushed.subject}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/vnd.oci.image.index.v1+json")
    (listed,) = reply.json()["manifests"]
    assert (listed["digest"], listed["size"]) == (pushed.digest, len(pushed.content))
    assert (listed["mediaType"], listed["artifactType"]) == (pushed.media_type, pushed.artifact_type)
    assert client.ask("DELETE", f"/v2/{NAME}/manifests/{pushed.digest}").status == 202
    assert client.ask("GET", f"/v2/{NAME}/referrers/{pushed.subject}").json()["manifests"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_deleting_by_digest(client: Client, kind: str) -> None:
    """end-9: the manifest and its tags are gone at once."""
    pushed = KINDS[kind]
    client.push(NAME, pushed)
    tagged = pushed.algorithm == "sha256" and client.put(NAME, "tag", pushed).status == 201
    assert client.ask("DELETE", f"/v2/{NAME}/manifests/{pushed.digest}").status == 202
    assert client.ask("GET", f"/v2/{NAME}/manifests/{pushed.digest}").status == 404
    if tagged:
        assert client.ask("GET", f"/v2/{NAME}/manifests/tag").status == 404
        assert "tag" not in (client.ask("GET", f"/v2/{NAME}/tags/list").json().get("tags") or [])
