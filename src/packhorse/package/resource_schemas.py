"""Schemas of custom resources, out of the CustomResourceDefinitions that a package brings."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from packhorse.package.image_hits import FieldPath
from packhorse.package.image_text import is_image_key, is_reference
from packhorse.package.kubernetes_objects import SourcedObject

__all__ = ["DefaultImage", "Schemas", "default_images", "describes_image", "is_definition", "property_schema"]

_SAYS_IMAGE = re.compile(
    r"\b(?:container|docker|oci|pod)\b[^.]{0,40}\bimage\b|\bimage\b[^.]{0,40}\bto (?:use|pull|run)\b", re.IGNORECASE
)
_NOT_THE_IMAGE = re.compile(r"\b(?:pull ?policy|pull ?secrets?|tag of|version of)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DefaultImage:
    """An image that the API server fills in where a custom resource names none."""

    item: SourcedObject
    group_kind: tuple[str, str]
    field: str
    reference: str


@dataclass(frozen=True)
class Schemas:
    """The schemas of a package's custom resources, by group, kind and version."""

    by_kind: Mapping[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[SourcedObject]) -> "Schemas":
        """Gather them from the definitions among ``items``."""
        found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        for item in items:
            if is_definition(item):
                for version, _, schema in _versions(item):
                    found[(*_group_kind(item), version)] = schema
        return cls(found)

    def of_object(self, item: SourcedObject) -> Mapping[str, Any] | None:
        """The schema of an object; None when the package does not bring it."""
        return self.by_kind.get((item.group, item.kind, item.version))


def is_definition(item: SourcedObject) -> bool:
    """Whether this object defines custom resources."""
    return item.kind == "CustomResourceDefinition" and item.group == "apiextensions.k8s.io"


def property_schema(schema: Mapping[str, Any] | None, key: str | int) -> Mapping[str, Any] | None:
    """The schema of what stands in a map under ``key``, or of the items of a list; None when it says nothing."""
    if schema is None:
        return None
    if isinstance(key, int):
        return _map(schema.get("items"))
    properties = _map(schema.get("properties"))
    if properties is not None and key in properties:
        return _map(properties[key])
    return _map(schema.get("additionalProperties"))


def describes_image(schema: Mapping[str, Any] | None) -> bool:
    """Whether the description of a text field says that it is an image to run."""
    if schema is None or schema.get("type") != "string":
        return False
    description = str(schema.get("description") or "")
    return bool(_SAYS_IMAGE.search(description)) and not _NOT_THE_IMAGE.search(description)


def default_images(item: SourcedObject) -> Iterator[DefaultImage]:
    """Find the defaults of image fields in a definition."""
    seen: set[int] = set()
    for _, path, schema in _versions(item):
        for field_path, reference in _defaults(schema, path, seen):
            yield DefaultImage(item, _group_kind(item), field_path, reference)


def _defaults(schema: Mapping[str, Any], path: FieldPath, seen: set[int]) -> Iterator[tuple[str, str]]:
    # What aliases share is looked at once, or an alias bomb would go off here.
    if id(schema) in seen:
        return
    seen.add(id(schema))
    for name, child in (_map(schema.get("properties")) or {}).items():
        below = _map(child)
        if below is None:
            continue
        child_path = path.key("properties").key(name)
        default = below.get("default")
        if isinstance(default, str) and is_reference(default) and (is_image_key(name) or describes_image(below)):
            yield child_path.key("default").text, default
        yield from _defaults(below, child_path, seen)
    for key in ("items", "additionalProperties"):
        below = _map(schema.get(key))
        if below is not None:
            yield from _defaults(below, path.key(key), seen)


def _versions(item: SourcedObject) -> Iterator[tuple[str, FieldPath, Mapping[str, Any]]]:
    spec = _map(item.tree.get("spec")) or {}
    versions = spec.get("versions")
    for number, version in enumerate(versions if isinstance(versions, list) else []):
        described = _map(version) or {}
        schema = _map((_map(described.get("schema")) or {}).get("openAPIV3Schema"))
        if schema is not None:
            path = FieldPath("spec.versions").index(number).keys(["schema", "openAPIV3Schema"])
            yield str(described.get("name") or ""), path, schema


def _group_kind(item: SourcedObject) -> tuple[str, str]:
    spec = _map(item.tree.get("spec")) or {}
    names = _map(spec.get("names")) or {}
    return str(spec.get("group") or ""), str(names.get("kind") or "")


def _map(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None
