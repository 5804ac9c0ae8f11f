"""The pull half of the distribution API, over a real socket, from a real bundle."""

import json

import pytest

from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Index
from tests.support.serving import Served


def multi(served: Served) -> Descriptor:
    """The image with an index."""
    return next(entry for name, entry in served.bundle.images() if name.repository == "library/multi")


def app(served: Served, number: int = 0) -> Descriptor:
    """One of the plain images."""
    return next(entry for name, entry in served.bundle.images() if name.repository == f"team/app{number}")


def parts(served: Served, image: Descriptor) -> list[Descriptor]:
    """Config and layers of a plain image."""
    manifest = json.loads(served.upstream.blobs.content[image.digest])
    return [
        Descriptor(media_type=part["mediaType"], digest=Digest(part["digest"]), size=part["size"])
        for part in (manifest["config"], *manifest["layers"])
    ]


def errors(body: bytes) -> list[str]:
    """The codes of an error body."""
    return [error["code"] for error in json.loads(body)["errors"]]


def test_the_base_answers(served: Served) -> None:
    for path in ("/v2", "/v2/"):
        reply = served.ask(path)
        assert reply.status == 200
        assert reply.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize(
    ("repository", "query"),
    [
        ("library/multi", "?ns=docker.io"),
        ("library/multi", "?ns=registry-1.docker.io"),
        ("multi", "?ns=docker.io"),
        ("docker.io/library/multi", ""),
        ("docker.io/multi", ""),
        ("library/multi", ""),
    ],
)
def test_an_image_answers_under_each_of_its_names(served: Served, repository: str, query: str) -> None:
    image = multi(served)
    for target in ("1", image.digest):
        reply = served.ask(f"/v2/{repository}/manifests/{target}{query}")
        assert (reply.status, reply.body) == (200, served.upstream.blobs.content[image.digest])
        assert reply.headers["Content-Type"] == media_types.OCI_INDEX
        assert reply.headers["Docker-Content-Digest"] == image.digest
        assert int(reply.headers["Content-Length"]) == image.size


def test_the_namespace_is_named_in_the_answer(served: Served) -> None:
    assert served.ask("/v2/library/multi/tags/list?ns=docker.io").headers["OCI-Namespace"] == "docker.io"
    assert "OCI-Namespace" not in served.ask("/v2/library/multi/tags/list").headers


@pytest.mark.parametrize(
    "path",
    [
        "/v2/library/multi/manifests/1?ns=quay.io",
        "/v2/quay.io/library/multi/manifests/1",
        "/v2/team/app0/manifests/1?ns=docker.io",
        "/v2/library/nothing/manifests/1?ns=docker.io",
    ],
)
def test_another_registry_does_not_have_it(served: Served, path: str) -> None:
    reply = served.ask(path)
    assert (reply.status, errors(reply.body)) == (404, ["NAME_UNKNOWN"])


def test_head_is_get_without_the_body(served: Served) -> None:
    image = app(served)
    layer = parts(served, image)[1]
    for path in (f"manifests/{image.digest}", "manifests/1", f"blobs/{layer.digest}", "tags/list", "blobs/sha256:1"):
        get = served.ask(f"/v2/team/app0/{path}?ns=registry.example", X_Request_Id="same")
        head = served.ask(f"/v2/team/app0/{path}?ns=registry.example", "HEAD", X_Request_Id="same")
        assert (head.status, head.body) == (get.status, b"")
        assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}
        assert int(head.headers["Content-Length"]) == len(get.body)


def test_every_part_of_every_image_comes_back_as_it_is(served: Served) -> None:
    for name, entry in served.bundle.images():
        manifests = [entry]
        if entry.media_type == media_types.OCI_INDEX:
            index = json.loads(served.upstream.blobs.content[entry.digest])
            manifests = [
                Descriptor(media_type=child["mediaType"], digest=Digest(child["digest"]), size=child["size"])
                for child in index["manifests"]
                if Digest(child["digest"]) in served.upstream.blobs.content
            ]
        for manifest in manifests:
            for part in parts(served, manifest):
                reply = served.ask(f"/v2/{name.repository}/blobs/{part.digest}?ns={name.registry}")
                assert reply.status == 200
                assert reply.body == served.upstream.blobs.content[part.digest]
                assert reply.headers["Docker-Content-Digest"] == part.digest


def test_a_repository_has_its_own_content_only(served: Served) -> None:
    own = {part.digest for part in parts(served, app(served, 0))}
    foreign = [part for part in parts(served, app(served, 1)) if part.digest not in own]
    assert foreign
    for part in foreign:
        reply = served.ask(f"/v2/team/app0/blobs/{part.digest}?ns=registry.example")
        assert (reply.status, errors(reply.body)) == (404, ["BLOB_UNKNOWN"])
    reply = served.ask(f"/v2/team/app0/manifests/{app(served, 1).digest}?ns=registry.example")
    assert (reply.status, errors(reply.body)) == (404, ["MANIFEST_UNKNOWN"])


def test_a_platform_that_was_left_out_is_not_there(served: Served) -> None:
    absent = served.upstream.absent("s390x")
    reply = served.ask(f"/v2/library/multi/manifests/{absent.digest}?ns=docker.io")
    assert (reply.status, errors(reply.body)) == (404, ["MANIFEST_UNKNOWN"])


def test_a_manifest_is_content_too(served: Served) -> None:
    image = multi(served)
    reply = served.ask(f"/v2/library/multi/blobs/{image.digest}?ns=docker.io")
    assert (reply.status, reply.body) == (200, served.upstream.blobs.content[image.digest])


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), ("bytes=7-", 7, None), ("bytes=-3", -3, None)],
)
def test_a_range_is_answered_with_that_part(served: Served, asked: str, start: int, end: int | None) -> None:
    content = served.upstream.blobs.content[served.upstream.shared.digest]
    path = f"/v2/team/app0/blobs/{served.upstream.shared.digest}?ns=registry.example"
    reply = served.ask(path, Range=asked)
    assert (reply.status, reply.body) == (206, content[start:end])
    first = start % len(content)
    assert reply.headers["Content-Range"] == f"bytes {first}-{first + len(reply.body) - 1}/{len(content)}"


def test_a_range_beyond_the_end_is_refused(served: Served) -> None:
    shared = served.upstream.shared
    path = f"/v2/team/app0/blobs/{shared.digest}?ns=registry.example"
    reply = served.ask(path, Range=f"bytes={shared.size}-")
    assert reply.status == 416
    assert reply.headers["Content-Range"] == f"bytes */{shared.size}"


def test_a_range_that_depends_on_other_content_is_ignored(served: Served) -> None:
    shared = served.upstream.shared
    path = f"/v2/team/app0/blobs/{shared.digest}?ns=registry.example"
    tag = served.ask(path, "HEAD").headers["ETag"]
    assert served.ask(path, Range="bytes=0-3", If_Range=tag).status == 206
    assert served.ask(path, Range="bytes=0-3", If_Range='"another"').status == 200


def test_tags_come_sorted_and_in_pages(served: Served) -> None:
    signature = next(digest for digest, _, _ in served.bundle.referrers())
    assert signature
    reply = served.ask("/v2/docker.io/library/multi/tags/list")
    assert json.loads(reply.body) == {"name": "docker.io/library/multi", "tags": ["1"]}
    assert "Link" not in reply.headers
    assert json.loads(served.ask("/v2/docker.io/library/multi/tags/list?n=0").body)["tags"] == []


def test_the_catalogue_comes_in_pages_that_can_be_followed(served: Served) -> None:
    path = "/v2/_catalog?n=1"
    found = []
    while path:
        reply = served.ask(path)
        found += json.loads(reply.body)["repositories"]
        link = reply.headers.get("Link")
        path = link.partition("<")[2].partition(">")[0] if link else ""
    assert found == [
        "docker.io/library/multi",
        *(f"registry.example/team/app{number}" for number in range(3)),
    ]


@pytest.mark.parametrize("count", ["-1", "x", "1.5", "99999999999"])
def test_a_page_size_that_is_no_number_is_refused(served: Served, count: str) -> None:
    assert served.ask(f"/v2/_catalog?n={count}").status == 400


def test_referrers_are_listed_and_filtered(served: Served) -> None:
    subject, referrer, _ = next(iter(served.bundle.referrers()))
    path = f"/v2/library/multi/referrers/{subject}?ns=docker.io"
    reply = served.ask(path)
    index = json.loads(reply.body)
    assert reply.headers["Content-Type"] == media_types.OCI_INDEX
    assert [(item["digest"], item["artifactType"]) for item in index["manifests"]] == [
        (referrer.digest, "application/vnd.example.signature")
    ]
    same = served.ask(f"{path}&artifactType=application/vnd.example.signature")
    assert json.loads(same.body)["manifests"] == index["manifests"]
    assert same.headers["OCI-Filters-Applied"] == "artifactType"
    assert json.loads(served.ask(f"{path}&artifactType=text/plain").body)["manifests"] == []
    # The referrer itself can be pulled through the repository of what it refers to.
    assert served.ask(f"/v2/library/multi/manifests/{referrer.digest}?ns=docker.io").status == 200


def test_what_nothing_refers_to_has_an_empty_list(served: Served) -> None:
    for repository in ("library/multi", "no/such/repository"):
        reply = served.ask(f"/v2/{repository}/referrers/{Digest.of(b'nothing')}")
        assert reply.status == 200
        assert json.loads(reply.body)["manifests"] == []
    assert errors(served.ask("/v2/library/multi/referrers/sha256:12").body) == ["DIGEST_INVALID"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writes_are_refused(served: Served, method: str) -> None:
    for path in ("/v2/library/multi/blobs/uploads/", f"/v2/library/multi/manifests/{Digest.of(b'x')}"):
        reply = served.ask(path, method)
        assert (reply.status, errors(reply.body)) == (405, ["UNSUPPORTED"])
        assert reply.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/library/multi/blobs/sha256:12", 400, "DIGEST_INVALID"),
        ("/v2/library/multi/blobs/nonsense", 400, "DIGEST_INVALID"),
        ("/v2/library/multi/manifests/sha256:12", 400, "DIGEST_INVALID"),
        ("/v2/library/multi/manifests/no-such-tag", 404, "MANIFEST_UNKNOWN"),
        ("/v2/library/mul%20ti/manifests/1", 400, "NAME_INVALID"),
        ("/v2/library/../multi/manifests/1", 404, "NAME_UNKNOWN"),
        ("/v2/" + "a" * 600 + "/manifests/1", 400, "NAME_INVALID"),
        ("/etc/passwd", 404, "NAME_UNKNOWN"),
        ("/v2/library/multi/blobs/uploads/", 405, "UNSUPPORTED"),
    ],
)
def test_nonsense_is_refused_in_the_words_of_the_specification(
    served: Served, path: str, status: int, code: str
) -> None:
    reply = served.ask(path)
    assert (reply.status, errors(reply.body)) == (status, [code])


def test_a_digest_may_be_percent_encoded(served: Served) -> None:
    image = multi(served)
    assert served.ask(f"/v2/library/multi/manifests/{image.digest.replace(':', '%3A')}").status == 200


def test_the_probe_counts_what_arrives(served: Served) -> None:
    assert json.loads(served.ask("/probe/p-1").body) == {"seen": 0}
    assert served.ask("/v2/packhorse-probe/p-1/manifests/latest?ns=127.0.0.1:1234", "HEAD").status == 404
    assert served.ask("/v2/packhorse-probe.invalid/packhorse-probe/p-1/manifests/latest").status == 404
    assert served.ask("/v2/other/p-1/manifests/latest").status == 404
    assert json.loads(served.ask("/probe/p-1").body) == {"seen": 2}
    assert "packhorse_registry_probe_requests_total 2" in served.ask("/metrics").body.decode()


def test_health_and_metrics_answer(served: Served) -> None:
    assert served.ask("/healthz").body == b"ok\n"
    before = served.ask("/metrics").body.decode()
    layer = parts(served, app(served))[1]
    served.ask(f"/v2/team/app0/blobs/{layer.digest}")
    after = served.ask("/metrics").body.decode()

    def sent(text: str) -> int:
        line = next(line for line in text.splitlines() if line.startswith("packhorse_registry_sent_bytes_total"))
        return int(line.rpartition(" ")[2])

    assert sent(after) - sent(before) == layer.size + len(before)


def test_the_index_in_the_bundle_is_what_is_served(served: Served) -> None:
    reply = served.ask("/v2/library/multi/manifests/1")
    assert isinstance(served.bundle.graph.nodes[0].parsed, Index)
    assert Digest.of(reply.body) == multi(served).digest
