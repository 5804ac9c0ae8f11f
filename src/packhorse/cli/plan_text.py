"""A plan as lines for people and as JSON for programs."""

from collections.abc import Iterator
from typing import Any

from packhorse.deploy.change_text import describe_changes
from packhorse.deploy.model import ChartAction, ObjectAction, Plan

__all__ = ["plan_json", "plan_lines", "removal_lines"]

_SIGNS = {"create": "+", "change": "~", "replace": "±", "remove": "-", "keep": "·", "unchanged": "="}
_WIDEST_TITLE = 44
_WIDEST_CHANGE = 40


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what a deployment would do, a line for each object that is touched."""
    yield _head(plan)
    yield from _actions(plan)
    unchanged = sum(1 for action in plan.object_actions if action.kind == "unchanged")
    if unchanged:
        yield f"  = {_objects(unchanged)} unchanged"
    if plan.images and not plan.problems:
        yield (
            f"All {plan.images} images came with the package."
            if plan.images > 1
            else "Its image came with the package."
        )


def removal_lines(plan: Plan) -> Iterator[str]:
    """Yield what a removal would do."""
    yield f"Release {plan.release} {plan.version}, revision {plan.revision}{_namespaces(plan)}: goes"
    yield from _actions(plan)


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON; see ``docs/reference`` for its keys."""
    deployed = plan.deployed
    return {
        "release": plan.release,
        "version": plan.version,
        "rootDigest": plan.root_digest,
        "revision": plan.revision,
        "offline": plan.offline,
        "deployed": None
        if deployed is None
        else {
            "version": deployed.version,
            "revision": deployed.revision,
            "status": deployed.status,
            "rootDigest": deployed.root_digest,
        },
        "namespaces": plan.namespaces,
        "components": plan.components,
        "hasWork": plan.has_work,
        "charts": [_chart_json(step) for step in plan.steps if isinstance(step, ChartAction)],
        "actions": list(_actions_json(plan)),
        "problems": [{"message": problem.message, "hint": problem.hint} for problem in plan.problems],
    }


def _head(plan: Plan) -> str:
    deployed = plan.deployed
    if plan.offline:
        now = " (planned without a cluster: everything would be new)"
    elif deployed is None:
        now = " (now: not there)"
    else:
        state = "" if deployed.status == "deployed" else f", {deployed.status}"
        now = f" (now: {deployed.version}{state})"
    return f"Release {plan.release} {plan.version}, revision {plan.revision}{_namespaces(plan)}{now}"


def _namespaces(plan: Plan) -> str:
    if not plan.namespaces:
        return ""
    return f", namespace{'s' if len(plan.namespaces) > 1 else ''} {', '.join(plan.namespaces)}"


def _actions(plan: Plan) -> Iterator[str]:
    rows = [row for row in _rows(plan) if row[0] != _SIGNS["unchanged"]]
    title_width = min(max((len(title) for _, title, _, _ in rows), default=0), _WIDEST_TITLE)
    change_width = max((len(change) for *_, change, note in rows if note), default=0)
    for sign, title, change, note in rows:
        padded = change.ljust(min(change_width, _WIDEST_CHANGE)) + "   " if change and note else change
        yield f"  {sign} {title.ljust(title_width)}   {padded}{note}".rstrip()
    for identity, conflict in plan.conflicts:
        yield f"  ! {identity.title}: {conflict.manager} owns {conflict.field}"


def _rows(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    show_namespace = len(plan.namespaces) > 1
    for step in plan.steps:
        if isinstance(step, ObjectAction):
            yield _row(step, show_namespace=show_namespace)
            continue
        rows = [_row(action, show_namespace=show_namespace) for action in (*step.hooks, *step.objects)]
        if step.is_work and all(row[0] == _SIGNS["unchanged"] for row in rows):
            yield _SIGNS[step.kind], f"Chart/{step.chart}", "new chart or values, with the same objects", ""
        yield from rows


def _row(action: ObjectAction, *, show_namespace: bool) -> tuple[str, str, str, str]:
    title = action.identity.title if show_namespace else str(action.identity)
    return _SIGNS[action.kind], title, describe_changes(action.changes), action.note


def _chart_json(step: ChartAction) -> dict[str, Any]:
    return {
        "action": step.kind,
        "component": step.component,
        "name": step.chart,
        "release": step.release,
        "namespace": step.namespace,
    }


def _actions_json(plan: Plan) -> Iterator[dict[str, Any]]:
    for stage in plan.stages:
        for step in stage.steps:
            if isinstance(step, ObjectAction):
                yield _action_json(step, stage.component, None)
                continue
            for action in (*step.hooks, *step.objects):
                yield _action_json(action, stage.component, step.chart)


def _action_json(action: ObjectAction, component: str, chart: str | None) -> dict[str, Any]:
    identity = action.identity
    return {
        "action": action.kind,
        "component": component,
        "chart": chart,
        "apiVersion": identity.api_version,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
        "note": action.note,
        "wasThereBefore": action.adopted,
        "changes": [
            {"path": each.path, "before": each.before, "after": each.after, "sensitive": each.sensitive}
            for each in action.changes
        ],
        "conflicts": [{"manager": each.manager, "field": each.field} for each in action.conflicts],
    }


def _objects(number: int) -> str:
    return "1 object" if number == 1 else f"{number} objects"
