"""Release records: their form, where they are kept, and what follows from several."""

import base64
import gzip
import json

import msgspec
import pytest

from packhorse.base.errors import ClusterError, IntegrityError
from packhorse.deploy.record import (
    RecordedChart,
    RecordedObject,
    ReleaseRecord,
    ReleaseStatus,
    decode_record,
    encode_record,
    known_charts,
    known_objects,
    salted_digest,
)
from packhorse.deploy.record_store import RECORD_NAMESPACE, RecordStore
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.object_identity import ObjectIdentity
from packhorse.kube.ports import ServedKind


def record(revision: int = 1, status: ReleaseStatus = "deployed", *objects: str, name: str = "shop") -> ReleaseRecord:
    return ReleaseRecord(
        name=name,
        version=f"1.{revision}.0",
        revision=revision,
        status=status,
        root_digest="sha256:1",
        objects=tuple(RecordedObject(api_version="v1", kind="ConfigMap", name=each) for each in objects),
        charts=tuple(
            RecordedChart(component="c", chart=each, release=each, namespace="shop") for each in objects if each > "m"
        ),
    )


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
def store(cluster: MemoryCluster) -> RecordStore:
    made = RecordStore(cluster)
    made.ensure_namespace()
    return made


def test_what_is_written_is_read() -> None:
    full = msgspec.structs.replace(
        record(3, "failed", "a"),
        variables={"domain": "shop.local", "replicas": 2},
        hidden_variables={"password": "00"},
        namespaces=("shop",),
        message="did not become ready",
    )
    assert decode_record(encode_record(full), "a test") == full
    assert encode_record(full) == encode_record(full)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        gzip.compress(b"text"),
        gzip.compress(b"{}"),
        gzip.compress(b'{"name":3}'),
        encode_record(record())[:-9],
    ],
)
def test_damage_is_named(content: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"the release record v1 cannot be read"):
        decode_record(content, "v1")


def test_a_bomb_does_not_go_off() -> None:
    with pytest.raises(IntegrityError, match="larger than"):
        decode_record(gzip.compress(b" " * (33 * 1024 * 1024)), "v1")


def test_a_newer_meaning_is_refused_and_newer_keys_are_not() -> None:
    plain = json.loads(gzip.decompress(encode_record(record())))
    assert decode_record(gzip.compress(json.dumps({**plain, "later": 1}).encode()), "v1") == record()
    with pytest.raises(IntegrityError, match="has version 2, expected 1"):
        decode_record(gzip.compress(json.dumps({**plain, "schema": 2}).encode()), "v1")


def test_a_digest_needs_the_salt_and_not_the_order() -> None:
    assert salted_digest("00", {"a": 1, "b": 2}) == salted_digest("00", {"b": 2, "a": 1})
    assert salted_digest("00", "x") == salted_digest("00", b"x")
    assert salted_digest("00", "x") != salted_digest("01", "x")
    assert salted_digest("00", "x") != salted_digest("00", "y")


def test_what_a_release_may_have_made_goes_back_to_the_last_that_went_well() -> None:
    history = (
        record(4, "deploying", "a"),
        record(3, "failed", "b"),
        record(2, "deployed", "n"),
        record(1, "failed", "z"),
    )
    assert [each.name for each in known_objects(history).values()] == ["a", "b", "n"]
    assert [each.release for each in known_charts(history).values()] == ["n"]
    assert list(known_objects(history[2:])) == [("", "ConfigMap", "", "n")]
    assert known_objects(()) == {}


def test_records_are_secrets_of_their_own_namespace(cluster: MemoryCluster, store: RecordStore) -> None:
    store.create(record(2, "deployed", "a"))
    [secret] = cluster.list(ServedKind("v1", "Secret"), namespace=RECORD_NAMESPACE)
    assert secret["type"] == "packhorse.dev/release"
    assert secret["metadata"]["name"] == "packhorse.release.shop.v2"
    assert secret["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "packhorse",
        "packhorse.dev/release": "shop",
        "packhorse.dev/revision": "2",
        "packhorse.dev/status": "deployed",
    }
    assert store.history("shop") == (record(2, "deployed", "a"),)


def test_each_release_has_its_history_and_its_newest(store: RecordStore) -> None:
    for each in (record(1, "superseded"), record(2), record(1, name="other"), record(10)):
        store.create(each)
    assert [each.revision for each in store.history("shop")] == [10, 2, 1]
    assert [(each.name, each.revision) for each in store.releases()] == [("other", 1), ("shop", 10)]
    assert store.history("nobody") == ()


def test_a_revision_is_made_once(store: RecordStore) -> None:
    store.create(record(2))
    with pytest.raises(ClusterError, match="revision 2 of shop was made by another deployment"):
        store.create(record(2))


def test_a_record_is_updated_where_it_is(store: RecordStore) -> None:
    store.create(record(2, "deploying"))
    store.update(record(2, "failed"))
    assert [each.status for each in store.history("shop")] == ["failed"]
    store.update(record(3))
    assert len(store.history("shop")) == 1


def test_the_oldest_go_but_not_the_last_that_went_well(store: RecordStore) -> None:
    store.create(record(1, "deployed"))
    for revision in range(2, 14):
        store.create(record(revision, "failed"))
    store.prune("shop")
    assert [each.revision for each in store.history("shop")] == [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 1]


def test_a_namespace_of_somebody_else_is_used_as_it_is(cluster: MemoryCluster) -> None:
    theirs = cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RECORD_NAMESPACE}})
    RecordStore(cluster).ensure_namespace()
    assert cluster.get(ObjectIdentity.of(theirs)) == theirs


def test_a_namespace_on_its_way_out_is_waited_for_by_the_person(cluster: MemoryCluster) -> None:
    metadata = {"name": RECORD_NAMESPACE, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    with pytest.raises(ClusterError, match="Namespace/packhorse-system is being deleted"):
        RecordStore(cluster).ensure_namespace()


def test_records_that_are_not_what_they_say_are_refused(cluster: MemoryCluster, store: RecordStore) -> None:
    store.create(record())
    [secret] = cluster.list(ServedKind("v1", "Secret"), namespace=RECORD_NAMESPACE)
    other = base64.b64encode(encode_record(record(name="other"))).decode()
    cluster.replace({**secret, "data": {"release": other}})
    with pytest.raises(IntegrityError, match="says that it is of 'other'"):
        store.history("shop")
    [secret] = cluster.list(ServedKind("v1", "Secret"), namespace=RECORD_NAMESPACE)
    cluster.replace({**secret, "data": {"release": "!"}})
    with pytest.raises(IntegrityError, match="cannot be read"):
        store.history("shop")
    [secret] = cluster.list(ServedKind("v1", "Secret"), namespace=RECORD_NAMESPACE)
    cluster.replace({**secret, "type": "Opaque"})
    assert store.history("shop") == ()
