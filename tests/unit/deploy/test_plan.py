"""Single decisions of a plan, and what stands against it."""

from typing import Any

import pytest

from packhorse.base.errors import ClusterError, PolicyError
from packhorse.deploy.apply import refuse
from packhorse.deploy.compare import Secrets
from packhorse.deploy.desired import RELEASE_ANNOTATION, DesiredObject
from packhorse.deploy.model import ChartAction, ObjectAction, Plan, Problem
from packhorse.deploy.observe import Observation, observe
from packhorse.deploy.plan import LeftObject, PlanInputs, build_plan, plan_object
from packhorse.deploy.record import RecordedObject
from packhorse.kube.errors import FieldConflict, InvalidObjectError
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions


def obj(kind: str = "ConfigMap", *, owner: str | None = "shop", api_version: str = "v1", **fields: Any) -> KubeObject:
    marks = {} if owner is None else {"annotations": {RELEASE_ANNOTATION: owner}}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "namespace": "shop", **marks}, **fields}


def desired(made: KubeObject, component: str = "web") -> DesiredObject:
    return DesiredObject(component, "a.yaml", ObjectIdentity.of(made), made)


def inputs(*objects: tuple[DesiredObject, Observation], **more: Any) -> PlanInputs:
    return PlanInputs("shop", "1.0.0", "sha256:1", ("web",), objects, **more)


def immutable(kind: str, api_version: str) -> tuple[DesiredObject, Observation]:
    wanted = obj(kind, api_version=api_version, spec={"template": {"a": "new"}})
    live = obj(kind, api_version=api_version, spec={"template": {"a": "old"}, "extra": 1})
    return desired(wanted), Observation(live, error=InvalidObjectError("field is immutable"), immutable=True)


def test_a_job_that_cannot_change_is_made_anew() -> None:
    wanted, seen = immutable("Job", "batch/v1")
    action = plan_object(wanted, seen, Secrets())
    assert (action.kind, action.note) == ("replace", "runs again")
    assert [change.path for change in action.changes] == ["spec.template.a"]
    assert build_plan(inputs((wanted, seen))).problems == ()


def test_anything_else_that_cannot_change_is_a_problem_with_a_way_out() -> None:
    plan = build_plan(inputs(immutable("Service", "v1")))
    [problem] = plan.problems
    assert problem.message == "a.yaml: field is immutable"
    assert problem.hint == "delete Service/a in shop yourself if it may be made anew, and plan again"


def test_where_trying_tells_nothing_the_fields_are_compared() -> None:
    action = plan_object(desired(obj(data={"x": "2"})), Observation(obj(data={"x": "1", "y": "kept"})), Secrets())
    assert [(change.path, change.before, change.after) for change in action.changes] == [("data.x", "1", "2")]
    assert (
        plan_object(desired(obj(data={"x": "1"})), Observation(obj(data={"x": "1", "y": "z"})), Secrets()).kind
        == "unchanged"
    )


def test_a_kind_that_nobody_knows_is_a_problem_unless_the_package_brings_it() -> None:
    unserved = (desired(obj("Theme", api_version="shop.dev/v1")), Observation(served=False))
    [problem] = build_plan(inputs(unserved)).problems
    assert "no kind Theme in shop.dev/v1" in problem.message
    brought = frozenset({("shop.dev/v1", "Theme")})
    assert build_plan(inputs(unserved, brought_kinds=brought)).problems == ()
    assert build_plan(inputs(unserved, offline=True)).problems == ()


def test_taking_over_what_has_no_mark_is_a_change() -> None:
    unmarked = obj(owner=None)
    action = plan_object(desired(obj()), Observation(unmarked, obj()), Secrets())
    assert (action.kind, action.adopted, action.changes) == ("change", True, ())
    ours = RecordedObject.of(ObjectIdentity.of(unmarked), "web")
    again = plan_object(desired(obj()), Observation(unmarked, obj()), Secrets(), recorded=ours)
    assert (again.kind, again.adopted) == ("change", False)


@pytest.mark.parametrize(
    ("kind", "live", "adopted", "expected"),
    [
        ("ConfigMap", obj(), False, ("remove", "left the package")),
        ("ConfigMap", obj(owner=None), False, ("remove", "left the package")),
        ("ConfigMap", obj(), True, ("keep", "left the package; stays, it was there before")),
        ("PersistentVolumeClaim", obj(), False, ("keep", "left the package; stays, because it has data")),
        (
            "CustomResourceDefinition",
            obj(),
            False,
            ("keep", "left the package; stays, because its objects would go with it"),
        ),
        ("ConfigMap", None, False, None),
        ("ConfigMap", obj(owner="other"), False, None),
    ],
)
def test_what_left_the_package(
    kind: str, live: KubeObject | None, *, adopted: bool, expected: tuple[str, str] | None
) -> None:
    identity = ObjectIdentity("v1", kind, "shop", "a")
    left = LeftObject(RecordedObject.of(identity, "web", adopted=adopted), live)
    actions = build_plan(inputs(left=(left,))).object_actions
    assert [(action.kind, action.note) for action in actions] == ([expected] if expected else [])


def test_a_daemon_set_restarts_on_its_nodes() -> None:
    def daemon(image: str) -> KubeObject:
        return obj(
            "DaemonSet", api_version="apps/v1", spec={"template": {"i": image}}, status={"desiredNumberScheduled": 3}
        )

    action = plan_object(desired(daemon("2")), Observation(daemon("1"), daemon("2")), Secrets())
    assert action.note == "restarts 3 pods"


def test_trying_an_object() -> None:
    cluster = MemoryCluster(("shop",))
    made = obj(data={"x": "1"})
    identity = ObjectIdentity.of(made)
    assert observe(cluster, identity, made, {"shop"}) == Observation()
    assert observe(cluster, ObjectIdentity("no.dev/v1", "T", "shop", "a"), made, ()) == Observation(served=False)
    assert observe(cluster, identity, made, ()).live is None
    cluster.apply(obj(data={"x": "0"}), ApplyOptions(manager="other"))
    seen = observe(cluster, identity, made, ())
    assert seen.conflicts == (FieldConflict("other", ".data.x"),)
    assert seen.after is not None
    assert seen.after["data"] == {"x": "1"}


class _Refusing(MemoryCluster):
    def __init__(self, error: Exception) -> None:
        super().__init__(("shop",))
        self.create(obj())
        self._error = error

    def apply(self, _obj: KubeObject, _options: ApplyOptions) -> KubeObject:
        raise self._error


@pytest.mark.parametrize(
    ("error", "is_error", "is_immutable"),
    [
        (InvalidObjectError("spec.template: field is immutable"), True, True),
        (
            InvalidObjectError("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'"),
            True,
            True,
        ),
        (InvalidObjectError("spec.x: required"), True, False),
        (InvalidObjectError('admission webhook "a" does not support dry run'), False, False),
        (ClusterError("exceeded quota"), True, False),
    ],
)
def test_refusals_of_a_try(error: Exception, is_error: bool, is_immutable: bool) -> None:  # noqa: FBT001 - parameters
    cluster = _Refusing(error)
    seen = observe(cluster, ObjectIdentity.of(obj()), obj(), ())
    assert (seen.error is not None, seen.immutable) == (is_error, is_immutable)
    assert seen.live is not None


def test_a_plan_with_problems_is_refused_with_all_of_them() -> None:
    identity = ObjectIdentity("v1", "ConfigMap", "shop", "a")
    chart = ChartAction(
        "change", "web", "c", "c", "shop", (ObjectAction("change", identity, conflicts=(FieldConflict("m", ".x"),)),)
    )
    plan = build_plan(inputs(charts=(chart,), problems=(Problem("no image", "add it", is_policy=True), Problem("bad"))))
    with pytest.raises(PolicyError, match=r"shop 1\.0\.0 can't be deployed: 3 problems") as caught:
        refuse(plan, force_conflicts=False)
    assert [failure.message for failure in caught.value.failures] == [
        "no image",
        "bad",
        "ConfigMap/a in shop: m owns .x",
    ]
    with pytest.raises(PolicyError, match="2 problems"):
        refuse(plan, force_conflicts=True)
    refuse(build_plan(inputs()), force_conflicts=False)


def test_a_plan_counts_what_is_in_charts() -> None:
    identity = ObjectIdentity("v1", "ConfigMap", "shop", "a")
    hook = ObjectAction("create", ObjectIdentity("batch/v1", "Job", "shop", "h"), note="hook pre-install")
    chart = ChartAction("unchanged", "web", "c", "c", "shop", (ObjectAction("unchanged", identity),), (hook,))
    plan: Plan = build_plan(inputs(charts=(chart,)))
    assert [str(action.identity) for action in plan.object_actions] == ["Job/h", "ConfigMap/a"]
    assert not plan.has_work
    assert plan.namespaces == ("shop",)
