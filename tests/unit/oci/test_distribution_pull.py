"""Reading from registries: names, manifests and blobs, from answers good and bad."""

import re
import socket
import threading
from typing import Any

import pytest

from packhorse.base.errors import IntegrityError, NetworkError, PackhorseError, RegistryError
from packhorse.base.units import MIB
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_client import Repository
from packhorse.oci.distribution_errors import NotFoundError
from packhorse.oci.graph import read_verified
from packhorse.oci.manifest import MAX_MANIFEST_BYTES
from packhorse.oci.mirrors import MirrorTable, parse_mirror
from packhorse.oci.model import Descriptor, Index, Manifest
from packhorse.oci.ports import BlobStream
from packhorse.oci.registries_conf import parse_registries_conf
from packhorse.oci.retry import RetryPolicy
from tests.support import registry_faults as faults
from tests.support.registry import Registry
from tests.support.registry_faults import Fault
from tests.unit.oci.conftest import Clients

LAYER = bytes(range(256)) * 12_000


def read_all(stream: BlobStream, block: int = 100_000) -> bytes:
    """Read a stream to its end."""
    buffer, found = memoryview(bytearray(block)), bytearray()
    with stream:
        while count := stream.readinto(buffer):
            found += buffer[:count]
    return bytes(found)


@pytest.fixture
def image(registry: Registry) -> Descriptor:
    return registry.put_image("team/app", "v1", LAYER)


@pytest.fixture
def layer(image: Descriptor, registry: Registry) -> Descriptor:
    assert image.size
    return registry.put_blob("team/app", LAYER)


@pytest.fixture
def repository(registry: Registry, clients: Clients) -> Repository:
    return clients.repository(f"{registry.host}/team/app")


# --- names and manifests -------------------------------------------------------------------------------------------


def test_a_tag_and_a_digest_resolve_by_one_head_request(
    registry: Registry, repository: Repository, image: Descriptor
) -> None:
    assert repository.resolve("v1") == image
    assert repository.resolve(image.digest) == image
    assert [request.method for request in registry.requests] == ["HEAD", "HEAD"]
    assert media_types.OCI_INDEX in registry.requests[0].headers["accept"]


def test_connections_are_used_again(
    registry: Registry, repository: Repository, image: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[Any] = []
    original = registry._server.finish_request

    def finish_request(request: Any, client_address: Any) -> None:
        connections.append(client_address)
        original(request, client_address)

    monkeypatch.setattr(registry._server, "finish_request", finish_request)
    for _ in range(5):
        assert repository.resolve("v1") == image
        assert repository.find("nothing") is None
    assert len(connections) == 1


@pytest.mark.parametrize("lack", ["head_manifests", "digest_headers"])
def test_what_head_does_not_tell_get_does(
    registry: Registry, repository: Repository, image: Descriptor, lack: str
) -> None:
    setattr(registry.features, lack, False)
    assert repository.resolve("v1") == image
    assert registry.requests[-1].method == "GET"


def test_a_vague_content_type_is_told_from_the_content(registry: Registry, repository: Repository) -> None:
    registry.put_content("team/app", b'{"schemaVersion":2,"manifests":[]}', "application/json", "index")
    registry.put_content("team/app", b'{"schemaVersion":2,"config":{}}', "text/plain", "image")
    docker = b'{"schemaVersion":2,"mediaType":"%s"}' % media_types.DOCKER_LIST.encode()
    registry.put_content("team/app", docker, "application/octet-stream", "docker")
    assert repository.resolve("index").media_type == media_types.OCI_INDEX
    assert repository.resolve("image").media_type == media_types.OCI_MANIFEST
    assert repository.resolve("docker").media_type == media_types.DOCKER_LIST


def test_what_is_not_there_is_not_found(repository: Repository, image: Descriptor) -> None:
    assert repository.find("v1") == image
    assert repository.find("v2") is None
    assert repository.find(Digest.of(b"nothing")) is None
    with pytest.raises(NotFoundError, match=r"could not read .*/team/app:v2\n  from http://127.*does not have it"):
        repository.resolve("v2")


def test_a_manifest_is_opened_with_its_exact_bytes(repository: Repository, image: Descriptor) -> None:
    content = read_all(repository.open(image))
    assert Digest.of(content) == image.digest
    assert read_all(repository.open(image, offset=10)) == content[10:]
    assert repository.read_manifest("v1") == (image, content)


def test_a_manifest_of_another_digest_than_its_header_says(
    registry: Registry, repository: Repository, image: Descriptor
) -> None:
    registry.faults.append(Fault("GET .*/manifests/", faults.corrupt))
    with pytest.raises(IntegrityError, match=f"expected {image.digest}, the registry gave sha256:"):
        repository.read_manifest("v1")


def test_another_digest_than_asked_for(registry: Registry, repository: Repository, image: Descriptor) -> None:
    other = registry.put_content("team/app", b'{"schemaVersion":2,"manifests":[]}', media_types.OCI_INDEX)
    registry.repository("team/app").manifests[image.digest] = registry.repository("team/app").manifests[other.digest]
    registry.features.digest_headers = False
    with pytest.raises(IntegrityError, match=f"expected {image.digest}, the registry gave {other.digest}"):
        repository.resolve(image.digest)


@pytest.mark.parametrize("claim", ["md5:00", "sha256:zz", "sha256", "\x80", "sha256:" + "0" * 63])
def test_a_malformed_digest_header_is_refused(
    registry: Registry, repository: Repository, image: Descriptor, claim: str
) -> None:
    assert image.size
    registry.faults.append(Fault(".*", faults.with_headers({"Docker-Content-Digest": claim}), times=-1))
    with pytest.raises(IntegrityError, match="expected a digest"):
        repository.resolve("v1")
    with pytest.raises(IntegrityError, match="expected a digest"):
        repository.read_manifest("v1")


def test_sha512_is_read(registry: Registry, repository: Repository) -> None:
    content = b'{"schemaVersion":2,"manifests":[]}'
    digest = Digest.of(content, "sha512")
    registry.put_content("team/app", content, media_types.OCI_INDEX)
    registry.repository("team/app").manifests[digest] = registry.repository("team/app").manifests[Digest.of(content)]
    assert repository.resolve(digest).digest == digest
    assert repository.read_manifest(digest)[0].digest == digest


# --- sizes that lie -------------------------------------------------------------------------------------------------


def test_a_gigabyte_of_manifest_is_refused_before_it_is_read(registry: Registry, repository: Repository) -> None:
    claim = faults.with_headers({"Content-Length": str(1 << 30), "Content-Type": media_types.OCI_MANIFEST})
    registry.put_image("team/app", "v1")
    registry.faults.append(Fault(".*", claim, times=-1))
    with pytest.raises(IntegrityError, match=r"1073741824 bytes; the limit is 4\.0 MiB"):
        repository.resolve("v1")
    with pytest.raises(IntegrityError, match="at most 4194304 bytes, found 1073741824 bytes"):
        repository.read_manifest("v1")


def test_a_manifest_without_end_is_cut_off(registry: Registry, repository: Repository) -> None:
    registry.faults.append(Fault("GET", faults.flood(media_types.OCI_MANIFEST, 20 * MIB)))
    with pytest.raises(IntegrityError, match="at most 4194304 bytes, found more"):
        repository.read_manifest("v1")


def test_a_manifest_of_exactly_the_limit_is_read(registry: Registry, repository: Repository) -> None:
    start = b'{"schemaVersion":2,"manifests":[]'
    content = start + b" " * (MAX_MANIFEST_BYTES - len(start) - 1) + b"}"
    held = registry.put_content("team/app", content, media_types.OCI_INDEX, "large")
    assert repository.read_manifest("large") == (held, content)
    registry.put_content("team/app", content + b" ", media_types.OCI_INDEX, "larger")
    with pytest.raises(IntegrityError):
        repository.read_manifest("larger")


def test_a_blob_of_another_length_is_refused_at_once(
    registry: Registry, repository: Repository, layer: Descriptor
) -> None:
    registry.faults.append(Fault("GET", faults.with_headers({"Content-Length": "7"})))
    with pytest.raises(IntegrityError, match=f"expected {len(LAYER)} bytes of {layer.digest.short}.* sends 7"):
        repository.open(layer)


def test_a_blob_that_goes_on_after_its_end_is_refused(registry: Registry, repository: Repository) -> None:
    descriptor = Descriptor(media_type="application/x", digest=Digest.of(b"x"), size=65_536)
    registry.faults.append(Fault("GET", faults.flood("application/octet-stream", 131_072)))
    stream = repository.open(descriptor)
    buffer = memoryview(bytearray(65_536))
    assert stream.readinto(buffer) == 65_536
    with pytest.raises(IntegrityError, match="sends more"):
        stream.readinto(buffer)


def test_a_blob_without_a_length_is_read(registry: Registry, repository: Repository) -> None:
    content = b" " * 131_072
    registry.faults.append(Fault("GET", faults.flood("application/octet-stream", 131_072)))
    descriptor = Descriptor(media_type="application/x", digest=Digest.of(content), size=len(content))
    assert read_all(repository.open(descriptor)) == content


# --- blobs ----------------------------------------------------------------------------------------------------------


def test_a_blob_is_read_whole_and_from_an_offset(registry: Registry, repository: Repository, layer: Descriptor) -> None:
    assert read_all(repository.open(layer)) == LAYER
    assert read_all(repository.open(layer, offset=1_000_000)) == LAYER[1_000_000:]
    assert read_all(repository.open(layer, offset=len(LAYER))) == b""
    assert [r.headers.get("range") for r in registry.asked("GET .*/blobs/")] == [None, "bytes=1000000-"]
    assert {r.headers["accept-encoding"] for r in registry.requests} == {"identity"}


def test_an_empty_blob(registry: Registry, repository: Repository) -> None:
    empty = registry.put_blob("team/app", b"")
    assert read_all(repository.open(empty)) == b""
    assert read_verified(repository, empty, max_bytes=10) == b""


def test_a_missing_blob(repository: Repository, layer: Descriptor) -> None:
    missing = Descriptor(media_type=layer.media_type, digest=Digest.of(b"missing"), size=7)
    with pytest.raises(NotFoundError, match=re.escape(f"could not read {missing.digest.short}")):
        repository.open(missing)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_blob_goes_on_where_it_broke(
    registry: Registry, repository: Repository, layer: Descriptor, clients: Clients, *, ranges: bool
) -> None:
    registry.features.ranges = ranges
    registry.faults.append(Fault("GET", faults.truncate(1_000_000)))
    assert read_all(repository.open(layer)) == LAYER
    assert [request.headers.get("range") for request in registry.requests] == [None, "bytes=1000000-"]
    assert clients.pauses == [0.5]


def test_a_blob_that_breaks_again_and_again_is_given_up(
    registry: Registry, repository: Repository, layer: Descriptor, clients: Clients
) -> None:
    registry.faults.append(Fault("GET", faults.truncate(100), times=-1))
    with pytest.raises(NetworkError, match=r"from http://127.*closed at 500 B, 5 tries in") as caught:
        read_all(repository.open(layer))
    assert layer.digest.short in caught.value.message
    assert clients.pauses == [0.5, 1.0, 2.0, 4.0]


def test_a_blob_that_breaks_often_but_comes_on_is_read(registry: Registry, clients: Clients) -> None:
    content = bytes(9 * MIB)
    descriptor = registry.put_blob("team/app", content)
    registry.faults.append(Fault("GET", faults.truncate(MIB), times=8))
    repository = clients.repository(f"{registry.host}/team/app", retry=RetryPolicy(tries=2))
    assert read_all(repository.open(descriptor)) == content
    assert len(registry.requests) == 9


@pytest.mark.parametrize(
    "content_range", ["bytes 0-9/10", "bytes 5-20/21", "bytes 999999-3071999/3072000", "nonsense", ""]
)
def test_another_range_than_asked_for_is_refused(
    registry: Registry, repository: Repository, layer: Descriptor, content_range: str
) -> None:
    registry.faults.append(Fault("GET", faults.with_headers({"Content-Range": content_range})))
    with pytest.raises(IntegrityError, match=r"asked for bytes 1000000-3071999/3072000 .* sends"):
        repository.open(layer, offset=1_000_000)


def test_the_source_verifies_nothing_and_the_reader_all(
    registry: Registry, repository: Repository, layer: Descriptor
) -> None:
    registry.faults.append(Fault("GET", faults.corrupt))
    with pytest.raises(IntegrityError, match="the bytes hash to"):
        read_verified(repository, layer, max_bytes=10 * MIB)


# --- refusals and retries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_faults_are_tried_again(
    registry: Registry, repository: Repository, image: Descriptor, clients: Clients, status: int
) -> None:
    registry.faults.append(Fault("HEAD", faults.answer(status), times=2))
    assert repository.resolve("v1") == image
    assert clients.pauses == [0.5, 1.0]


def test_a_fault_that_stays_is_told_with_what_the_registry_said(
    registry: Registry, repository: Repository, clients: Clients
) -> None:
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow\\u001b[31m down\\n"}]}'
    registry.faults.append(Fault("GET", faults.answer(429, {"Retry-After": "7"}, body), times=-1))
    said = r"too many requests after 5 tries \(HTTP 429: TOOMANYREQUESTS: slow.\[31m down\)"
    with pytest.raises(RegistryError, match=said):
        repository.read_manifest("v1")
    assert clients.pauses == [7.0] * 4


def test_retry_after_is_capped_by_the_time_that_there_is(
    registry: Registry, clients: Clients, image: Descriptor
) -> None:
    assert image.size
    registry.faults.append(Fault("HEAD", faults.answer(503, {"Retry-After": "86400"}), times=1))
    repository = clients.repository(f"{registry.host}/team/app")
    assert repository.resolve("v1") == image
    assert clients.pauses == [60.0]


def test_a_dropped_connection_is_tried_again(
    registry: Registry, repository: Repository, image: Descriptor, clients: Clients
) -> None:
    registry.faults.append(Fault("HEAD", faults.drop, times=3))
    assert repository.resolve("v1") == image
    assert len(clients.pauses) == 3
    registry.faults.append(Fault("HEAD", faults.drop, times=-1))
    with pytest.raises(NetworkError, match="closed the connection without an answer, 5 tries in"):
        repository.resolve("v1")


def test_a_refusal_is_not_tried_again(registry: Registry, repository: Repository) -> None:
    registry.faults.append(Fault("HEAD", faults.answer(403, body=b'{"errors":[{"code":"DENIED"}]}'), times=-1))
    with pytest.raises(RegistryError, match=r"access is denied \(HTTP 403"):
        repository.resolve("v1")
    assert len(registry.requests) == 1


def test_nobody_there(clients: Clients, registry: Registry) -> None:
    host = registry.host
    registry.close()
    with pytest.raises(NetworkError, match=f"from http://{host}: connection refused, 5 tries in"):
        clients.repository(f"{host}/team/app").resolve("v1")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nContent-Type: application/json\r\n\r\n",
        b"\x00\xff\xfe" * 1000,
        b"",
    ],
)
def test_what_is_no_http_ends_in_one_of_our_errors(registry: Registry, repository: Repository, answer: bytes) -> None:
    registry.faults.append(Fault(".*", faults.garbage(answer), times=-1))
    with pytest.raises(PackhorseError):
        repository.resolve("v1")
    with pytest.raises(PackhorseError):
        repository.read_manifest("v1")


def test_a_page_for_people_is_no_manifest(registry: Registry, repository: Repository) -> None:
    page = faults.answer(200, {"Content-Type": "text/html"}, b"<html>log in here</html>")
    registry.faults.append(Fault(".*", page, times=-1))
    with pytest.raises(IntegrityError, match="not a manifest"):
        repository.read_manifest("v1")


# --- mirrors --------------------------------------------------------------------------------------------------------


def mirrored(clients: Clients, *mirrors: str, only: bool = False) -> Repository:
    """A repository of an upstream that does not exist, with mirrors."""
    table = MirrorTable(tuple(parse_mirror(mirror) for mirror in mirrors), mirror_only=only)
    return clients.repository("upstream.invalid/team/app", mirrors=table)


def test_a_mirror_is_told_the_upstream(registry: Registry, clients: Clients, image: Descriptor) -> None:
    repository = mirrored(clients, f"*={registry.url}")
    assert repository.resolve("v1") == image
    assert registry.requests[0].path == "/v2/team/app/manifests/v1?ns=upstream.invalid"


def test_a_mirror_with_a_path(registry: Registry, clients: Clients) -> None:
    image = registry.put_image("proxy/upstream.invalid/team/app", "v1", LAYER)
    repository = mirrored(clients, f"upstream.invalid={registry.url}/proxy/upstream.invalid")
    assert repository.resolve("v1") == image
    assert "ns=" not in registry.requests[0].path


def test_a_mirror_that_lacks_it_or_is_down_gives_way_to_the_next(
    registry: Registry, other_registry: Registry, clients: Clients, image: Descriptor, layer: Descriptor
) -> None:
    with_nothing_there = f"http://127.0.0.1:{free_port()}"
    repository = mirrored(
        clients, f"upstream.invalid={with_nothing_there}", f"upstream.invalid={other_registry.url}", f"*={registry.url}"
    )
    assert repository.resolve("v1") == image
    assert other_registry.requests[0].status == 404
    pauses = len(clients.pauses)
    assert read_all(repository.open(layer)) == LAYER
    # What was down a moment ago is not waited for again.
    assert len(clients.pauses) == pauses


def test_where_only_a_mirror_answers_what_it_lacks_is_not_there(
    registry: Registry, clients: Clients, image: Descriptor
) -> None:
    registry.features.referrers = False
    repository = mirrored(clients, f"*={registry.url}")
    assert repository.resolve("v1") == image
    assert repository.find("sha256-0.sig") is None
    assert repository.referrers(image) == ()
    with pytest.raises(NotFoundError) as caught:
        repository.resolve("v9")
    assert registry.url in caught.value.message
    assert "upstream.invalid" in caught.value.message


def test_when_all_fail_all_are_named(registry: Registry, clients: Clients) -> None:
    repository = mirrored(clients, f"*={registry.url}", only=True)
    with pytest.raises(NotFoundError, match=f"from {registry.url}"):
        repository.resolve("v1")
    both = mirrored(clients, f"*={registry.url}", f"upstream.invalid=http://127.0.0.1:{free_port()}", only=True)
    with pytest.raises(RegistryError, match=r"(?s)from http.*refused.*from http.*does not have it"):
        both.resolve("v1")


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


# --- tags and referrers ---------------------------------------------------------------------------------------------


def test_tags_come_page_by_page(registry: Registry, repository: Repository) -> None:
    for number in range(25):
        registry.put_image("team/app", f"v{number:02}")
    registry.faults.append(Fault(r"GET .*/tags/list$", shorten))
    assert repository.tags() == tuple(f"v{number:02}" for number in range(25))
    assert len(registry.asked("GET .*/tags/list")) == 3


def shorten(handler: faults.FaultyHandler, _fault: Fault) -> None:
    """Give pages of ten."""
    handler.query["n"] = "10"  # type: ignore[attr-defined]
    handler.proceed()


def test_the_next_page_on_another_host_is_refused(registry: Registry, repository: Repository) -> None:
    registry.put_image("team/app", "v1")
    link = faults.with_headers({"Link": '<http://other.invalid/v2/team/app/tags/list>; rel="next"'})
    registry.faults.append(Fault("GET .*/tags/list", link))
    with pytest.raises(RegistryError, match="next page on another host"):
        repository.tags()


def test_pages_without_end_are_given_up(registry: Registry, repository: Repository) -> None:
    registry.put_image("team/app", "v1")
    link = faults.with_headers({"Link": '</v2/team/app/tags/list?last=v1>; rel="next"'})
    registry.faults.append(Fault("GET .*/tags/list", link, times=-1))
    with pytest.raises(RegistryError, match="more than 1000 pages"):
        repository.tags()


def signature(registry: Registry, subject: Descriptor, kind: str = "application/vnd.example.signature") -> Descriptor:
    """Put a referrer in."""
    config = registry.put_blob("team/app", b"{}", media_types.OCI_EMPTY)
    layer = registry.put_blob("team/app", kind.encode())
    return registry.put_manifest(
        "team/app",
        Manifest(
            schema_version=2,
            media_type=media_types.OCI_MANIFEST,
            artifact_type=kind,
            config=config,
            layers=(layer,),
            subject=subject,
            annotations={"by": "test"},
        ),
    )


def test_referrers_by_the_api(registry: Registry, repository: Repository, image: Descriptor) -> None:
    one, two = signature(registry, image), signature(registry, image, "application/spdx+json")
    found = repository.referrers(image)
    assert [each.digest for each in found] == sorted([one.digest, two.digest])
    assert {each.artifact_type for each in found} == {"application/vnd.example.signature", "application/spdx+json"}
    assert found[0].annotations == {"by": "test"}
    assert repository.referrers(one) == ()


def test_referrers_by_the_tag(registry: Registry, repository: Repository, image: Descriptor) -> None:
    registry.features.referrers = False
    assert repository.referrers(image) == ()
    one = signature(registry, image)
    listing = Index(schema_version=2, media_type=media_types.OCI_INDEX, manifests=(one,))
    registry.put_manifest("team/app", listing, f"sha256-{image.digest.hex}")
    assert [each.digest for each in repository.referrers(image)] == [one.digest]


def test_a_page_for_people_is_no_list_of_referrers(
    registry: Registry, repository: Repository, image: Descriptor
) -> None:
    registry.faults.append(Fault("GET .*/referrers/", faults.answer(200, {"Content-Type": "text/html"}, b"<html>")))
    assert repository.referrers(image) == ()


def test_referrers_through_a_mirror_that_cannot_tell(
    registry: Registry, other_registry: Registry, clients: Clients, image: Descriptor
) -> None:
    one = signature(registry, image)
    other_registry.faults.append(Fault("GET .*/referrers/", faults.answer(403), times=-1))
    repository = mirrored(clients, f"upstream.invalid={other_registry.url}", f"*={registry.url}", only=True)
    assert [each.digest for each in repository.referrers(image)] == [one.digest]
    other_registry.faults.clear()
    other_registry.features.referrers = False
    assert [each.digest for each in repository.referrers(image)] == [one.digest]


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        (faults.answer(403), RegistryError, "access is denied"),
        (faults.answer(200, {"Content-Type": media_types.OCI_INDEX}, b"{}"), IntegrityError, "is not what it must be"),
        (faults.flood(media_types.OCI_INDEX, 5 * MIB), IntegrityError, "larger than 4"),
    ],
)
def test_a_list_of_referrers_that_is_none(
    registry: Registry,
    repository: Repository,
    image: Descriptor,
    answer: faults.Action,
    error: type[PackhorseError],
    match: str,
) -> None:
    registry.faults.append(Fault("GET .*/referrers/", answer, times=-1))
    with pytest.raises(error, match=match):
        repository.referrers(image)


def test_what_stands_under_the_tag_of_referrers_is_no_list(
    registry: Registry, repository: Repository, image: Descriptor
) -> None:
    registry.features.referrers = False
    registry.repository("team/app").tags[f"sha256-{image.digest.hex}"] = image.digest
    with pytest.raises(IntegrityError, match="is not a list of referrers"):
        repository.referrers(image)


def test_a_page_that_breaks_is_a_failure(registry: Registry, repository: Repository, image: Descriptor) -> None:
    assert image.size
    registry.faults.append(Fault("GET .*/tags/list", faults.truncate(3)))
    with pytest.raises(NetworkError, match="closed after 3 of"):
        repository.tags()


def test_a_connection_left_in_the_middle_is_not_used_again(
    registry: Registry, repository: Repository, image: Descriptor, layer: Descriptor
) -> None:
    done = threading.Event()

    def begin(handler: faults.FaultyHandler, _fault: Fault) -> None:
        handler.write_raw(f"HTTP/1.1 200 OK\r\nContent-Length: {layer.size}\r\n\r\n".encode() + LAYER[:10])
        done.wait(20)
        handler.close_connection = True

    registry.faults.append(Fault("GET", begin))
    with repository.open(layer) as stream:
        assert stream.readinto(memoryview(bytearray(10))) == 10
    assert repository.resolve("v1") == image
    done.set()


def test_nothing_is_left_to_ask(registry: Registry, clients: Clients) -> None:
    text = f'[[registry]]\nprefix="a.example"\n[[registry.mirror]]\nlocation="{registry.host}"\n'
    rules = parse_registries_conf((text + 'pull-from-mirror="digest-only"').encode(), "x")
    repository = clients.repository("a.example/b", mirrors=MirrorTable(configured=rules, mirror_only=True))
    with pytest.raises(RegistryError, match=r"no mirror of a\.example/b may be asked by tag"):
        repository.resolve("v1")
