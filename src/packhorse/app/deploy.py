"""``deploy``: plan, then make it so, one deployment of a release at a time."""

from dataclasses import dataclass, field

from packhorse.app.bundled_package import BundledContent, choose_package
from packhorse.app.plan import DeployRequest, make_plan, site_values
from packhorse.app.redaction import RedactingReporter, redacted_errors
from packhorse.app.site import ClusterAccess, Site, open_site
from packhorse.base.errors import PackhorseError
from packhorse.base.events import Reporter
from packhorse.bundle.reader import Bundle
from packhorse.deploy.apply import ApplySettings, Executor, refuse
from packhorse.deploy.draft import draft_record
from packhorse.deploy.model import ChartAction, Plan
from packhorse.deploy.planner import Planned
from packhorse.deploy.ports import PackageContent
from packhorse.deploy.record import ReleaseRecord
from packhorse.deploy.record_store import RecordStore
from packhorse.deploy.release_lock import LockHolder, ReleaseLock
from packhorse.deploy.waiting import Waiter
from packhorse.kube.object_identity import ObjectIdentity

__all__ = ["DeployOptions", "DeployResult", "deploy_bundle", "deploy_package"]


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How to deploy."""

    holder: LockHolder
    settings: ApplySettings = field(default_factory=ApplySettings)
    steal_lock: bool = False


@dataclass(frozen=True, slots=True)
class DeployResult:
    """What came of it."""

    plan: Plan
    record: ReleaseRecord
    objects: int
    """How many objects are as they should be and ready."""
    changed: bool
    seconds: float


def deploy_bundle(
    request: DeployRequest, access: ClusterAccess, options: DeployOptions, reporter: Reporter
) -> DeployResult:
    """Run a package of a bundle in a cluster, and wait until it is ready.

    Raises:
        UsageError, ConfigError, IntegrityError, PolicyError: It can't be deployed; nothing was changed.
        ClusterError, NetworkError: It can't be deployed, or did not become ready.
    """
    with Bundle.open_file(request.bundle) as bundle, open_site(access) as site:
        content = BundledContent(bundle, choose_package(bundle, request.package))
        return deploy_package(content, site, request, options, reporter)


def deploy_package(
    content: PackageContent, site: Site, request: DeployRequest, options: DeployOptions, reporter: Reporter
) -> DeployResult:
    """Run a package, wherever its content comes from; as :func:`deploy_bundle`."""
    redact = request.variables.redact
    with redacted_errors(redact):
        return _deploy(content, site, request, options, RedactingReporter(reporter, redact))


def _deploy(
    content: PackageContent, site: Site, request: DeployRequest, options: DeployOptions, reporter: Reporter
) -> DeployResult:
    clock = site.clock
    begun = clock.monotonic()
    values = site_values(request.variables)
    reporter.phase("Planning")
    planned = make_plan(content, site, request.choice, values)
    refuse(planned.plan, force_conflicts=options.settings.force_conflicts)
    records = RecordStore(site.cluster)
    name = content.definition.metadata.name
    lock = ReleaseLock(site.cluster, name, options.holder, clock.now, steal=options.steal_lock)
    if planned.is_settled:
        _tidy(records, lock, planned)
        return _settled(site, planned, options, reporter, begun)
    records.ensure_namespace()
    with lock:
        if records.history(name) != planned.history:
            # Another deployment ended between the plan and the lock: what was planned may not hold any more.
            planned = make_plan(content, site, request.choice, values)
            refuse(planned.plan, force_conflicts=options.settings.force_conflicts)
            if planned.is_settled:
                return _settled(site, planned, options, reporter, begun)
        draft = draft_record(planned.plan, planned.variables, planned.history, started=clock.now())
        executor = _executor(site, options, reporter, request)
        record = executor.deploy(planned.plan, draft, lock.check)
    return DeployResult(
        planned.plan, record, len(_ready_objects(planned.plan)), changed=True, seconds=clock.monotonic() - begun
    )


def _executor(site: Site, options: DeployOptions, reporter: Reporter, request: DeployRequest) -> Executor:
    if site.installer is None:
        raise PackhorseError("a deployment was begun without a cluster")
    return Executor(
        site.cluster, site.installer, site.charts, reporter, site.clock, options.settings, request.variables.redact
    )


def _tidy(records: RecordStore, lock: ReleaseLock, planned: Planned) -> None:
    """Do what a deployment had left to do that was killed after its record said that it went well."""
    newest, *older = planned.history
    found = lock.look()
    if found == "abandoned" or (found == "free" and any(record.claims_to_run for record in older)):
        with lock:
            records.supersede(newest)


def _settled(site: Site, planned: Planned, options: DeployOptions, reporter: Reporter, begun: float) -> DeployResult:
    """Change nothing, but make sure that what is there is ready."""
    clock = site.clock
    identities = _ready_objects(planned.plan)
    waiter = Waiter(site.cluster, reporter, clock)
    waiter.until_ready(identities, timeout_seconds=options.settings.timeout_seconds)
    return DeployResult(
        planned.plan, planned.history[0], len(identities), changed=False, seconds=clock.monotonic() - begun
    )


def _ready_objects(plan: Plan) -> list[ObjectIdentity]:
    """Return the objects that are there when the plan is carried out; hooks come and go."""
    found: list[ObjectIdentity] = []
    for step in plan.steps:
        actions = step.objects if isinstance(step, ChartAction) else (step,)
        found += [action.identity for action in actions if action.kind not in {"remove", "keep"}]
    return found
