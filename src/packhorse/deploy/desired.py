"""What the package wants in the cluster: its manifests and kustomizations as objects, its charts with their values."""

import base64
import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from packhorse.base.errors import ConfigError, UsageError
from packhorse.base.spelling import nearest
from packhorse.deploy.ports import PackageContent, Substitution
from packhorse.kube.custom_kinds import defined_kinds
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import mapping, objects
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.package.model import ChartEntry, Component
from packhorse.package.yaml_document import load_all, load_mapping

__all__ = ["RELEASE_ANNOTATION", "DesiredChart", "DesiredObject", "Scope", "desired_charts", "desired_objects"]

RELEASE_ANNOTATION = "packhorse.dev/release"
"""On every object that a release applied itself: which one."""

Scope = Callable[[str, str], bool]
"""Whether objects of an ``apiVersion`` and kind live in namespaces; raises :class:`NotServedError` when unknown."""


@dataclass(frozen=True, slots=True)
class DesiredObject:
    """An object that the package wants."""

    component: str
    source: str
    """File or kustomization that it comes from, for messages."""
    identity: ObjectIdentity
    obj: KubeObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class DesiredChart:
    """A Helm release that the package wants."""

    component: str
    entry: ChartEntry
    archive: bytes = field(repr=False)
    values: tuple[bytes, ...] = field(repr=False)
    """YAML documents with all variables in place, later ones win."""

    @property
    def release(self) -> str:
        """Name of the Helm release."""
        return self.entry.release or self.entry.name

    @property
    def archive_digest(self) -> str:
        """SHA-256 of the archive."""
        return hashlib.sha256(self.archive).hexdigest()


def desired_objects(
    content: PackageContent, components: Iterable[Component], substitute: Substitution, scope: Scope
) -> tuple[DesiredObject, ...]:
    """Read all manifests and kustomizations of the components, variables in place and namespaces filled in.

    Args:
        content: The package.
        components: Those that are deployed, in order.
        substitute: Puts the values of variables in.
        scope: What the cluster says of kinds. Kinds that definitions among the objects bring are known too; of a
            kind that nobody knows, a namespace is kept where it is written.

    Raises:
        ConfigError: A file is not what it should be, or two objects are the same one.
    """
    read = [each for component in components for each in _read(content, component, substitute)]
    brought = defined_kinds(obj for _, _, obj, _ in read)
    found: dict[tuple[str, str, str, str], DesiredObject] = {}
    for component_name, source, obj, namespace in read:
        identity = _placed(ObjectIdentity.of(obj), namespace, scope, brought)
        other = found.get(identity.key)
        if other is not None:
            raise ConfigError(f"{identity.title} is both in {other.source} and in {source}")
        finished = _finished(obj, identity, content.definition.metadata.name)
        found[identity.key] = DesiredObject(component_name, source, identity, finished)
    return tuple(found.values())


def desired_charts(
    content: PackageContent, components: Sequence[Component], substitute: Substitution, values_set: str = ""
) -> tuple[DesiredChart, ...]:
    """Read all charts of the components with their values, variables in place.

    Args:
        content: The package.
        components: Those that are deployed, in order.
        substitute: Puts the values of variables in.
        values_set: Name of the set of values to lay over a chart's own, where the chart has it; empty for none.

    Raises:
        UsageError: No chart has such a set.
        ConfigError: A values file is not a mapping, or names an unknown variable.
    """
    known = {name for component in components for entry in component.charts for name in entry.values_sets}
    if values_set and values_set not in known:
        near = nearest(values_set, known)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
        raise UsageError(f"no chart that is deployed has a set of values {values_set!r}", hint=hint)
    return tuple(
        DesiredChart(
            component.name,
            entry,
            content.chart_archive(component.name, entry.name),
            tuple(
                _values(content, path, substitute) for path in (*entry.values, *entry.values_sets.get(values_set, ()))
            ),
        )
        for component in components
        for entry in component.charts
    )


def _values(content: PackageContent, path: str, substitute: Substitution) -> bytes:
    values = substitute(load_mapping(content.read_file(path), path), path)
    # JSON is YAML, and can't be misread: a version stays text, a number stays a number.
    return msgspec.json.encode(values)


def _read(
    content: PackageContent, component: Component, substitute: Substitution
) -> Iterator[tuple[str, str, KubeObject, str]]:
    for entry in component.manifests:
        for path in entry.files:
            for obj in _objects(content.read_file(path), path, substitute):
                yield component.name, path, obj, entry.namespace or "default"
    for kustomization in component.kustomizations:
        source = f"kustomization {kustomization.name}"
        for obj in _objects(content.rendering(component.name, kustomization.name), source, substitute):
            yield component.name, source, obj, kustomization.namespace or "default"


def _objects(text: bytes, source: str, substitute: Substitution) -> Iterator[KubeObject]:
    for document in load_all(text, source):
        yield from _unpacked(substitute(document, source), source)


def _unpacked(document: KubeObject, source: str) -> Iterator[KubeObject]:
    items = document.get("items")
    if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
        for item in objects(items):
            yield from _unpacked(item, source)
        return
    try:
        ObjectIdentity.of(document)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error.message}") from error
    if mapping(document.get("metadata")).get("generateName"):
        raise ConfigError(f"{source}: an object with generateName would be another one at every deployment; name it")
    yield document


def _placed(
    identity: ObjectIdentity, namespace: str, scope: Scope, brought: dict[tuple[str, str], bool]
) -> ObjectIdentity:
    kind = (identity.api_version, identity.kind)
    try:
        namespaced = brought[kind] if kind in brought else scope(*kind)
    except NotServedError:
        # Planning goes on, and says that the kind is missing; until then it counts as one that lives in a namespace.
        namespaced = True
    return identity.inside((identity.namespace or namespace) if namespaced else "")


def _finished(obj: KubeObject, identity: ObjectIdentity, release: str) -> KubeObject:
    """Return the object as it is applied: placed, marked as the release's, without what only a server may say."""
    finished = {key: copy.deepcopy(value) for key, value in obj.items() if key != "status"}
    metadata = mapping(finished.get("metadata"))
    for key in ("namespace", "creationTimestamp", "resourceVersion", "uid", "managedFields", "generation"):
        metadata.pop(key, None)
    if identity.namespace:
        metadata["namespace"] = identity.namespace
    metadata["annotations"] = {**mapping(metadata.get("annotations")), RELEASE_ANNOTATION: release}
    finished["metadata"] = metadata
    return _with_encoded_data(finished) if identity.kind == "Secret" else finished


def _with_encoded_data(secret: KubeObject) -> KubeObject:
    """Write a Secret's ``stringData`` as ``data``: the former is write-only, so no field manager can own it."""
    text = mapping(secret.pop("stringData", None))
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
    return {**secret, "data": {**mapping(secret.get("data")), **encoded}} if encoded else secret
