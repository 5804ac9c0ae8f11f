"""Planning to take a release away: what it made and nothing else, and what stays all the same."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from packhorse.deploy.charts import ChartPlanner
from packhorse.deploy.desired import RELEASE_ANNOTATION
from packhorse.deploy.model import ChartAction, ObjectAction, Plan, Stage
from packhorse.deploy.namespace_content import namespace_content
from packhorse.deploy.record import RecordedObject, ReleaseRecord, known_charts, known_objects
from packhorse.deploy.removal_order import removal_stages
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import annotations, mapping, objects
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import Cluster, ServedKind

__all__ = ["RemovalChoice", "plan_removal"]

_CLAIM = "PersistentVolumeClaim"
_DATA_KINDS = frozenset({_CLAIM, "PersistentVolume"})
_DEFINITION = "CustomResourceDefinition"


@dataclass(frozen=True, slots=True)
class RemovalChoice:
    """What goes that stays otherwise."""

    data: bool = False
    """Volume claims: those of StatefulSets, and those among the package's own objects."""
    definitions: bool = False
    """CustomResourceDefinitions, and with them all their objects, whoever made them."""


def plan_removal(
    cluster: Cluster, charts: ChartPlanner, history: Sequence[ReleaseRecord], choice: RemovalChoice
) -> Plan:
    """Say what removing a release would do.

    Args:
        cluster: Where it is.
        charts: Plans its Helm releases.
        history: Its records, the newest first; at least one.
        choice: What goes that stays otherwise.

    Raises:
        ClusterError, NetworkError: The cluster can't be looked at.
    """
    last = history[0]
    recorded = list(known_objects(history).values())
    for chart in known_charts(history).values():
        recorded += (*chart.hooks, *chart.definitions)
    chart_actions = [
        action for chart in known_charts(history).values() if (action := charts.plan_removal(chart)) is not None
    ]
    own = [
        (each.component, own_action)
        for each in recorded
        if (own_action := _action(cluster, each, last.name, choice)) is not None
    ]
    stateful = [action.identity for _, action in own if action.identity.kind == "StatefulSet"]
    stateful += [
        each.identity for chart in chart_actions for each in chart.objects if each.identity.kind == "StatefulSet"
    ]
    claims = tuple(_claims(cluster, stateful, choice))
    stages = [*removal_stages(own, chart_actions), Stage("", claims)]
    going = _going([action for _, action in own], chart_actions, claims)
    stages.append(Stage("", tuple(_namespaces(cluster, last.namespaces, going))))
    return Plan(
        release=last.name,
        version=last.version,
        root_digest=last.root_digest,
        revision=last.revision,
        namespaces=tuple(dict.fromkeys(each.identity.namespace for each in recorded if each.identity.namespace)),
        components=last.components,
        stages=tuple(stage for stage in stages if stage.steps),
        deployed=last.summary,
    )


def _action(cluster: Cluster, recorded: RecordedObject, release: str, choice: RemovalChoice) -> ObjectAction | None:
    identity = recorded.identity
    live = _live(cluster, identity)
    if live is None:
        return None
    owner = annotations(live).get(RELEASE_ANNOTATION)
    if owner not in {None, release}:
        return ObjectAction("keep", identity, note=f"stays, it belongs to the release {owner} now")
    if recorded.adopted:
        return ObjectAction("keep", identity, note="stays, it was there before", adopted=True)
    if identity.kind in _DATA_KINDS and not choice.data:
        return ObjectAction("keep", identity, note="stays with its data; --delete-data removes it")
    if identity.kind == _DEFINITION and not choice.definitions:
        return ObjectAction("keep", identity, note="stays with all its objects; --delete-crds removes it")
    return ObjectAction("remove", identity)


def _claims(cluster: Cluster, stateful: Iterable[ObjectIdentity], choice: RemovalChoice) -> Iterator[ObjectAction]:
    """Yield the claims that StatefulSets made: ``TEMPLATE-NAME-NUMBER`` (Kubernetes, StatefulSet, "Stable Storage")."""
    for identity in stateful:
        live = _live(cluster, identity)
        templates = objects(mapping(live.get("spec")).get("volumeClaimTemplates")) if live is not None else iter(())
        names = "|".join(re.escape(str(mapping(each.get("metadata")).get("name"))) for each in templates)
        if not names:
            continue
        pattern = re.compile(rf"(?:{names})-{re.escape(identity.name)}-\d+")
        for claim in cluster.list(ServedKind("v1", _CLAIM), namespace=identity.namespace):
            found = ObjectIdentity.of(claim)
            if not pattern.fullmatch(found.name):
                continue
            if choice.data:
                yield ObjectAction("remove", found, note=f"data of {identity}")
            else:
                yield ObjectAction("keep", found, note=f"data of {identity} stays; --delete-data removes it")


def _namespaces(
    cluster: Cluster, names: Iterable[str], going: Collection[tuple[str, str, str, str]]
) -> Iterator[ObjectAction]:
    for name in names:
        identity = ObjectIdentity("v1", "Namespace", "", name)
        if _live(cluster, identity) is None:
            continue
        others = [each for each in namespace_content(cluster, name) if each.key not in going]
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            yield ObjectAction("keep", identity, note=f"stays, it has {others[0]}{more}")
        else:
            yield ObjectAction("remove", identity)


def _going(
    own: Iterable[ObjectAction], charts: Iterable[ChartAction], claims: Iterable[ObjectAction]
) -> frozenset[tuple[str, str, str, str]]:
    inside = [each for chart in charts for each in chart.objects]
    return frozenset(each.identity.key for each in (*own, *claims, *inside) if each.kind == "remove")


def _live(cluster: Cluster, identity: ObjectIdentity) -> KubeObject | None:
    try:
        return cluster.get(identity)
    except NotServedError:
        return None
