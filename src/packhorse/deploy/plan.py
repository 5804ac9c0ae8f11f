"""From what is wanted, what is live and what was recorded to a plan. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from packhorse.deploy.compare import Secrets, compare, overlay, sensitive_paths
from packhorse.deploy.desired import RELEASE_ANNOTATION, DesiredObject
from packhorse.deploy.kind_order import CHARTS, rank
from packhorse.deploy.model import ActionKind, ChartAction, ObjectAction, Plan, Problem, Stage, Step
from packhorse.deploy.observe import Observation
from packhorse.deploy.record import RecordedObject, ReleaseRecord, known_objects
from packhorse.deploy.record_store import CREATED_BY
from packhorse.deploy.removal_order import removal_stages
from packhorse.kube.fields import annotations, count, mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity

__all__ = ["LeftObject", "PlanInputs", "build_plan", "plan_object"]

_MARK = f"metadata.annotations.{RELEASE_ANNOTATION}"
_KEPT_KINDS = {
    "CustomResourceDefinition": "left the package; stays, because its objects would go with it",
    "Namespace": "left the package; stays with what is in it",
    "PersistentVolume": "left the package; stays, because it has data",
    "PersistentVolumeClaim": "left the package; stays, because it has data",
}


@dataclass(frozen=True, slots=True)
class LeftObject:
    """An object that the last release made and that the package has no more."""

    recorded: RecordedObject
    live: KubeObject | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """All that a plan follows from."""

    release: str
    version: str
    root_digest: str
    components: tuple[str, ...]
    objects: tuple[tuple[DesiredObject, Observation], ...] = ()
    charts: tuple[ChartAction, ...] = ()
    """Those that are wanted, and those that left the package (``remove``)."""
    left: tuple[LeftObject, ...] = ()
    missing_namespaces: tuple[str, ...] = ()
    history: tuple[ReleaseRecord, ...] = ()
    """The newest record first."""
    secrets: Secrets = field(default_factory=Secrets)
    brought_kinds: frozenset[tuple[str, str]] = frozenset()
    """``apiVersion`` and kind of what definitions in the package itself, charts included, make known."""
    problems: tuple[Problem, ...] = ()
    offline: bool = False
    images: int = 0


def build_plan(inputs: PlanInputs) -> Plan:
    """Put everything that is to be done in its order: namespaces, component by component, then what goes."""
    known = known_objects(inputs.history)
    actions = {desired.identity.key: _action(inputs, known, desired, seen) for desired, seen in inputs.objects}
    stages = [
        Stage("", _namespace_steps(inputs)),
        *(Stage(component, _component_steps(inputs, actions, component)) for component in inputs.components),
        *removal_stages(
            [
                (left.recorded.component, action)
                for left in inputs.left
                if (action := _removal(left, inputs.release)) is not None
            ],
            [chart for chart in inputs.charts if chart.kind == "remove"],
        ),
    ]
    last = inputs.history[0] if inputs.history else None
    return Plan(
        release=inputs.release,
        version=inputs.version,
        root_digest=inputs.root_digest,
        revision=last.revision + 1 if last is not None else 1,
        namespaces=_namespaces(inputs),
        components=inputs.components,
        stages=tuple(stage for stage in stages if stage.steps),
        deployed=last.summary if last is not None else None,
        problems=(*inputs.problems, *_problems(inputs)),
        offline=inputs.offline,
        images=inputs.images,
    )


def plan_object(
    desired: DesiredObject, seen: Observation, secrets: Secrets, *, recorded: RecordedObject | None = None
) -> ObjectAction:
    """Decide what happens to one object that is wanted."""
    identity, obj, live = desired.identity, desired.obj, seen.live
    hidden = sensitive_paths(obj, secrets)
    if live is None:
        return ObjectAction("create", identity, desired=obj, hidden=hidden)
    adopted = recorded.adopted if recorded is not None else RELEASE_ANNOTATION not in annotations(live)
    after = seen.after if seen.after is not None else overlay(live, obj)
    before_hidden = recorded.hidden if recorded is not None else ()
    changes = compare(live, after, secrets, ignored=(_MARK,), hidden=before_hidden)
    kind: ActionKind = "change"
    note = "was there before" if adopted and recorded is None else _restarts(live, after)
    if seen.immutable and identity.kind == "Job":
        kind, note = "replace", "runs again"
    elif not changes and not _mark_differs(live, obj):
        kind, note = "unchanged", ""
    conflicts = seen.conflicts if kind == "change" else ()
    return ObjectAction(kind, identity, changes, note, conflicts, adopted=adopted, desired=obj, hidden=hidden)


def _action(
    inputs: PlanInputs,
    known: Mapping[tuple[str, str, str, str], RecordedObject],
    desired: DesiredObject,
    seen: Observation,
) -> ObjectAction:
    return plan_object(desired, seen, inputs.secrets, recorded=known.get(desired.identity.key))


def _component_steps(
    inputs: PlanInputs, actions: Mapping[tuple[str, str, str, str], ObjectAction], component: str
) -> tuple[Step, ...]:
    steps: list[tuple[int, Step]] = []
    for desired, _ in inputs.objects:
        if desired.component == component:
            steps.append((rank(desired.identity), actions[desired.identity.key]))
    steps += [(CHARTS, chart) for chart in inputs.charts if chart.component == component and chart.kind != "remove"]
    return tuple(step for _, step in sorted(steps, key=lambda each: each[0]))


def _namespace_steps(inputs: PlanInputs) -> tuple[Step, ...]:
    brought = {desired.identity.name for desired, _ in inputs.objects if desired.identity.kind == "Namespace"}
    return tuple(
        ObjectAction("create", ObjectIdentity("v1", "Namespace", "", name), desired=_namespace(name, inputs.release))
        for name in inputs.missing_namespaces
        if name not in brought
    )


def _namespace(name: str, release: str) -> KubeObject:
    metadata = {"name": name, "labels": {CREATED_BY: "packhorse"}, "annotations": {RELEASE_ANNOTATION: release}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _removal(left: LeftObject, release: str) -> ObjectAction | None:
    if left.live is None:
        return None
    identity = left.recorded.identity
    owner = annotations(left.live).get(RELEASE_ANNOTATION)
    if owner not in {None, release}:
        return None
    if left.recorded.adopted:
        return ObjectAction("keep", identity, note="left the package; stays, it was there before", adopted=True)
    if identity.kind in _KEPT_KINDS:
        return ObjectAction("keep", identity, note=_KEPT_KINDS[identity.kind])
    return ObjectAction("remove", identity, note="left the package")


def _namespaces(inputs: PlanInputs) -> tuple[str, ...]:
    names = [desired.identity.namespace for desired, _ in inputs.objects]
    names += [chart.namespace for chart in inputs.charts if chart.kind != "remove"]
    return tuple(dict.fromkeys(name for name in names if name))


def _problems(inputs: PlanInputs) -> Iterator[Problem]:
    for desired, seen in inputs.objects:
        identity = desired.identity
        if seen.error is not None and not (seen.immutable and identity.kind == "Job"):
            hint = seen.error.hint
            if seen.immutable:
                hint = f"delete {identity.title} yourself if it may be made anew, and plan again"
            yield Problem(f"{desired.source}: {seen.error.message}", hint or "")
        if not seen.served and not inputs.offline and (identity.api_version, identity.kind) not in inputs.brought_kinds:
            yield Problem(
                f"{desired.source}: the cluster has no kind {identity.kind} in {identity.api_version}, "
                f"and nothing in the package brings it",
                "add its CustomResourceDefinition to the package, or install what brings it first",
            )
        owner = annotations(seen.live).get(RELEASE_ANNOTATION) if seen.live is not None else None
        if owner not in {None, inputs.release}:
            yield Problem(
                f"{identity.title} belongs to the release {owner}",
                f"two packages can't own one object: rename it, or remove {owner}",
            )


def _mark_differs(live: KubeObject, obj: KubeObject) -> bool:
    return annotations(live).get(RELEASE_ANNOTATION) != annotations(obj).get(RELEASE_ANNOTATION)


def _restarts(live: KubeObject, after: KubeObject) -> str:
    """Say how many pods are stopped before their successors run; a Deployment's are not."""
    kind = str(live.get("kind"))
    if kind not in {"DaemonSet", "StatefulSet"}:
        return ""
    before, later = (mapping(mapping(obj.get("spec")).get("template")) for obj in (live, after))
    if before == later:
        return ""
    status, spec = mapping(live.get("status")), mapping(live.get("spec"))
    pods = count(status, "desiredNumberScheduled") if kind == "DaemonSet" else count(spec, "replicas", 1)
    return f"restarts {pods} pod{'' if pods == 1 else 's'}" if pods else ""
