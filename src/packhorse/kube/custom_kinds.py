"""The kinds that CustomResourceDefinitions bring. Pure."""

from collections.abc import Iterable

from packhorse.kube.fields import mapping, objects
from packhorse.kube.object_identity import KubeObject

__all__ = ["defined_kinds", "kinds_with_status"]


def defined_kinds(found: Iterable[KubeObject]) -> dict[tuple[str, str], bool]:
    """Return ``apiVersion`` and kind of everything that definitions among the objects define.

    The value says whether objects of the kind live in namespaces.
    """
    kinds: dict[tuple[str, str], bool] = {}
    for obj in found:
        if obj.get("kind") != "CustomResourceDefinition":
            continue
        spec = mapping(obj.get("spec"))
        for version in objects(spec.get("versions")):
            kinds[f"{spec.get('group')}/{version.get('name')}", _kind(obj)] = spec.get("scope") == "Namespaced"
    return kinds


def kinds_with_status(found: Iterable[KubeObject]) -> set[tuple[str, str]]:
    """Return ``apiVersion`` and kind of everything defined with a status that is written apart."""
    return {
        (f"{mapping(obj.get('spec')).get('group')}/{version.get('name')}", _kind(obj))
        for obj in found
        if obj.get("kind") == "CustomResourceDefinition"
        for version in objects(mapping(obj.get("spec")).get("versions"))
        if "status" in mapping(version.get("subresources"))
    }


def _kind(definition: KubeObject) -> str:
    return str(mapping(mapping(definition.get("spec")).get("names")).get("kind"))
