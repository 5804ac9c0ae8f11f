"""Carrying out plans: the only code that changes a cluster.

Interrupt it anywhere: the record in the cluster names everything that may have been made, and the next deployment plans
from what it finds. Nothing is rolled back behind the operator's back.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from packhorse.base.errors import ClusterError, PackhorseError, PolicyError
from packhorse.base.events import Reporter
from packhorse.deploy.charts import ChartFolder
from packhorse.deploy.draft import finished_record
from packhorse.deploy.health import examine
from packhorse.deploy.helm_storage import put_right
from packhorse.deploy.kind_order import FIRST, rank
from packhorse.deploy.model import ChartAction, ObjectAction, Plan, Stage
from packhorse.deploy.namespace_content import namespace_content
from packhorse.deploy.ports import Clock
from packhorse.deploy.record import ReleaseRecord
from packhorse.deploy.record_store import RecordStore
from packhorse.deploy.waiting import Waiter
from packhorse.helm.model import ReleaseSpec
from packhorse.helm.ports import ReleaseInstaller
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, Cluster

__all__ = ["ApplySettings", "Executor", "refuse"]

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
_RETRY_SECONDS = 0.5
_WEBHOOK_AWAY = "failed calling webhook"


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """How to carry out a plan."""

    timeout_seconds: float = 600.0
    """How long to wait for the objects of one component."""
    force_conflicts: bool = False


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries out plans in one cluster."""

    cluster: Cluster
    installer: ReleaseInstaller
    charts: ChartFolder
    reporter: Reporter
    clock: Clock
    settings: ApplySettings = ApplySettings()
    redact: Callable[[str], str] = str
    """Takes everything sensitive out of a text, before it goes into a record."""

    @property
    def _waiter(self) -> Waiter:
        return Waiter(self.cluster, self.reporter, self.clock)

    def deploy(self, plan: Plan, draft: ReleaseRecord, check: Callable[[], None]) -> ReleaseRecord:
        """Make the cluster what the plan says, and return the record of it.

        Args:
            plan: Has no problems, and conflicts only if the settings force them.
            draft: The record of the revision, not written yet.
            check: Called before each step; what it raises ends the deployment where it is.

        Raises:
            ClusterError: Something was refused or did not become ready; the record says ``failed``.
            NetworkError: The API server went away.
        """
        records = RecordStore(self.cluster)
        records.create(draft)
        try:
            self._carry_out(plan, check)
        except BaseException as error:
            self._record_failure(records, draft, error)
            raise
        done = finished_record(draft, plan, ended=self.clock.now())
        records.update(done)
        records.supersede(done)
        return done

    def remove(self, plan: Plan, check: Callable[[], None]) -> None:
        """Take away what a removal plan names, and wait until it is gone.

        Raises:
            ClusterError: Something was refused or did not go.
            NetworkError: The API server went away.
        """
        self._carry_out(plan, check)

    def _carry_out(self, plan: Plan, check: Callable[[], None]) -> None:
        for stage in plan.stages:
            self.reporter.phase(_title(stage), items=_tasks(stage))
            self._run_stage(stage, check)

    def _run_stage(self, stage: Stage, check: Callable[[], None]) -> None:
        first: list[ObjectIdentity] = []
        ready: list[ObjectIdentity] = []
        gone: list[tuple[ObjectIdentity, str]] = []
        changed = _changed(stage)
        for step in stage.steps:
            check()
            if first and not (isinstance(step, ObjectAction) and rank(step.identity) == FIRST):
                self._until_ready(first, changed, check)
                first.clear()
            if isinstance(step, ChartAction):
                ready += self._run_chart(step)
            elif step.kind == "remove":
                gone += self._delete(step.identity)
            elif step.kind != "keep":
                self._apply(step)
                (first if rank(step.identity) == FIRST else ready).append(step.identity)
        self._until_ready([*first, *ready], changed, check)
        self._waiter.until_gone(gone, timeout_seconds=self.settings.timeout_seconds)

    def _until_ready(
        self, identities: list[ObjectIdentity], changed: set[ObjectIdentity], check: Callable[[], None]
    ) -> None:
        limit = self.settings.timeout_seconds
        self._waiter.until_ready(identities, timeout_seconds=limit, changed=changed, check=check)

    def _apply(self, action: ObjectAction) -> None:
        if not action.is_work or action.desired is None:
            return
        if action.kind == "replace":
            self._waiter.until_gone(self._delete(action.identity), timeout_seconds=self.settings.timeout_seconds)
        self._apply_patiently(action.desired)

    def _apply_patiently(self, obj: KubeObject) -> None:
        """Apply an object, and wait for what only needs a moment: a kind just defined, a webhook just started."""
        begun = self.clock.monotonic()
        while True:
            try:
                self.cluster.apply(obj, ApplyOptions(force=self.settings.force_conflicts))
            except ClusterError as error:
                passing = isinstance(error, NotServedError) or _WEBHOOK_AWAY in error.message
                if not passing or self.clock.monotonic() - begun >= _PATIENCE_SECONDS:
                    raise
                self.clock.sleep(_RETRY_SECONDS)
            else:
                return

    def _delete(self, identity: ObjectIdentity) -> list[tuple[ObjectIdentity, str]]:
        live = self.cluster.get(identity)
        if live is None:
            return []
        if identity.kind == "Namespace" and (others := namespace_content(self.cluster, identity.name)):
            # Something came since the plan was made; what is in a namespace goes with it.
            self.reporter.note(f"{identity} stays: it has {others[0]}")
            return []
        uid = _uid(live)
        self.cluster.delete(identity, uid=uid)
        return [(identity, uid)]

    def _run_chart(self, action: ChartAction) -> list[ObjectIdentity]:
        identities = [each.identity for each in action.objects if each.kind != "remove"]
        if action.kind == "remove":
            self.installer.uninstall(action.release, action.namespace, timeout_seconds=action.timeout_seconds)
            self._waiter.until_gone(
                [(each.identity, "") for each in action.objects if each.kind == "remove"],
                timeout_seconds=self.settings.timeout_seconds,
            )
            return []
        if not action.is_work or action.desired is None:
            return identities
        spec = ReleaseSpec(
            name=action.release,
            namespace=action.namespace,
            chart=self.charts.path(action.desired),
            values=action.desired.values,
            timeout_seconds=action.timeout_seconds,
            force_conflicts=self.settings.force_conflicts,
        )
        if action.interrupted:
            put_right(self.cluster, action.release, action.namespace)
        watched = [*(hook.identity for hook in action.hooks), *identities]
        try:
            with self._watched(watched):
                self.installer.install(spec)
        except ClusterError as error:
            raise self._with_reasons(error, watched) from error
        return identities

    def _with_reasons(self, error: ClusterError, identities: list[ObjectIdentity]) -> ClusterError:
        """Add to Helm's error what keeps the objects of the chart from being ready; Helm says only that they aren't."""
        findings = (examine(self.cluster, identity, with_log=True) for identity in identities)
        reasons = [ClusterError(each.text) for each in findings if each.health.state in {"progressing", "failed"}]
        return ClusterError(error.message, hint=error.hint, failures=(*error.failures, *reasons)) if reasons else error

    @contextmanager
    def _watched(self, identities: list[ObjectIdentity]) -> Iterator[None]:
        """Tell what hooks and objects wait for while Helm works, which itself says nothing until its end."""
        done = threading.Event()
        waiter = self._waiter
        failures: list[PackhorseError] = []

        def look() -> None:
            told = waiter.nothing_told()
            while not done.wait(_LOOK_SECONDS):
                try:
                    waiter.tell(identities, told)
                except PackhorseError as error:
                    # Looking is a courtesy; Helm itself will say what is wrong with the cluster.
                    failures.append(error)

        thread = threading.Thread(target=look, name="chart-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _record_failure(self, records: RecordStore, draft: ReleaseRecord, error: BaseException) -> None:
        message = error.message if isinstance(error, PackhorseError) else type(error).__name__
        try:
            records.update(draft.with_status("failed", ended=self.clock.now(), message=self.redact(message)))
        except PackhorseError as unrecorded:
            # The first error matters more; a record that still says "deploying" is understood as an interrupted one.
            error.add_note(f"the release record could not be updated: {unrecorded.message}")


def _title(stage: Stage) -> str:
    removes = all(step.kind in {"remove", "keep"} for step in stage.steps)
    what = f"component {stage.component}" if stage.component else "cluster"
    return f"Removing: {what}" if removes else what.capitalize()


def _tasks(stage: Stage) -> int:
    """Count the objects that get ready or go."""
    return sum(1 for action in _object_actions(stage) if action.kind != "keep")


def _changed(stage: Stage) -> set[ObjectIdentity]:
    return {action.identity for action in _object_actions(stage) if action.is_work}


def _object_actions(stage: Stage) -> Iterator[ObjectAction]:
    for step in stage.steps:
        yield from step.objects if isinstance(step, ChartAction) else (step,)


def _uid(live: KubeObject) -> str:
    return str(mapping(live.get("metadata")).get("uid", ""))


def refuse(plan: Plan, *, force_conflicts: bool) -> None:
    """Stop before anything is changed when something stands against the plan.

    Raises:
        PackhorseError: Of the family of the first problem, with all of them.
    """
    failures: list[PackhorseError] = [
        (PolicyError if problem.is_policy else ClusterError)(problem.message, hint=problem.hint or None)
        for problem in plan.problems
    ]
    if not force_conflicts:
        failures += [
            ClusterError(f"{identity.title}: {each.manager} owns {each.field}", hint="--force-conflicts takes it over")
            for identity, each in plan.conflicts
        ]
    if failures:
        number = len(failures)
        raise PackhorseError.summarise(
            f"{plan.release} {plan.version} can't be deployed: {number} problem{'' if number == 1 else 's'}. "
            "Nothing was changed.",
            failures,
        )
