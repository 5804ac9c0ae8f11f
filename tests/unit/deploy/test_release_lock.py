"""One deployment at a time."""

import time
from collections.abc import Callable

import pytest

from packhorse.base.errors import ClusterError
from packhorse.deploy import release_lock
from packhorse.deploy.record_store import RecordStore
from packhorse.deploy.release_lock import LockHolder, ReleaseLock
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ServedKind

NOW = 1_790_000_000.0
LEASE = ObjectIdentity("coordination.k8s.io/v1", "Lease", "packhorse-system", "packhorse.lock.shop")


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    RecordStore(made).ensure_namespace()
    return made


def lock(
    cluster: MemoryCluster,
    name: str = "me",
    *,
    now: float = NOW,
    gone: Callable[[str], bool] = lambda _: False,
    steal: bool = False,
) -> ReleaseLock:
    return ReleaseLock(cluster, "shop", LockHolder(name, gone), lambda: now, steal=steal)


def test_it_is_there_only_while_it_is_held(cluster: MemoryCluster) -> None:
    with lock(cluster) as held:
        held.check()
        lease = cluster.get(LEASE)
        assert lease is not None
        assert lease["spec"]["holderIdentity"] == "me"
        assert lease["spec"]["renewTime"] == "2026-09-21T14:13:20.000000Z"
    assert cluster.get(LEASE) is None


def test_another_one_is_refused_and_told_who_holds_it(cluster: MemoryCluster) -> None:
    other = lock(cluster, "other", now=NOW + 30)
    with lock(cluster), pytest.raises(ClusterError, match="me is deploying shop now") as caught:
        other.__enter__()
    assert "(last sign of life 30 s ago)" in caught.value.message
    assert "--steal-lock" in str(caught.value.hint)


def test_a_holder_that_gave_no_sign_for_a_minute_is_gone(cluster: MemoryCluster) -> None:
    with lock(cluster), lock(cluster, "other", now=NOW + 61) as second:
        second.check()
        lease = cluster.get(LEASE)
        assert lease is not None
        assert lease["spec"]["holderIdentity"] == "other"


def test_a_holder_that_is_known_to_be_gone_is_not_waited_for(cluster: MemoryCluster) -> None:
    asked: list[str] = []

    def gone(identity: str) -> bool:
        asked.append(identity)
        return True

    with lock(cluster), lock(cluster, "other", gone=gone):
        pass
    assert asked == ["me"]


def test_it_can_be_stolen_and_the_first_one_stops(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_lock, "_RENEW_SECONDS", 0.01)
    with lock(cluster) as first:
        with lock(cluster, "thief", steal=True), pytest.raises(ClusterError, match="lost its lock: thief took it"):
            wait_for(first.check)
        # What is the thief's is left alone at the end of the first.
        with lock(cluster, "third", steal=True):
            pass


def test_it_is_renewed_while_it_is_held(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_lock, "_RENEW_SECONDS", 0.01)
    times = iter(range(1_000_000))
    with ReleaseLock(cluster, "shop", LockHolder("me", lambda _: False), lambda: NOW + next(times)) as held:
        first = renewed(cluster)

        def newer() -> None:
            if renewed(cluster) != first:
                raise StopIteration

        with pytest.raises(StopIteration):
            wait_for(newer)
        held.check()


def test_losing_a_race_is_said(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cluster.get

    def late(identity: ObjectIdentity) -> KubeObject | None:
        return None if identity == LEASE else real(identity)

    with lock(cluster):
        monkeypatch.setattr(cluster, "get", late)
        with pytest.raises(ClusterError, match="began at the same moment"):
            lock(cluster, "other").__enter__()
        monkeypatch.setattr(cluster, "get", real)


def test_a_lease_without_a_time_is_old(cluster: MemoryCluster) -> None:
    metadata = {"name": LEASE.name, "namespace": LEASE.namespace}
    cluster.create(
        {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": "x"}}
    )
    with lock(cluster):
        pass
    assert cluster.list(ServedKind("coordination.k8s.io/v1", "Lease")) == ()


def renewed(cluster: MemoryCluster) -> str:
    lease = cluster.get(LEASE)
    assert lease is not None
    return str(lease["spec"]["renewTime"])


def wait_for(check: Callable[[], None]) -> None:
    """Call ``check`` until it raises; the thread that renews needs real time."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        check()
        time.sleep(0.005)
