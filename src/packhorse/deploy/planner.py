"""Making a plan: reads the package, looks at the cluster, and hands both to the pure code that decides."""

import secrets as random_bytes
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packhorse.deploy.charts import ChartFolder, ChartPlanner
from packhorse.deploy.compare import Secrets
from packhorse.deploy.desired import DesiredChart, DesiredObject, desired_charts, desired_objects
from packhorse.deploy.draft import VariableRecord
from packhorse.deploy.image_check import missing_images
from packhorse.deploy.model import ChartAction, Plan, Problem
from packhorse.deploy.observe import Observation, observe
from packhorse.deploy.plan import LeftObject, PlanInputs, build_plan
from packhorse.deploy.ports import PackageContent, Substitution
from packhorse.deploy.record import RecordedObject, ReleaseRecord, known_charts, known_objects, salted_digest
from packhorse.deploy.record_store import RecordStore
from packhorse.deploy.selection import select_components
from packhorse.helm.ports import ChartRenderer, ReleaseInstaller
from packhorse.kube.custom_kinds import defined_kinds
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import Cluster
from packhorse.kube.workloads import image_uses

__all__ = ["Choice", "Planned", "Planner", "SiteValues"]

_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class SiteValues:
    """The values of all variables, and how they are put in place."""

    substitute: Substitution
    shown: Mapping[str, Any] = field(default_factory=dict)
    sensitive: Mapping[str, str] = field(default_factory=dict, repr=False)

    def recorded(self, salt: str) -> VariableRecord:
        """Return what a record keeps of them."""
        hidden = {name: salted_digest(salt, str(value)) for name, value in self.sensitive.items()}
        return VariableRecord(salt, dict(self.shown), hidden)


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the package, and how strictly."""

    chosen: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    allow_missing_images: bool = False
    values_set: str = ""
    """Name of the set of values that charts are installed with, where they have it."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what is needed to carry it out."""

    plan: Plan
    variables: VariableRecord
    history: tuple[ReleaseRecord, ...]

    @property
    def is_settled(self) -> bool:
        """Whether the cluster has exactly this already, and says so in its record."""
        last = self.history[0] if self.history else None
        return (
            last is not None
            and last.status == "deployed"
            and not self.plan.has_work
            and last.root_digest == self.plan.root_digest
            and last.components == self.plan.components
            and last.variables == dict(self.variables.shown)
            and last.hidden_variables == dict(self.variables.hidden)
        )


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes plans for one cluster."""

    cluster: Cluster
    """For a plan without a cluster: an empty one in memory."""
    renderer: ChartRenderer
    installer: ReleaseInstaller | None
    """None for a plan without a cluster."""
    charts: ChartFolder

    @property
    def _offline(self) -> bool:
        return self.installer is None

    def plan(self, content: PackageContent, choice: Choice, values: SiteValues) -> Planned:
        """Say what deploying the package would do.

        Raises:
            UsageError, ConfigError: The choice or the package is wrong.
            ClusterError: The cluster refuses to be looked at.
            NetworkError: It doesn't answer.
        """
        name = content.definition.metadata.name
        history = () if self._offline else RecordStore(self.cluster).history(name)
        components = select_components(
            content.definition,
            chosen=choice.chosen,
            without=choice.without,
            deployed=history[0].components if history else (),
        )
        objects = desired_objects(content, components, values.substitute, self.cluster.is_namespaced)
        charts = desired_charts(content, components, values.substitute, choice.values_set)
        namespaces = self._namespaces(objects, charts)
        missing = tuple(name for name, live in namespaces.items() if live is None)
        # In these nothing can be tried: not there yet, or on its way out, which is a problem of its own.
        closed = tuple(name for name, live in namespaces.items() if live is None or _is_going(live))
        secrets = Secrets(frozenset(str(value) for value in values.sensitive.values()))
        salt = next((record.salt for record in history if record.salt), "") or random_bytes.token_hex(_SALT_BYTES)
        planner = self._chart_planner(content, objects, secrets, salt)
        chart_actions = self._chart_actions(planner, charts, history, closed)
        rendered = [obj for action in chart_actions for obj in action.rendered]
        everything = [*(desired.obj for desired in objects), *rendered]
        inputs = PlanInputs(
            release=name,
            version=content.definition.metadata.version,
            root_digest=content.root_digest,
            components=tuple(component.name for component in components),
            objects=tuple((desired, self._observe(desired, closed)) for desired in objects),
            charts=chart_actions,
            left=self._left(objects, chart_actions, history),
            missing_namespaces=missing,
            history=history,
            secrets=secrets,
            brought_kinds=frozenset(defined_kinds(everything)),
            problems=(
                *_namespace_problems(namespaces),
                *(() if choice.allow_missing_images else _image_problems(content, everything)),
            ),
            offline=self._offline,
            images=len({use.image for obj in everything for use in image_uses(obj)}),
        )
        return Planned(build_plan(inputs), values.recorded(salt), history)

    def _chart_planner(
        self, content: PackageContent, objects: Iterable[DesiredObject], secrets: Secrets, salt: str
    ) -> ChartPlanner:
        version = content.definition.kubernetes.version if self._offline else self.cluster.server_version()
        brought = frozenset(defined_kinds(desired.obj for desired in objects))
        return ChartPlanner(self.cluster, self.renderer, self.installer, self.charts, secrets, salt, brought, version)

    def _observe(self, desired: DesiredObject, closed: Collection[str]) -> Observation:
        return observe(self.cluster, desired.identity, desired.obj, closed)

    def _namespaces(
        self, objects: Iterable[DesiredObject], charts: Iterable[DesiredChart]
    ) -> dict[str, KubeObject | None]:
        """Look at every namespace that something is to be in."""
        wanted = [desired.identity.namespace for desired in objects if desired.identity.namespace]
        wanted += [chart.entry.namespace for chart in charts]
        return {name: self.cluster.get(ObjectIdentity("v1", "Namespace", "", name)) for name in dict.fromkeys(wanted)}

    def _chart_actions(
        self,
        planner: ChartPlanner,
        charts: Sequence[DesiredChart],
        history: Sequence[ReleaseRecord],
        closed: Collection[str],
    ) -> tuple[ChartAction, ...]:
        recorded = known_charts(history)
        wanted = {(chart.release, chart.entry.namespace) for chart in charts}
        actions = [
            planner.plan(chart, recorded.get((chart.release, chart.entry.namespace)), closed) for chart in charts
        ]
        gone = [
            planner.plan_removal(chart, why="left the package") for key, chart in recorded.items() if key not in wanted
        ]
        return (*actions, *(action for action in gone if action is not None))

    def _left(
        self, objects: Sequence[DesiredObject], charts: Sequence[ChartAction], history: Sequence[ReleaseRecord]
    ) -> tuple[LeftObject, ...]:
        """Find what earlier revisions made and nobody wants any more."""
        wanted = {desired.identity.key for desired in objects}
        staying = [action for action in charts if action.kind != "remove"]
        wanted |= {each.identity.key for action in staying for each in (*action.objects, *action.hooks)}
        kept = {(action.release, action.namespace) for action in staying}
        known = list(known_objects(history).values())
        for key, chart in known_charts(history).items():
            if key not in kept:
                known += (*chart.hooks, *chart.definitions)
        return tuple(
            LeftObject(recorded, self._live(recorded)) for recorded in known if recorded.identity.key not in wanted
        )

    def _live(self, recorded: RecordedObject) -> KubeObject | None:
        try:
            return self.cluster.get(recorded.identity)
        except NotServedError:
            return None


def _is_going(live: KubeObject) -> bool:
    return bool(mapping(live.get("metadata")).get("deletionTimestamp"))


def _namespace_problems(namespaces: Mapping[str, KubeObject | None]) -> Iterator[Problem]:
    for name, live in namespaces.items():
        if live is not None and _is_going(live):
            yield Problem(f"Namespace/{name} is being deleted", "try again when it is gone")


def _image_problems(content: PackageContent, found: Iterable[KubeObject]) -> Iterator[Problem]:
    for missing in missing_images(found, content.images):
        yield Problem(
            f"{missing.wanted_by} asks for {missing.image} ({missing.field}), which did not come with the package",
            "add it to the component's images and build again; --allow-missing-images if the cluster has it",
            is_policy=True,
        )
