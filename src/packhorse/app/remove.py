"""``remove``: take away what a release made, and nothing else."""

from dataclasses import dataclass, field

from packhorse.app.site import ClusterAccess, Site, open_site
from packhorse.base.errors import PackhorseError
from packhorse.base.events import Reporter
from packhorse.deploy.apply import ApplySettings, Executor
from packhorse.deploy.charts import ChartPlanner
from packhorse.deploy.model import Plan
from packhorse.deploy.namespace_content import namespace_content
from packhorse.deploy.record_store import CREATED_BY, RECORD_NAMESPACE, RecordStore
from packhorse.deploy.release_lock import LockHolder, ReleaseLock
from packhorse.deploy.removal import RemovalChoice, plan_removal
from packhorse.deploy.waiting import Waiter
from packhorse.kube.fields import labels
from packhorse.kube.object_identity import ObjectIdentity

__all__ = ["RemoveOptions", "RemoveResult", "removal_plan", "remove_release"]


@dataclass(frozen=True, slots=True)
class RemoveOptions:
    """How to remove."""

    holder: LockHolder
    choice: RemovalChoice = field(default_factory=RemovalChoice)
    timeout_seconds: float = 600.0
    steal_lock: bool = False


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """What came of it."""

    plan: Plan | None
    """What went; None when there was no such release."""
    seconds: float = 0.0


def removal_plan(name: str, access: ClusterAccess, choice: RemovalChoice) -> Plan | None:
    """Say what removing a release would do; None when there is no such release.

    Raises:
        ClusterError, NetworkError: The cluster can't be looked at.
    """
    with open_site(access) as site:
        records = RecordStore(site.cluster)
        return _plan(site, records, name, choice) if records.history(name) else None


def remove_release(name: str, access: ClusterAccess, options: RemoveOptions, reporter: Reporter) -> RemoveResult:
    """Remove a release; doing it twice does nothing the second time.

    Raises:
        ClusterError, NetworkError: Something was refused or did not go; running it again goes on from there.
    """
    with open_site(access) as site:
        clock = site.clock
        begun = clock.monotonic()
        records = RecordStore(site.cluster)
        if not records.history(name):
            return RemoveResult(None)
        plan = None
        with ReleaseLock(site.cluster, name, options.holder, clock.now, steal=options.steal_lock) as lock:
            history = records.history(name)
            if history:
                plan = _plan(site, records, name, options.choice)
                records.update(history[0].with_status("removing"))
                _executor(site, options, reporter).remove(plan, lock.check)
                # The newest goes last: as long as it is there, another run knows what is left to do.
                for record in reversed(history):
                    records.delete(record)
        _remove_record_namespace(site, options, reporter)
        return RemoveResult(plan, clock.monotonic() - begun)


def _plan(site: Site, records: RecordStore, name: str, choice: RemovalChoice) -> Plan:
    planner = ChartPlanner(site.cluster, site.renderer, site.installer, site.charts)
    return plan_removal(site.cluster, planner, records.history(name), choice)


def _executor(site: Site, options: RemoveOptions, reporter: Reporter) -> Executor:
    if site.installer is None:
        raise PackhorseError("a removal was begun without a cluster")
    settings = ApplySettings(timeout_seconds=options.timeout_seconds)
    return Executor(site.cluster, site.installer, site.charts, reporter, site.clock, settings)


def _remove_record_namespace(site: Site, options: RemoveOptions, reporter: Reporter) -> None:
    identity = ObjectIdentity("v1", "Namespace", "", RECORD_NAMESPACE)
    live = site.cluster.get(identity)
    if live is None or labels(live).get(CREATED_BY) != "packhorse" or namespace_content(site.cluster, RECORD_NAMESPACE):
        return
    site.cluster.delete(identity)
    # Until it is gone, no other release can write its record.
    waiter = Waiter(site.cluster, reporter, site.clock)
    waiter.until_gone([(identity, "")], timeout_seconds=options.timeout_seconds)
