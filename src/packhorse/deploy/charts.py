"""What installing a chart would do: rendered by Helm itself, compared with what is live, object by object."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packhorse.base.errors import ClusterError, ConfigError
from packhorse.deploy.compare import Secrets, compare, overlay, sensitive_paths
from packhorse.deploy.desired import DesiredChart
from packhorse.deploy.helm_storage import HelmHistory, helm_history
from packhorse.deploy.model import ActionKind, ChartAction, ObjectAction
from packhorse.deploy.observe import observe
from packhorse.deploy.record import RecordedChart, salted_digest
from packhorse.helm.model import ReleaseResult, ReleaseSpec, RenderRequest
from packhorse.helm.ports import ChartRenderer, ReleaseInstaller
from packhorse.kube.custom_kinds import defined_kinds
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import annotations, mapping, objects
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import Cluster
from packhorse.package.yaml_document import load_all

__all__ = ["ChartFolder", "ChartPlanner", "chart_objects"]

_HELM_MANAGER = "helm"
_HOOK = "helm.sh/hook"
_POLICY = "helm.sh/resource-policy"
_MISSING_KIND = "no matches for kind"
_CRDS = "/crds/"


@dataclass(frozen=True, slots=True)
class ChartFolder:
    """Chart archives as files, for Helm to read: each is written when it is first asked for."""

    folder: Path
    """A private folder that is there as long as this object is used."""

    def path(self, desired: DesiredChart) -> Path:
        """Return where the archive of a chart is."""
        path = self.folder / f"{desired.entry.name}-{desired.archive_digest[:16]}.tgz"
        if not path.exists():
            path.write_bytes(desired.archive)
        return path


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A chart as it would be installed."""

    objects: tuple[KubeObject, ...] = field(repr=False)
    hooks: tuple[KubeObject, ...] = field(repr=False)
    definitions: tuple[KubeObject, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ChartPlanner:
    """Plans charts against one cluster."""

    cluster: Cluster
    renderer: ChartRenderer
    installer: ReleaseInstaller | None
    """None to plan without a cluster: everything is new then."""
    folder: ChartFolder
    secrets: Secrets = field(default_factory=Secrets)
    salt: str = "00"
    brought: frozenset[tuple[str, str]] = frozenset()
    """Kinds that definitions among the package's plain objects bring."""
    kube_version: str | None = None

    def plan(
        self, desired: DesiredChart, recorded: RecordedChart | None, closed_namespaces: Collection[str]
    ) -> ChartAction:
        """Decide what happens to one chart.

        Args:
            desired: The chart with its values.
            recorded: What is known of it from the last revision.
            closed_namespaces: Namespaces in which nothing can be tried: not there yet, or on their way out.

        Raises:
            ConfigError: The chart or its values are wrong.
            ClusterError: The cluster refuses.
        """
        namespace = desired.entry.namespace
        history = HelmHistory()
        if self.installer is not None and namespace not in closed_namespaces:
            history = helm_history(self.cluster, desired.release, namespace)
        if history.is_pending and recorded is None:
            raise ClusterError(
                f"another program is installing the Helm release {namespace}/{desired.release} now",
                hint="wait for it to end; if it was stopped for good, roll the release back with helm rollback",
            )
        # A release of ours that never worked is installed anew: an upgrade would leave hooks out.
        fresh = not history.exists or (history.never_worked and recorded is not None)
        current = None
        if self.installer is not None and history.exists and not fresh:
            current = self.installer.status(desired.release, namespace)
        digest = self._inputs_digest(desired)
        settled = current is not None and current.status == "deployed"
        same = settled and recorded is not None and recorded.inputs_digest == digest
        # What was installed counts, not what would be rendered now: a chart may make a new password at each rendering.
        if same and current is not None:
            rendered = _Rendered(*_sorted_out(current))
        else:
            rendered = self._render(desired, is_upgrade=not fresh, blocked=history.is_pending)
        known = {each.identity.key: each.hidden for each in recorded.objects} if recorded is not None else {}
        actions = tuple(self._object_actions(desired, rendered, closed_namespaces, known))
        left = tuple(self._left(desired, rendered, current)) if current is not None else ()
        changed = any(action.is_work for action in (*actions, *left))
        kind: ActionKind = "create" if fresh else "unchanged" if same and not changed else "change"
        return ChartAction(
            kind,
            desired.component,
            desired.entry.name,
            desired.release,
            namespace,
            (*actions, *left),
            tuple(self._hooks(desired, rendered, kind)),
            digest,
            desired.entry.timeout_seconds,
            desired,
            tuple(ObjectIdentity.of(each) for each in rendered.definitions),
            (*rendered.definitions, *rendered.hooks, *rendered.objects),
            interrupted=history.is_pending or (fresh and history.exists),
        )

    def plan_removal(self, recorded: RecordedChart, *, why: str = "") -> ChartAction | None:
        """Decide what happens to a chart that is to go, and why; None when its Helm release is not there."""
        current = self.installer.status(recorded.release, recorded.namespace) if self.installer is not None else None
        if current is None:
            return None
        actions = []
        for identity, obj in self._placed(chart_objects(current), recorded.namespace):
            kept = annotations(obj).get(_POLICY) == "keep"
            note = "stays, the chart says so" if kept else why
            actions.append(ObjectAction("keep" if kept else "remove", identity, note=note))
        return ChartAction(
            "remove", recorded.component, recorded.chart, recorded.release, recorded.namespace, tuple(actions)
        )

    def _inputs_digest(self, desired: DesiredChart) -> str:
        values = [text.decode() for text in desired.values]
        return salted_digest(self.salt, {"archive": desired.archive_digest, "values": values})

    def _render(self, desired: DesiredChart, *, is_upgrade: bool, blocked: bool) -> _Rendered:
        """Render the chart as Helm would install it; with the cluster's help where Helm may ask it.

        Args:
            desired: The chart with its values.
            is_upgrade: What the chart is told.
            blocked: Whether Helm would refuse because of an operation that never ended.
        """
        offline = self._template(desired, is_upgrade=is_upgrade)
        if self.installer is None or blocked:
            return offline
        spec = ReleaseSpec(desired.release, desired.entry.namespace, self.folder.path(desired), desired.values)
        try:
            preview = self.installer.preview(spec)
        except (ClusterError, ConfigError) as error:
            known = self.brought | defined_kinds(offline.definitions).keys()
            # Helm can't look at kinds whose definitions come with this very deployment.
            if _MISSING_KIND not in error.message or not any(_kind(obj) in known for obj in offline.objects):
                raise
            return offline
        return _Rendered(*_sorted_out(preview), offline.definitions)

    def _template(self, desired: DesiredChart, *, is_upgrade: bool) -> _Rendered:
        request = RenderRequest(
            desired.release,
            desired.entry.namespace,
            self.folder.path(desired),
            desired.values,
            self.kube_version,
            is_upgrade=is_upgrade,
        )
        where = f"chart {desired.entry.name}"
        found: list[KubeObject] = []
        definitions: list[KubeObject] = []
        for document in self.renderer.render(request).documents:
            into = definitions if _CRDS in document.source else found
            into.extend(load_all(document.text, f"{where}, {document.source}", on_duplicate=_ignore))
        hooks = tuple(obj for obj in found if _HOOK in annotations(obj))
        return _Rendered(tuple(obj for obj in found if obj not in hooks), hooks, tuple(definitions))

    def _object_actions(
        self,
        desired: DesiredChart,
        rendered: _Rendered,
        closed_namespaces: Collection[str],
        known: Mapping[tuple[str, str, str, str], tuple[str, ...]],
    ) -> Iterator[ObjectAction]:
        for identity, obj in self._placed(rendered.objects, desired.entry.namespace):
            owned = _owned_by_helm(obj, identity, desired)
            hidden = sensitive_paths(owned, self.secrets)
            seen = observe(self.cluster, identity, owned, closed_namespaces, manager=_HELM_MANAGER)
            if seen.live is None:
                yield ObjectAction("create", identity, hidden=hidden)
                continue
            after = seen.after if seen.after is not None else overlay(seen.live, owned)
            changes = compare(seen.live, after, self.secrets, hidden=known.get(identity.key, ()))
            kind: ActionKind = "change" if changes else "unchanged"
            yield ObjectAction(kind, identity, changes, "", seen.conflicts, hidden=hidden)

    def _left(self, desired: DesiredChart, rendered: _Rendered, current: ReleaseResult) -> Iterator[ObjectAction]:
        """Yield the objects of the installed revision that the new one has no more; Helm removes them."""
        wanted = {identity.key for identity, _ in self._placed(rendered.objects, desired.entry.namespace)}
        for identity, obj in self._placed(chart_objects(current), desired.entry.namespace):
            if identity.key in wanted or self._live(identity) is None:
                continue
            kept = annotations(obj).get(_POLICY) == "keep"
            note = "left the chart; stays, the chart says so" if kept else "left the chart"
            yield ObjectAction("keep" if kept else "remove", identity, note=note)

    def _hooks(self, desired: DesiredChart, rendered: _Rendered, kind: ActionKind) -> Iterator[ObjectAction]:
        moment = {"create": "install", "change": "upgrade"}.get(kind)
        for identity, obj in self._placed(rendered.hooks, desired.entry.namespace):
            events = [event.strip() for event in str(annotations(obj)[_HOOK]).split(",")]
            fitting = [event for event in events if moment is not None and event.endswith(f"-{moment}")]
            if fitting:
                yield ObjectAction("create", identity, note=f"hook {', '.join(fitting)}")

    def _placed(self, found: Iterable[KubeObject], namespace: str) -> Iterator[tuple[ObjectIdentity, KubeObject]]:
        for obj in found:
            identity = ObjectIdentity.of(obj)
            try:
                namespaced = self.cluster.is_namespaced(identity.api_version, identity.kind)
            except NotServedError:
                namespaced = defined_kinds(found).get((identity.api_version, identity.kind), True)
            yield identity.inside((identity.namespace or namespace) if namespaced else ""), obj

    def _live(self, identity: ObjectIdentity) -> KubeObject | None:
        try:
            return self.cluster.get(identity)
        except NotServedError:
            return None


def chart_objects(result: ReleaseResult) -> tuple[KubeObject, ...]:
    """Return the objects of an installed release, hooks left out."""
    where = f"release {result.namespace}/{result.name}"
    return tuple(_unpacked(load_all(result.manifest, where, on_duplicate=_ignore)))


def _sorted_out(result: ReleaseResult) -> tuple[tuple[KubeObject, ...], tuple[KubeObject, ...]]:
    where = f"a hook of release {result.namespace}/{result.name}"
    hooks = [obj for text in result.hooks for obj in load_all(text, where, on_duplicate=_ignore)]
    return chart_objects(result), tuple(hooks)


def _unpacked(documents: Sequence[KubeObject]) -> Iterator[KubeObject]:
    for document in documents:
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            yield from _unpacked(tuple(objects(document["items"])))
        else:
            yield document


def _owned_by_helm(obj: KubeObject, identity: ObjectIdentity, desired: DesiredChart) -> KubeObject:
    """Return the object as Helm applies it: in its namespace, with the marks by which Helm knows its own."""
    metadata = dict(mapping(obj.get("metadata")))
    if identity.namespace:
        metadata["namespace"] = identity.namespace
    metadata["labels"] = {**mapping(metadata.get("labels")), "app.kubernetes.io/managed-by": "Helm"}
    metadata["annotations"] = {
        **mapping(metadata.get("annotations")),
        "meta.helm.sh/release-name": desired.release,
        "meta.helm.sh/release-namespace": desired.entry.namespace,
    }
    return {**obj, "metadata": metadata}


def _kind(obj: KubeObject) -> tuple[str, str]:
    return str(obj.get("apiVersion")), str(obj.get("kind"))


def _ignore(_duplicate: str) -> None:
    """Let a key that stands twice pass: charts do it, and the last one counts for Helm and Kubernetes alike."""
