"""Writing to registries: nothing twice, mounts, one go or chunks, breaks, and sources that lie."""

import contextlib
import hashlib
import threading

import pytest

from packhorse.base.errors import IntegrityError, NetworkError, RegistryError
from packhorse.base.events import NullReporter
from packhorse.base.units import MIB
from packhorse.oci import media_types
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.copy import Destination, Root, carry_out, plan_copy
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_client import RegistryClient, Repository
from packhorse.oci.memory_store import MemoryStore
from packhorse.oci.model import Descriptor, Index, Manifest, canonical_json, decode_json
from packhorse.oci.ports import BlobStream
from packhorse.oci.registry_settings import Credential
from packhorse.oci.retry import RetryPolicy
from tests.support import registry_faults as faults
from tests.support.registry import Registry
from tests.support.registry_faults import Fault
from tests.support.registry_model import Login
from tests.unit.oci.conftest import Clients

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONTENT = hashlib.shake_128(b"layer").digest(10 * MIB + 12_345)


class Source(MemoryStore):
    """A source that counts how often it is read, and may lie."""

    def __init__(self, content: bytes = CONTENT) -> None:
        super().__init__()
        self.opened = 0
        self.lie: bytes | None = None
        self.layer = self.add(content, LAYER_TYPE)

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        self.opened += 1
        return BytesStream(self.lie, offset) if self.lie is not None else super().open(descriptor, offset=offset)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(clients: Clients) -> RegistryClient:
    return clients.client()


@pytest.fixture
def repository(registry: Registry, client: RegistryClient) -> Repository:
    return client.repository(f"{registry.host}/team/app", direct=True)


def kinds(registry: Registry) -> list[str]:
    """The requests in short: methods, with what they are about."""
    return [f"{request.method} {request.status}" for request in registry.requests]


# --- blobs ----------------------------------------------------------------------------------------------------------


def test_a_blob_goes_in_one_request(registry: Registry, repository: Repository, source: Source) -> None:
    assert not repository.exists(source.layer)
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT
    assert kinds(registry) == ["HEAD 404", "POST 202", "PUT 201"]
    assert registry.requests[-1].headers["content-length"] == str(len(CONTENT))
    assert "transfer-encoding" not in registry.requests[-1].headers
    # What the registry put into the location comes back as it was.
    assert "state=a%2Fb&digest=sha256:" in registry.requests[-1].path
    assert source.opened == 1


def test_a_blob_that_is_there_is_not_sent(registry: Registry, repository: Repository, source: Source) -> None:
    registry.put_blob("team/app", CONTENT)
    repository.push(source.layer, source)
    repository.push(source.layer, source)
    assert repository.exists(source.layer)
    assert kinds(registry) == ["HEAD 200"]
    assert source.opened == 0


def test_a_blob_of_another_length_under_the_digest_is_sent_again(
    registry: Registry, repository: Repository, source: Source
) -> None:
    registry.put_blob("team/app", CONTENT)
    registry.blobs[source.layer.digest] = CONTENT[:1000]
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT


def test_an_empty_blob(registry: Registry, repository: Repository) -> None:
    empty = Source(b"")
    repository.push(empty.layer, empty)
    assert registry.blobs[empty.layer.digest] == b""


def test_sha512(registry: Registry, repository: Repository) -> None:
    digest = Digest.of(CONTENT, "sha512")
    source = Source()
    source._content[digest] = CONTENT
    repository.push(Descriptor(media_type=LAYER_TYPE, digest=digest, size=len(CONTENT)), source)
    assert registry.blobs[digest] == CONTENT


def test_what_another_repository_has_is_mounted(
    registry: Registry, client: RegistryClient, repository: Repository, source: Source
) -> None:
    repository.push(source.layer, source)
    other = client.repository(f"{registry.host}/other/app", direct=True)
    other.push(source.layer, source)
    assert source.layer.digest in registry.repository("other/app").blobs
    assert kinds(registry)[3:] == ["HEAD 404", "POST 201"]
    assert registry.requests[-1].path.endswith(f"?mount={source.layer.digest}&from=team/app")
    assert source.opened == 1


def test_what_must_be_elsewhere_is_mounted_though_nobody_asked_for_it(
    registry: Registry, clients: Clients, source: Source
) -> None:
    layer = registry.put_blob("team/app", CONTENT)
    image = registry.put_image("team/app", "1", CONTENT)
    source.add(registry.repository("team/app").manifests[image.digest].content, image.media_type)
    config = b'{"os":"linux","architecture":"amd64"}'
    source.add(config, "application/vnd.oci.image.config.v1+json")
    client = clients.client()
    destinations = [
        Destination(name, client.repository(f"{registry.host}/{name}", direct=True), (Root(image),))
        for name in ("team/app", "other/app")
    ]
    carry_out(plan_copy(source, destinations, workers=1), workers=1, reporter=NullReporter())
    assert layer.digest in registry.repository("other/app").blobs
    assert {request.path.rpartition("&from=")[2] for request in registry.asked("POST ")} == {"team/app"}
    assert not registry.asked("PUT .*/blobs/")


def test_an_image_that_is_there_takes_one_question(registry: Registry, clients: Clients, source: Source) -> None:
    image = registry.put_image("team/app", "1", CONTENT)
    source.add(registry.repository("team/app").manifests[image.digest].content, image.media_type)
    repository = clients.client().repository(f"{registry.host}/team/app", direct=True)
    prepared = plan_copy(source, [Destination("app", repository, (Root(image, ("1",)),))], workers=1)
    assert prepared.plan.is_empty
    assert [request.path for request in registry.requests] == ["/v2/team/app/manifests/1"]


def test_an_image_of_another_length_under_its_tag_is_asked_for_and_sent_again(
    registry: Registry, clients: Clients, source: Source
) -> None:
    image = registry.put_image("team/app", "1", CONTENT)
    source.add(registry.repository("team/app").manifests[image.digest].content, image.media_type)
    registry.faults.append(Fault("HEAD .*/manifests/", faults.with_headers({"Content-Length": "1"}), times=-1))
    repository = clients.client().repository(f"{registry.host}/team/app", direct=True)
    plan = plan_copy(source, [Destination("app", repository, (Root(image, ("1",)),))], workers=1).plan
    assert [step.descriptor for step in plan.manifests] == [image]
    assert not plan.blobs


def test_a_registry_without_mounts_gets_it_in_the_upload_that_it_began(
    registry: Registry, client: RegistryClient, repository: Repository, source: Source
) -> None:
    registry.features.mounts = False
    repository.push(source.layer, source)
    client.repository(f"{registry.host}/other/app", direct=True).push(source.layer, source)
    assert kinds(registry)[3:] == ["HEAD 404", "POST 202", "PUT 201"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
def test_a_mount_that_is_refused_is_no_failure(
    registry: Registry, clients: Clients, source: Source, status: int
) -> None:
    client = clients.client(retry=RetryPolicy(tries=1))
    client.repository(f"{registry.host}/team/app", direct=True).push(source.layer, source)
    registry.faults.append(Fault(r"POST .*mount=", faults.answer(status), times=-1))
    client.repository(f"{registry.host}/other/app", direct=True).push(source.layer, source)
    assert source.layer.digest in registry.repository("other/app").blobs


def test_leave_to_mount_is_asked_for(registry: Registry, clients: Clients, source: Source) -> None:
    registry.login = Login("bearer", anonymous=True)
    client = clients.client()
    for name in ("team/app", "other/app"):
        client.repository(f"{registry.host}/{name}", direct=True).push(source.layer, source)
    scopes = [request.path for request in registry.asked("GET /token")]
    assert len(scopes) == 3
    assert "scope=repository%3Aother%2Fapp%3Apull%2Cpush&scope=repository%3Ateam%2Fapp%3Apull" in scopes[2]


def test_one_digest_is_sent_once_at_a_time(registry: Registry, client: RegistryClient, source: Source) -> None:
    names = [f"team/app{number}" for number in range(6)]
    start = threading.Barrier(len(names))

    def work(name: str) -> None:
        start.wait()
        client.repository(f"{registry.host}/{name}", direct=True).push(source.layer, source)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry.asked("PUT")) == 1
    assert all(source.layer.digest in registry.repository(name).blobs for name in names)


# --- chunks ---------------------------------------------------------------------------------------------------------


def test_a_registry_that_wants_chunks_gets_them(registry: Registry, repository: Repository, source: Source) -> None:
    registry.features.monolithic = False
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT
    patches = registry.asked("PATCH")
    assert [request.body_bytes for request in patches] == [4 * MIB, 4 * MIB, len(CONTENT) - 8 * MIB]
    assert patches[0].headers["content-range"] == f"0-{4 * MIB - 1}"
    assert patches[1].headers["content-range"] == f"{4 * MIB}-{8 * MIB - 1}"
    # The upload that was refused is not left lying about.
    assert registry.uploads == {}


def test_smaller_chunks_where_even_they_are_too_large(
    registry: Registry, repository: Repository, source: Source
) -> None:
    registry.features.monolithic = False
    registry.features.most_chunk_bytes = MIB
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT
    assert max(request.body_bytes for request in registry.asked("PATCH") if request.status == 202) == MIB


def test_a_least_size_of_chunks_is_kept(registry: Registry, repository: Repository, source: Source) -> None:
    registry.features.monolithic = False
    least = faults.with_headers({"OCI-Chunk-Min-Length": str(8 * MIB)})
    registry.faults.append(Fault("POST|PATCH", least, times=-1))
    repository.push(source.layer, source)
    assert [request.body_bytes for request in registry.asked("PATCH")] == [8 * MIB, len(CONTENT) - 8 * MIB]


def test_a_registry_that_takes_no_size_at_all(registry: Registry, repository: Repository, source: Source) -> None:
    registry.faults.append(Fault("PUT|PATCH", faults.answer(413), times=-1))
    with pytest.raises(RegistryError, match=r"it is too large for it \(HTTP 413\)"):
        repository.push(source.layer, source)
    assert registry.uploads == {}


# --- breaks ---------------------------------------------------------------------------------------------------------


def break_after(count: int) -> faults.Action:
    """Take so many bytes of an upload, keep them, and close the connection."""

    def act(handler: faults.FaultyHandler, _fault: Fault) -> None:
        upload = handler.route.rpartition("/")[2]  # type: ignore[attr-defined]
        begun = handler.registry.uploads[upload]  # type: ignore[attr-defined]
        begun += handler.rfile.read(count)  # type: ignore[attr-defined]
        handler.close_connection = True

    return act


def test_an_upload_goes_on_where_it_broke(
    registry: Registry, repository: Repository, source: Source, clients: Clients
) -> None:
    registry.faults.append(Fault("PUT", break_after(3 * MIB + 7)))
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT
    (patch,) = registry.asked("PATCH")
    assert patch.headers["content-range"] == f"{3 * MIB + 7}-{len(CONTENT) - 1}"
    assert len(clients.pauses) == 1
    # What is sent is hashed from its start again.
    assert source.opened == 2


def test_an_upload_that_the_registry_forgot_begins_anew(
    registry: Registry, repository: Repository, source: Source
) -> None:
    registry.faults.append(Fault("PUT", break_after(MIB)))
    registry.faults.append(Fault("GET .*/uploads/", faults.answer(404)))
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT
    assert len(registry.asked("POST")) == 2


def test_a_registry_that_cuts_large_requests_off_gets_chunks(
    registry: Registry, repository: Repository, source: Source
) -> None:
    registry.faults.append(Fault("PUT", break_after(100), times=1))
    registry.faults.append(Fault("PATCH", break_after(100), times=1))
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT
    assert max(r.body_bytes for r in registry.asked("PATCH") if r.status == 202) == 4 * MIB


def test_a_chunk_that_was_taken_in_part_goes_on_behind_it(
    registry: Registry, repository: Repository, source: Source
) -> None:
    registry.features.monolithic = False
    registry.faults.append(Fault("PATCH", break_after(1000), skip=1))
    repository.push(source.layer, source)
    assert registry.blobs[source.layer.digest] == CONTENT
    assert f"{4 * MIB + 1000}-" in registry.asked("PATCH")[2].headers["content-range"]


def test_an_upload_that_keeps_breaking_is_given_up(
    registry: Registry, repository: Repository, source: Source, clients: Clients
) -> None:
    registry.faults.append(Fault("PUT|PATCH", faults.drop, times=-1))
    with pytest.raises(NetworkError, match=rf"(?s)could not send {source.layer.digest.short} to .*5 tries"):
        repository.push(source.layer, source)
    assert len(clients.pauses) == 4


def test_a_passing_fault_is_tried_again_from_a_new_upload(
    registry: Registry, repository: Repository, source: Source, clients: Clients
) -> None:
    registry.faults.append(Fault("PUT", faults.answer(503, {"Retry-After": "3"}), times=2))
    repository.push(source.layer, source)
    assert clients.pauses == [3.0, 3.0]
    assert registry.uploads == {}


def test_a_refused_digest_is_no_passing_fault(registry: Registry, repository: Repository, source: Source) -> None:
    body = b'{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}'
    registry.faults.append(Fault("PUT", faults.answer(400, body=body), times=-1))
    with pytest.raises(RegistryError, match="HTTP 400: DIGEST_INVALID: no"):
        repository.push(source.layer, source)
    assert len(registry.asked("PUT")) == 1
    assert registry.uploads == {}


@pytest.mark.parametrize("location", ["", "file:///x", "ftp://x/y"])
def test_a_strange_place_to_send_to(registry: Registry, repository: Repository, source: Source, location: str) -> None:
    headers = {"Location": location} if location else {}
    registry.faults.append(Fault("POST", faults.answer(202, headers)))
    with pytest.raises(RegistryError, match=r"Location|only http"):
        repository.push(source.layer, source)


def test_an_upload_to_another_host_takes_no_secret_along(
    registry: Registry, other_registry: Registry, clients: Clients, source: Source
) -> None:
    class User:
        def lookup(self, _registry: str, _repository: str) -> Credential:
            return Credential("user", "secret")

    registry.login = Login("basic")
    other_registry.uploads["abc"] = bytearray()
    location = f"{other_registry.url}/v2/team/app/blobs/uploads/abc"
    registry.faults.append(Fault("POST", faults.answer(202, {"Location": location}), skip=0))
    repository = clients.repository(f"{registry.host}/team/app", direct=True, credentials=User())
    repository.push(source.layer, source)
    assert other_registry.blobs[source.layer.digest] == CONTENT
    assert all("authorization" not in request.headers for request in other_registry.requests)


# --- sources that lie -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lie", "match"),
    [
        (CONTENT[:-1], f"the source ends at {len(CONTENT) - 1}"),
        (CONTENT + b"x", "the source gives more"),
        (CONTENT[:-1] + b"x", "the source's bytes hash to sha256:"),
        (b"", "the source ends at 0"),
    ],
)
@pytest.mark.parametrize("monolithic", [True, False])
def test_wrong_bytes_never_arrive_whole(
    registry: Registry, repository: Repository, source: Source, lie: bytes, match: str, *, monolithic: bool
) -> None:
    registry.features.monolithic = monolithic
    source.lie = lie
    with pytest.raises(IntegrityError, match=match):
        repository.push(source.layer, source)
    assert registry.blobs == {}
    assert all(request.status != 201 for request in registry.requests)


def test_wrong_bytes_after_a_break_are_seen(registry: Registry, repository: Repository, source: Source) -> None:
    def lie_from_now_on(handler: faults.FaultyHandler, fault: Fault) -> None:
        break_after(MIB)(handler, fault)
        source.lie = b"y" + CONTENT[1:]

    registry.faults.append(Fault("PUT", lie_from_now_on))
    with pytest.raises(IntegrityError, match="hash to"):
        repository.push(source.layer, source)
    assert registry.blobs == {}


# --- manifests, tags, referrers -------------------------------------------------------------------------------------


def image_in(source: Source, subject: Descriptor | None = None) -> Descriptor:
    """An image in a source."""
    config = source.add(b"{}", "application/vnd.oci.image.config.v1+json")
    node = Manifest(
        schema_version=2, media_type=media_types.OCI_MANIFEST, config=config, layers=(source.layer,), subject=subject
    )
    return source.add(canonical_json(node), media_types.OCI_MANIFEST)


def push_image(repository: Repository, source: Source, subject: Descriptor | None = None) -> Descriptor:
    """Push an image with its parts."""
    image = image_in(source, subject)
    repository.push(source.layer, source)
    repository.push(source.add(b"{}", "application/x"), source)
    repository.push(image, source)
    return image


def test_a_manifest_goes_as_its_exact_bytes_and_gets_a_tag(
    registry: Registry, repository: Repository, source: Source
) -> None:
    image = push_image(repository, source)
    assert repository.exists(image)
    repository.tag(image, "v1")
    assert registry.repository("team/app").tags == {"v1": image.digest}
    assert repository.find("v1") == image
    # The tag is a second write of bytes that are known: nothing is read back for it.
    assert not registry.asked("GET .*/manifests/")
    repository.tag(image, "v2")
    assert registry.repository("team/app").tags == {"v1": image.digest, "v2": image.digest}


def test_a_tag_for_a_manifest_that_was_there(
    registry: Registry, repository: Repository, source: Source, clients: Clients
) -> None:
    image = push_image(repository, source)
    clients.repository(f"{registry.host}/team/app", direct=True).tag(image, "v1")
    assert registry.repository("team/app").tags == {"v1": image.digest}


def test_a_manifest_without_its_parts_is_refused_by_the_registry(repository: Repository, source: Source) -> None:
    with pytest.raises(RegistryError, match=r"could not write the manifest .*\n.*MANIFEST_BLOB_UNKNOWN"):
        repository.push(image_in(source), source)


@pytest.mark.parametrize("status", [400, 500])
def test_a_refused_manifest_with_foreign_layers_has_a_hint_about_them(
    registry: Registry, repository: Repository, source: Source, status: int
) -> None:
    foreign = Descriptor(
        media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        digest=Digest.of(b"elsewhere"),
        size=9,
        urls=("https://images.example.com/layer",),
    )
    config = source.add(b"{}", "application/vnd.docker.container.image.v1+json")
    node = Manifest(schema_version=2, media_type=media_types.DOCKER_MANIFEST, config=config, layers=(foreign,))
    registry.faults.append(Fault("PUT .*/manifests/", faults.answer(status), times=-1))
    with pytest.raises(RegistryError, match="could not write the manifest") as caught:
        repository.push(source.add(canonical_json(node), media_types.DOCKER_MANIFEST), source)
    assert "images.example.com" in (caught.value.hint or "")
    assert "foreign" in (caught.value.hint or "")


def test_a_refused_login_keeps_its_own_hint(registry: Registry, repository: Repository, source: Source) -> None:
    registry.faults.append(Fault("PUT .*/manifests/", faults.answer(403), times=-1))
    with pytest.raises(RegistryError) as caught:
        push_image(repository, source)
    assert "log in" in (caught.value.hint or "")


def test_a_manifest_that_is_none_is_not_sent(registry: Registry, repository: Repository, source: Source) -> None:
    wrong = source.add(b"[]", media_types.OCI_MANIFEST)
    with pytest.raises(IntegrityError):
        repository.push(wrong, source)
    assert registry.requests == []


def test_a_registry_that_holds_other_bytes_now(registry: Registry, repository: Repository, source: Source) -> None:
    other = faults.with_headers({"Docker-Content-Digest": Digest.of(b"other")})
    registry.faults.append(Fault("PUT .*/manifests/", other))
    with pytest.raises(IntegrityError, match=r"expected sha256:.*, the registry gave"):
        push_image(repository, source)


def test_a_referrer_is_listed_by_the_registry(registry: Registry, repository: Repository, source: Source) -> None:
    image = push_image(repository, source)
    referrer = push_image(repository, source, subject=image)
    assert [each.digest for each in repository.referrers(image)] == [referrer.digest]
    assert registry.repository("team/app").tags == {}


def test_a_referrer_is_listed_under_a_tag_where_the_registry_does_not(
    registry: Registry, repository: Repository, source: Source
) -> None:
    registry.features.referrers = False
    image = push_image(repository, source)
    one = push_image(repository, source, subject=image)
    two_source = Source(b"two")
    two = push_image(repository, two_source, subject=image)
    push_image(repository, source, subject=image)
    tag = f"sha256-{image.digest.hex}"
    listed = registry.repository("team/app").manifests[registry.repository("team/app").tags[tag]]
    index = decode_json(listed.content, Index, "list")
    assert [entry.digest for entry in index.manifests] == [one.digest, two.digest]
    assert index.manifests[0].artifact_type == "application/vnd.oci.image.config.v1+json"
    assert listed.media_type == media_types.OCI_INDEX
    assert {each.digest for each in repository.referrers(image)} == {one.digest, two.digest}


def test_many_referrers_at_once_are_all_listed(registry: Registry, client: RegistryClient, source: Source) -> None:
    registry.features.referrers = False
    repository = client.repository(f"{registry.host}/team/app", direct=True)
    image = push_image(repository, source)
    sources = [Source(str(number).encode()) for number in range(8)]
    threads = [threading.Thread(target=push_image, args=(repository, each, image)) for each in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(repository.referrers(image)) == 8


def test_referrers_go_one_after_the_other_for_registries_that_lose_one_of_two(
    registry: Registry, repository: Repository, source: Source
) -> None:
    image = push_image(repository, source)
    both = threading.Barrier(2)
    met: list[int] = []

    def wait_for_another(handler: faults.FaultyHandler, _fault: Fault) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.3)
            met.append(1)
        handler.proceed()

    registry.faults.append(Fault("PUT .*/manifests/", wait_for_another, times=-1))
    sources = [Source(f"signature {number}".encode()) for number in range(2)]
    threads = [threading.Thread(target=push_image, args=(repository, each, image)) for each in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == []
    assert len(repository.referrers(image)) == 2
