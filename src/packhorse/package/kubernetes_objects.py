"""Kubernetes objects out of YAML and JSON text: plain trees, each with the file that it stands in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from packhorse.base.errors import ConfigError

__all__ = ["ObjectLoader", "SourcedObject", "objects_of", "read_documents", "read_objects"]

_MAX_LIST_DEPTH = 8


class ObjectLoader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: of version 1.1, but a date stays the text that it is."""


ObjectLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class SourcedObject:
    """One object, and where it came from.

    Attributes:
        file: Path in the package, for people.
        tree: The object; it is never changed.
    """

    file: str
    tree: Mapping[str, Any] = field(repr=False)

    @property
    def group(self) -> str:
        """API group; empty for the core."""
        group, slash, _ = str(self.tree.get("apiVersion") or "").partition("/")
        return group if slash else ""

    @property
    def version(self) -> str:
        """API version without the group."""
        return str(self.tree.get("apiVersion") or "").rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Kind, as ``Deployment``."""
        return str(self.tree.get("kind") or "")

    @property
    def title(self) -> str:
        """``Kind/name``, the way people name it."""
        metadata = self.tree.get("metadata")
        name = (metadata.get("name") or metadata.get("generateName")) if isinstance(metadata, Mapping) else None
        return f"{self.kind}/{name or ''}"


def read_documents(text: str, file: str) -> list[Any]:
    """Read every YAML document of ``text``; empty ones are left out.

    Raises:
        ConfigError: It is not YAML; the message has the line.
    """
    try:
        return [tree for tree in yaml.load_all(text, Loader=ObjectLoader) if tree is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else file
        raise ConfigError(f"{where}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not YAML: {error}") from error


def read_objects(text: str, file: str) -> list[SourcedObject]:
    """Read the objects of a file, with those of every ``List`` in their place.

    Raises:
        ConfigError: It is not YAML, or a document in it is no object.
    """
    return objects_of(read_documents(text, file), file)


def objects_of(documents: Iterable[Any], file: str) -> list[SourcedObject]:
    """Take decoded documents as objects; see :func:`read_objects`."""
    found: list[SourcedObject] = []
    for number, tree in enumerate(documents, 1):
        if not isinstance(tree, Mapping) or not tree.get("kind") or not tree.get("apiVersion"):
            raise ConfigError(f"{file}: document {number} is no Kubernetes object: it has no apiVersion and kind")
        found.extend(_flattened(SourcedObject(file, tree), 0))
    return found


def _flattened(item: SourcedObject, depth: int) -> Iterator[SourcedObject]:
    items = item.tree.get("items")
    if not item.kind.endswith("List") or not isinstance(items, list):
        yield item
        return
    if depth >= _MAX_LIST_DEPTH:
        raise ConfigError(f"{item.file}: a List stands in {depth} others")
    for child in items:
        if not isinstance(child, Mapping):
            raise ConfigError(f"{item.file}: an item of {item.title} is no object")
        yield from _flattened(SourcedObject(item.file, _with_kind(child, item)), depth + 1)


def _with_kind(child: Mapping[str, Any], parent: SourcedObject) -> Mapping[str, Any]:
    # Items of a DeploymentList may leave out what the list says for all of them.
    if child.get("kind") or parent.kind == "List":
        return child
    return {"apiVersion": parent.tree.get("apiVersion"), "kind": parent.kind.removesuffix("List"), **child}
