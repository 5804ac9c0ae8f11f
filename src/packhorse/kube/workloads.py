"""The kinds that run pods: where their pod templates are, and which images those ask for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packhorse.kube.fields import mapping
from packhorse.kube.object_identity import KubeObject, api_group

__all__ = ["ImageUse", "PodTemplate", "image_uses", "pod_selector", "pod_templates"]

_TEMPLATE_PATHS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}
"""Where each built-in kind keeps the pod that it makes: the object that has ``spec.containers``."""

_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A pod, or the pod that an object makes more of."""

    path: str
    """Where it lies in the object: ``spec.template``; empty for a Pod itself."""
    value: KubeObject

    @property
    def spec(self) -> KubeObject:
        """Its ``spec``; empty when it has none that is an object."""
        return mapping(self.value.get("spec"))


@dataclass(frozen=True, slots=True)
class ImageUse:
    """A field from which a kubelet pulls."""

    field: str
    """Path in the object: ``spec.template.spec.containers[0].image``."""
    image: str
    """The reference as it is written."""


def pod_templates(obj: KubeObject) -> tuple[PodTemplate, ...]:
    """Return the pod templates of an object of a built-in kind: none or one; those of a ``List``'s items too."""
    found = list(_templates(obj, ""))
    return tuple(found)


def image_uses(obj: KubeObject) -> tuple[ImageUse, ...]:
    """Return every field of an object from which a kubelet would pull an image, in the object's order.

    These are the images of init, main and ephemeral containers, and of image volumes.
    """
    return tuple(use for template in pod_templates(obj) for use in _images(template))


def pod_selector(obj: KubeObject) -> str | None:
    """Return the label selector by which a live workload finds its pods; None for a kind that has no pods of its own.

    Set-based requirements are kept. A workload that selects nothing gives None too.
    """
    kind = (api_group(str(obj.get("apiVersion", ""))), str(obj.get("kind", "")))
    if kind not in _TEMPLATE_PATHS or kind[1] in {"Pod", "PodTemplate", "CronJob"}:
        return None
    selector = mapping(mapping(obj.get("spec")).get("selector"))
    if kind == ("", "ReplicationController"):
        terms = [f"{key}={value}" for key, value in sorted(selector.items())]
    else:
        terms = [f"{key}={value}" for key, value in sorted(mapping(selector.get("matchLabels")).items())]
        terms += [_requirement(each) for each in selector.get("matchExpressions") or () if isinstance(each, dict)]
    return ",".join(terms) or None


def _templates(obj: KubeObject, prefix: str) -> Iterator[PodTemplate]:
    kind = str(obj.get("kind", ""))
    items = obj.get("items")
    if kind.endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield from _templates(item, f"{prefix}items[{index}].")
        return
    path = _TEMPLATE_PATHS.get((api_group(str(obj.get("apiVersion", ""))), kind))
    if path is None:
        return
    value = obj
    for step in path:
        value = mapping(value.get(step))
    yield PodTemplate((prefix + ".".join(path)).rstrip("."), value)


def _images(template: PodTemplate) -> Iterator[ImageUse]:
    prefix = f"{template.path}.spec" if template.path else "spec"
    for list_name in _CONTAINER_LISTS:
        for index, container in _objects(template.spec.get(list_name)):
            image = container.get("image")
            if isinstance(image, str) and image:
                yield ImageUse(f"{prefix}.{list_name}[{index}].image", image)
    for index, volume in _objects(template.spec.get("volumes")):
        reference = mapping(volume.get("image")).get("reference")
        if isinstance(reference, str) and reference:
            yield ImageUse(f"{prefix}.volumes[{index}].image.reference", reference)


def _requirement(expression: dict[str, Any]) -> str:
    key, operator = expression.get("key"), expression.get("operator")
    values = ",".join(str(value) for value in expression.get("values") or ())
    return {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": f"{key}"}.get(
        str(operator), f"!{key}"
    )


def _objects(value: object) -> Iterator[tuple[int, KubeObject]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield index, item
