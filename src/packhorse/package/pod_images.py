"""Images of pods: what the kubelet pulls, and what a container is told of by its environment and its arguments."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packhorse.package.image_hits import FieldPath, Hit
from packhorse.package.image_text import is_image_key, is_reference, looks_qualified, references_in
from packhorse.package.lock import Certainty

__all__ = ["POD_SPEC_PATHS", "container_hits", "environment_hits", "is_pod_spec", "pod_spec_hits"]

_TEMPLATE = ("spec", "template", "spec")
POD_SPEC_PATHS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("extensions", "Deployment"): _TEMPLATE,
    ("extensions", "ReplicaSet"): _TEMPLATE,
    ("extensions", "DaemonSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
}
"""Where Kubernetes' own kinds have their pod specification, by group and kind."""

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_NO_IMAGE_WORDS = ("PULL", "POLICY", "SECRET", "REGISTRY", "PREFIX", "TAG")
_FILLED_IN = frozenset({"auto"})
"""What Istio has in place of its proxy's image until the pod is admitted."""


def is_pod_spec(tree: Mapping[str, Any]) -> bool:
    """Whether this has the shape of a pod specification: a list of containers with names and images."""
    containers = tree.get("containers")
    return isinstance(containers, list) and any(_is_container(container) for container in containers)


def pod_spec_hits(spec: Mapping[str, Any], path: FieldPath, certainty: Certainty) -> Iterator[Hit]:
    """Find the images of a pod specification: of containers of all three sorts, and of image volumes.

    Args:
        certainty: Of those that Kubernetes pulls itself.
    """
    for name in CONTAINER_LISTS:
        for number, container in enumerate(_maps(spec.get(name))):
            yield from container_hits(container, path.key(name).index(number), certainty)
    for number, volume in enumerate(_maps(spec.get("volumes"))):
        image = volume.get("image")
        reference = image.get("reference") if isinstance(image, Mapping) else None
        if isinstance(reference, str) and reference:
            yield Hit(certainty, path.key("volumes").index(number).key("image").key("reference").text, reference)


def container_hits(container: Mapping[str, Any], path: FieldPath, certainty: Certainty) -> Iterator[Hit]:
    """Find the images that a container names: its own, and those in its environment, command and arguments.

    What Kubernetes pulls (``exact``) is told of whatever it is: there, a text that is no reference is a mistake. In
    places that only have the shape of a container it is a pattern, or a parameter that is filled in later.
    """
    image = container.get("image")
    is_filled_in = image in _FILLED_IN and container.get("name") == "istio-proxy"
    if isinstance(image, str) and image and not is_filled_in and (certainty == "exact" or is_reference(image)):
        yield Hit(certainty, path.key("image").text, image)
    yield from environment_hits(container.get("env"), path.key("env"))
    for name in ("command", "args"):
        arguments = container.get(name)
        if isinstance(arguments, list):
            yield from _argument_hits(arguments, path.key(name))


def environment_hits(environment: object, path: FieldPath) -> Iterator[Hit]:
    """Find the images in a list of environment variables."""
    variables = _maps(environment)
    values = {str(v.get("name")): v["value"] for v in variables if isinstance(v.get("value"), str)}
    for number, variable in enumerate(variables):
        name, value = str(variable.get("name") or ""), variable.get("value")
        field = path.index(number).key("value").text
        if not isinstance(value, str) or not value:
            continue
        if name.startswith("RELATED_IMAGE_") and is_reference(value):
            yield Hit("declared", field, value)
        elif joined := _joined_variables(name, value, values):
            yield Hit("declared", field, joined)
        elif "IMAGE" in name.upper() and not _is_part(name) and looks_qualified(value):
            yield Hit("declared", field, value)
        else:
            yield from (Hit("likely", field, reference) for _, reference in references_in(value))


def _joined_variables(name: str, value: str, values: Mapping[str, str]) -> str | None:
    """Join ``X_IMAGE_REPOSITORY`` or ``X_IMAGE_NAME`` with the ``X_IMAGE_TAG`` that stands beside it."""
    stem, _, last = name.rpartition("_")
    tag = values.get(f"{stem}_TAG") or values.get(f"{stem}_VERSION")
    if last not in {"REPOSITORY", "REPO", "NAME"} or "IMAGE" not in stem or not tag or ":" in value.rpartition("/")[2]:
        return None
    registry = values.get(f"{stem}_REGISTRY", "").rstrip("/")
    joined = f"{registry}/{value}:{tag}" if registry else f"{value}:{tag}"
    return joined if is_reference(joined) else None


def _is_part(name: str) -> bool:
    return any(word in name.upper() for word in _NO_IMAGE_WORDS)


def _argument_hits(arguments: Sequence[object], path: FieldPath) -> Iterator[Hit]:
    before = ""
    for number, argument in enumerate(arguments):
        if not isinstance(argument, str):
            before = ""
            continue
        flag, equals, value = argument.partition("=")
        if not (equals and flag.startswith("-")):
            flag, value = before, argument
        field = path.index(number).text
        if flag.startswith("-") and is_image_key(flag) and looks_qualified(value):
            yield Hit("declared", field, value)
        else:
            yield from (Hit("likely", field, reference) for _, reference in references_in(argument))
        before = argument


def _maps(value: object) -> list[Mapping[str, Any]]:
    # A list with anything but maps in it is no list of containers; Kubernetes refuses it.
    return value if isinstance(value, list) and all(isinstance(item, Mapping) for item in value) else []


def _is_container(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("image"), str) and bool(value.get("name"))
