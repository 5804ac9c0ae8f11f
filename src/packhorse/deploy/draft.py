"""The record of a revision that is about to be made, from its plan. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from packhorse.deploy.model import ChartAction, ObjectAction, Plan
from packhorse.deploy.record import RecordedChart, RecordedObject, ReleaseRecord

__all__ = ["VariableRecord", "draft_record", "finished_record"]

_NAMESPACE = "Namespace"


@dataclass(frozen=True, slots=True)
class VariableRecord:
    """What a record keeps of the variables."""

    salt: str
    shown: Mapping[str, Any] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Salted digests."""


def draft_record(
    plan: Plan, variables: VariableRecord, history: Sequence[ReleaseRecord], *, started: float
) -> ReleaseRecord:
    """Return the record of the plan's revision as it is while the plan is carried out.

    It names everything that may exist at any instant until then: what comes, what stays and what goes.
    """
    objects = []
    made = []
    for stage in plan.stages:
        for step in stage.steps:
            if not isinstance(step, ObjectAction):
                continue
            if step.identity.kind == _NAMESPACE and not step.adopted and step.kind != "keep":
                made.append(step.identity.name)
            else:
                objects.append(
                    RecordedObject.of(step.identity, stage.component, adopted=step.adopted, hidden=step.hidden)
                )
    previous = tuple(name for record in history[:1] for name in record.namespaces)
    return ReleaseRecord(
        name=plan.release,
        version=plan.version,
        revision=plan.revision,
        status="deploying",
        root_digest=plan.root_digest,
        components=plan.components,
        objects=tuple(objects),
        charts=tuple(_chart(step, history) for step in plan.steps if isinstance(step, ChartAction)),
        namespaces=tuple(dict.fromkeys((*previous, *made))),
        variables=dict(variables.shown),
        hidden_variables=dict(variables.hidden),
        salt=variables.salt,
        started=started,
    )


def finished_record(draft: ReleaseRecord, plan: Plan, *, ended: float) -> ReleaseRecord:
    """Return the record when everything is done: without what went, charts with what they were made of."""
    gone = {step.identity.key for step in plan.steps if isinstance(step, ObjectAction) and step.kind == "remove"}
    charts = {
        (step.release, step.namespace): step
        for step in plan.steps
        if isinstance(step, ChartAction) and step.kind != "remove"
    }
    return msgspec.structs.replace(
        draft,
        status="deployed",
        ended=ended,
        objects=tuple(each for each in draft.objects if each.identity.key not in gone),
        charts=tuple(
            msgspec.structs.replace(each, inputs_digest=charts[each.release, each.namespace].inputs_digest)
            for each in draft.charts
            if (each.release, each.namespace) in charts
        ),
    )


def _chart(action: ChartAction, history: Sequence[ReleaseRecord]) -> RecordedChart:
    """Record a chart with everything that Helm would leave behind of this and of earlier revisions."""
    before = [
        chart
        for record in history[:1]
        for chart in record.charts
        if (chart.release, chart.namespace) == (action.release, action.namespace)
    ]
    installed = [
        RecordedObject.of(each.identity, action.component, hidden=each.hidden)
        for each in action.objects
        if each.kind != "remove"
    ]
    hooks = [RecordedObject.of(hook.identity, action.component) for hook in action.hooks]
    definitions = [RecordedObject.of(identity, action.component) for identity in action.definitions]
    return RecordedChart(
        component=action.component,
        chart=action.chart,
        release=action.release,
        namespace=action.namespace,
        objects=tuple(installed),
        # A chart that stays as it is keeps what is known of it, also when the deployment fails elsewhere.
        inputs_digest=action.inputs_digest if action.kind == "unchanged" else "",
        hooks=_together(hooks, [hook for chart in before for hook in chart.hooks]),
        definitions=_together(definitions, [each for chart in before for each in chart.definitions]),
    )


def _together(new: Sequence[RecordedObject], old: Sequence[RecordedObject]) -> tuple[RecordedObject, ...]:
    return tuple({each.identity.key: each for each in (*old, *new)}.values())
