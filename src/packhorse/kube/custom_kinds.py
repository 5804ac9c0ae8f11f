"""The kinds that CustomResourceDefinitions bring. Pure."""

from collections.abc import Iterable

from packhorse.kube.fields import mapping, objects
from packhorse.kube.object_identity import KubeObject

__all__ = ["defined_kinds"]


def defined_kinds(found: Iterable[KubeObject]) -> dict[tuple[str, str], bool]:
    """Return ``apiVersion`` and kind of everything that definitions among the objects define.

    The value says whether objects of the kind live in namespaces.
    """
    kinds: dict[tuple[str, str], bool] = {}
    for obj in found:
        if obj.get("kind") != "CustomResourceDefinition":
            continue
        spec = mapping(obj.get("spec"))
        kind = str(mapping(spec.get("names")).get("kind"))
        for version in objects(spec.get("versions")):
            kinds[f"{spec.get('group')}/{version.get('name')}", kind] = spec.get("scope") == "Namespaced"
    return kinds
