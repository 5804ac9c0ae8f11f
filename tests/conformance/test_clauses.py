"""The specification, clause by clause: what is answered, with which status, headers and codes."""

import pytest

from tests.conformance.registry_client import KINDS, Client, digest_of, image

NAME = "conformance/clauses"
CONTENT = b"0123456789" * 1000
UNKNOWN = digest_of(b"nobody has this")


def test_the_base(client: Client) -> None:
    """end-1: the API is there."""
    assert client.ask("GET", "/v2/").status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_there(client: Client, method: str) -> None:
    """end-2: 404 for blobs and manifests, in repositories that are there and in others."""
    client.push(NAME, KINDS["image"], "1")
    for name in (NAME, "conformance/none"):
        for path in (f"blobs/{UNKNOWN}", f"manifests/{UNKNOWN}", "manifests/none"):
            assert client.ask(method, f"/v2/{name}/{path}").status == 404


def test_codes_of_what_is_not_there(client: Client) -> None:
    """end-3: errors are JSON, with codes of the specification."""
    client.push(NAME, KINDS["image"], "1")
    assert client.ask("GET", f"/v2/{NAME}/blobs/{UNKNOWN}").codes == ["BLOB_UNKNOWN"]
    assert client.ask("GET", f"/v2/{NAME}/manifests/none").codes == ["MANIFEST_UNKNOWN"]
    assert client.ask("GET", "/v2/conformance/none/manifests/1").codes == ["NAME_UNKNOWN"]


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=9990-", 206, slice(9990, 10000)),
        ("bytes=-10", 206, slice(9990, 10000)),
        ("bytes=10000-", 416, slice(0, 0)),
        ("nonsense", 200, slice(0, 10000)),
    ],
)
def test_ranges_of_blobs(client: Client, asked: str, status: int, part: slice) -> None:
    """end-2: ranges, as RFC 9110 has them."""
    client.push_blob(NAME, CONTENT)
    reply = client.ask("GET", f"/v2/{NAME}/blobs/{digest_of(CONTENT)}", Range=asked)
    assert reply.status == status
    if status != 416:
        assert reply.body == CONTENT[part]
    if status == 206:
        assert reply.headers["content-range"] == f"bytes {part.start}-{part.stop - 1}/{len(CONTENT)}"


def test_an_upload_begins(client: Client) -> None:
    """end-4a: 202 with a location."""
    reply = client.begin(NAME)
    assert reply.status == 202
    assert reply.headers["location"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_in_one_request(client: Client, algorithm: str) -> None:
    """end-4b: POST with the digest and the bytes."""
    digest = digest_of(CONTENT, algorithm)
    reply = client.ask("POST", f"/v2/{NAME}/blobs/uploads/?digest={digest}", CONTENT)
    assert reply.status == 201
    assert client.ask("GET", reply.headers["location"]).body == CONTENT


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_an_algorithm_is_named_beforehand(client: Client, algorithm: str) -> None:
    """end-4c: the parameter digest-algorithm."""
    location = client.begin(NAME, f"?digest-algorithm={algorithm}").headers["location"]
    reply = client.close_upload(location, CONTENT, digest_of(CONTENT, algorithm))
    assert (reply.status, reply.headers["docker-content-digest"]) == (201, digest_of(CONTENT, algorithm))


def test_chunks(client: Client) -> None:
    """end-5: 202 for each, with where to go on and how far it is."""
    location = client.begin(NAME).headers["location"]
    for start in (0, 4000):
        part = CONTENT[start : start + 4000]
        reply = client.ask("PATCH", location, part, Content_Range=f"{start}-{start + 3999}")
        assert (reply.status, reply.headers["range"]) == (202, f"0-{start + 3999}")
        location = reply.headers["location"]
    reply = client.close_upload(location, CONTENT[8000:], digest_of(CONTENT), Content_Range="8000-9999")
    assert reply.status == 201
    assert client.ask("GET", f"/v2/{NAME}/blobs/{digest_of(CONTENT)}").body == CONTENT


def test_a_chunk_without_a_range(client: Client) -> None:
    """end-5: a stream goes to the end."""
    location = client.begin(NAME).headers["location"]
    for part in (CONTENT[:5000], CONTENT[5000:]):
        reply = client.ask("PATCH", location, part)
        assert reply.status == 202
    assert client.close_upload(location, b"", digest_of(CONTENT)).status == 201


@pytest.mark.parametrize("start", [1, 3000, 5000])
def test_a_chunk_out_of_order(client: Client, start: int) -> None:
    """end-5: 416, and the upload goes on where it was."""
    location = client.begin(NAME).headers["location"]
    client.ask("PATCH", location, CONTENT[:4000], Content_Range="0-3999")
    reply = client.ask("PATCH", location, CONTENT[:10], Content_Range=f"{start}-{start + 9}")
    assert (reply.status, reply.headers["range"]) == (416, "0-3999")
    reply = client.close_upload(location, CONTENT[:10], digest_of(CONTENT), Content_Range=f"{start}-{start + 9}")
    assert reply.status == 416
    reply = client.close_upload(location, CONTENT[4000:], digest_of(CONTENT), Content_Range="4000-9999")
    assert reply.status == 201


def test_the_wrong_digest(client: Client) -> None:
    """end-6: 400 DIGEST_INVALID, and nothing is there."""
    reply = client.close_upload(client.begin(NAME).headers["location"], CONTENT, UNKNOWN)
    assert (reply.status, reply.codes) == (400, ["DIGEST_INVALID"])
    for digest in (UNKNOWN, digest_of(CONTENT)):
        assert client.ask("HEAD", f"/v2/{NAME}/blobs/{digest}").status == 404


@pytest.mark.parametrize("digest", ["", "sha256:short", "md5:0123", "nonsense"])
def test_no_digest(client: Client, digest: str) -> None:
    """end-6: 400 DIGEST_INVALID for what is none."""
    reply = client.close_upload(client.begin(NAME).headers["location"], CONTENT, digest)
    assert (reply.status, reply.codes) == (400, ["DIGEST_INVALID"])


def test_a_manifest_without_its_blobs(client: Client) -> None:
    """end-7a: refused with MANIFEST_BLOB_UNKNOWN."""
    reply = client.put(NAME, "1", KINDS["image"])
    assert (reply.status, reply.codes) == (404, ["MANIFEST_BLOB_UNKNOWN"])
    assert client.ask("GET", f"/v2/{NAME}/manifests/1").status == 404


def test_a_manifest_under_another_digest(client: Client) -> None:
    """end-7a: refused with DIGEST_INVALID."""
    client.push(NAME, KINDS["image"])
    assert client.put(NAME, UNKNOWN, KINDS["image"]).status == 400


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[]", b"{}", b'{"schemaVersion": 1}'])
def test_what_is_no_manifest(client: Client, content: bytes) -> None:
    """end-7a: refused with MANIFEST_INVALID."""
    reply = client.ask("PUT", f"/v2/{NAME}/manifests/1", content, Content_Type=KINDS["image"].media_type)
    assert (reply.status, reply.codes) == (400, ["MANIFEST_INVALID"])


def test_parameters_of_the_media_type_are_ignored(client: Client) -> None:
    """end-7a: Content-Type may have parameters."""
    made = KINDS["image"]
    client.push(NAME, made)
    path = f"/v2/{NAME}/manifests/1"
    assert client.ask("PUT", path, made.content, Content_Type=f"{made.media_type}; charset=utf-8").status == 201
    assert client.ask("GET", path).headers["content-type"] == made.media_type


def test_tags_as_parameters(client: Client) -> None:
    """end-7b: a digest with tags, each of which is told."""
    made = KINDS["image"]
    client.push(NAME, made)
    tags = [f"t{number}" for number in range(12)]
    reply = client.put(NAME, made.digest, made, "?" + "&".join(f"tag={tag}" for tag in tags))
    assert reply.status == 201
    assert sorted(reply.headers["oci-tag"].split(", ")) == sorted(tags)
    for tag in tags:
        assert client.ask("HEAD", f"/v2/{NAME}/manifests/{tag}").headers["docker-content-digest"] == made.digest


def test_a_tag_moves(client: Client) -> None:
    """end-7a: the last push counts, and what was tagged before stays under its digest."""
    first, second = image((b"first",)), image((b"second",))
    client.push(NAME, first, "1")
    client.push(NAME, second, "1")
    assert client.ask("GET", f"/v2/{NAME}/manifests/1").body == second.content
    assert client.ask("GET", f"/v2/{NAME}/manifests/{first.digest}").body == first.content


def test_tags_are_listed_in_order_and_in_pages(client: Client) -> None:
    """end-8a: all tags, sorted. end-8b: n and last."""
    made = KINDS["image"]
    client.push(NAME, made)
    tags = ["b", "a", "C", "1.10", "1.9", "_x", "Z"]
    for tag in tags:
        client.put(NAME, tag, made)
    path = f"/v2/{NAME}/tags/list"
    assert client.ask("GET", path).json() == {"name": NAME, "tags": sorted(tags)}
    found: list[str] = []
    reply = client.ask("GET", f"{path}?n=3")
    while True:
        found += reply.json()["tags"]
        link = reply.headers.get("link")
        if link is None:
            break
        assert link.endswith('; rel="next"')
        reply = client.ask("GET", link[1 : link.index(">")])
    assert found == sorted(tags)
    assert client.ask("GET", f"{path}?n=2&last={sorted(tags)[1]}").json()["tags"] == sorted(tags)[2:4]


def test_no_tags_wanted(client: Client) -> None:
    """end-8b: n=0 is an empty list without a link."""
    client.push(NAME, KINDS["image"], "1")
    reply = client.ask("GET", f"/v2/{NAME}/tags/list?n=0")
    assert (reply.status, reply.json()["tags"], "link" in reply.headers) == (200, [], False)


def test_tags_of_nothing(client: Client) -> None:
    """end-8a: 404 for a repository that is not there."""
    assert client.ask("GET", "/v2/conformance/none/tags/list").status == 404


def test_deleting_a_tag(client: Client) -> None:
    """end-9: the tag is gone at once, and what it stood for is not."""
    made = KINDS["image"]
    client.push(NAME, made, "1")
    client.put(NAME, "2", made)
    assert client.ask("DELETE", f"/v2/{NAME}/manifests/1").status == 202
    assert client.ask("GET", f"/v2/{NAME}/manifests/1").status == 404
    assert client.ask("GET", f"/v2/{NAME}/manifests/2").status == 200
    assert client.ask("GET", f"/v2/{NAME}/manifests/{made.digest}").status == 200
    assert client.ask("DELETE", f"/v2/{NAME}/manifests/1").status == 404


def test_deleting_a_blob(client: Client) -> None:
    """end-10: gone at once, from this repository alone."""
    for name in (NAME, "conformance/other"):
        client.push_blob(name, CONTENT)
    path = f"blobs/{digest_of(CONTENT)}"
    assert client.ask("DELETE", f"/v2/{NAME}/{path}").status == 202
    assert client.ask("HEAD", f"/v2/{NAME}/{path}").status == 404
    assert client.ask("HEAD", f"/v2/conformance/other/{path}").status == 200
    assert client.ask("DELETE", f"/v2/{NAME}/{path}").status == 404


def test_mounting(client: Client) -> None:
    """end-11: 201 where the other repository has it, else an upload begins."""
    client.push_blob("conformance/other", CONTENT)
    digest = digest_of(CONTENT)
    reply = client.begin(NAME, f"?mount={digest}&from=conformance/other")
    assert (reply.status, reply.headers["docker-content-digest"]) == (201, digest)
    assert client.ask("GET", reply.headers["location"]).body == CONTENT
    for query in (f"?mount={UNKNOWN}&from=conformance/other", f"?mount={digest}&from=conformance/none"):
        reply = client.begin("conformance/third", query)
        assert reply.status == 202
        assert client.close_upload(reply.headers["location"], CONTENT, digest).status == 201


def test_referrers_of_nothing(client: Client) -> None:
    """end-12a: an empty list, never 404; 400 for what is no digest."""
    for name in (NAME, "conformance/none"):
        reply = client.ask("GET", f"/v2/{name}/referrers/{UNKNOWN}")
        assert (reply.status, reply.json()["manifests"]) == (200, [])
    assert client.ask("GET", f"/v2/{NAME}/referrers/nonsense").status == 400


def test_referrers_of_one_type(client: Client) -> None:
    """end-12b: filtered, and the filter is told."""
    for name in ("subject", "subject index"):
        client.push(NAME, KINDS[name])
    wanted = KINDS["subject"]
    path = f"/v2/{NAME}/referrers/{wanted.subject}"
    assert len(client.ask("GET", path).json()["manifests"]) == 2
    reply = client.ask("GET", f"{path}?artifactType={wanted.artifact_type}")
    assert [each["digest"] for each in reply.json()["manifests"]] == [wanted.digest]
    assert reply.headers["oci-filters-applied"] == "artifactType"


def test_how_far_an_upload_is(client: Client) -> None:
    """end-13: 204 with a location and a range; 404 for what is none."""
    location = client.begin(NAME).headers["location"]
    client.ask("PATCH", location, CONTENT[:4000])
    reply = client.ask("GET", location)
    assert (reply.status, reply.headers["range"], reply.body) == (204, "0-3999", b"")
    assert client.ask("GET", f"/v2/{NAME}/blobs/uploads/none").status == 404
    other = location.replace(NAME, "conformance/other")
    assert client.ask("GET", other).status == 404


def test_cancelling(client: Client) -> None:
    """end-14: 204, and the upload is gone."""
    location = client.begin(NAME).headers["location"]
    assert client.ask("DELETE", location).status == 204
    for method in ("GET", "DELETE"):
        assert client.ask(method, location).codes == ["BLOB_UPLOAD_UNKNOWN"] if method == "DELETE" else True
        assert client.ask(method, location).status == 404


@pytest.mark.parametrize("name", ["UPPER/case", "a//b", "-a", "a/" + "b" * 300])
def test_names_that_are_none(client: Client, name: str) -> None:
    """end-4a: refused with NAME_INVALID, or not found."""
    assert client.begin(name).status in {400, 404}


@pytest.mark.parametrize("tag", [".a", "-a", "a" * 129, "a+b"])
def test_tags_that_are_none(client: Client, tag: str) -> None:
    """end-7a: refused."""
    client.push(NAME, KINDS["image"])
    assert client.put(NAME, tag, KINDS["image"]).status == 400


def test_the_namespace_comes_back(client: Client) -> None:
    """Registry Proxying: OCI-Namespace says which registry was meant."""
    client.push("quay.io/team/app", KINDS["image"], "1")
    reply = client.ask("GET", "/v2/team/app/manifests/1?ns=quay.io")
    assert (reply.status, reply.headers["oci-namespace"]) == (200, "quay.io")
    assert client.ask("GET", "/v2/team/app/manifests/1?ns=gcr.io").status == 404


def test_conditions(client: Client) -> None:
    """RFC 9110: 304 for what the client has; 412 where a tag is not what it takes for granted."""
    first, second = image((b"first",)), image((b"second",))
    client.push(NAME, first, "1")
    client.push(NAME, second)
    path = f"/v2/{NAME}/manifests/1"
    assert client.ask("GET", path, If_None_Match=f'"{first.digest}"').status == 304
    assert client.ask("GET", path, If_None_Match=f'"{second.digest}"').status == 200
    assert client.put(NAME, "1", second, If_Match=f'"{second.digest}"').status == 412
    assert client.put(NAME, "1", second, If_None_Match="*").status == 412
    assert client.put(NAME, "1", second, If_Match=f'"{first.digest}"').status == 201
    assert client.put(NAME, "2", second, If_None_Match="*").status == 201
