"""The fields of an object as paths, and who owns them: server-side apply as :mod:`memory_cluster` does it. Pure.

A path leads to a leaf; an item of a list whose items all have a ``name`` is found by ``[name]``, any other list is a
leaf itself. See Kubernetes, "Server-Side Apply", for what it simplifies.
"""

import copy
from collections.abc import Iterable
from typing import Any

from packhorse.kube.errors import FieldConflict
from packhorse.kube.fields import mapping, objects
from packhorse.kube.object_identity import KubeObject

__all__ = ["FieldPath", "find_conflicts", "leaves", "put", "remove"]

FieldPath = tuple[str, ...]


def find_conflicts(
    live: KubeObject, owners: dict[str, set[FieldPath]], wanted: dict[FieldPath, Any], manager: str
) -> list[FieldConflict]:
    """Return the wanted fields that managers other than ``manager`` own and that have another value."""
    return [
        FieldConflict(other, "." + ".".join(path))
        for other, paths in sorted(owners.items())
        if other != manager
        for path in sorted(paths & wanted.keys())
        if _look(live, path) != wanted[path]
    ]


def leaves(value: Any, path: FieldPath = ()) -> Iterable[tuple[FieldPath, Any]]:
    """Yield every leaf with its path; an item of a list that is merged by name has ``[name]`` as its step."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif _is_keyed(value):
        for item in value:
            yield from leaves(item, (*path, f"[{item['name']}]"))
    else:
        yield path, copy.deepcopy(value)


def _is_keyed(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in value)
    )


def _look(parent: Any, path: FieldPath) -> Any:
    for step in path:
        parent = _child(parent, step)
        if parent is None:
            return None
    return parent


def _child(parent: Any, step: str) -> Any:
    if isinstance(parent, list):
        return next((item for item in objects(parent) if f"[{item.get('name')}]" == step), None)
    return mapping(parent).get(step)


def put(parent: Any, path: FieldPath, value: Any) -> None:
    """Set the leaf at ``path``, and make the parents that are missing."""
    for index, step in enumerate(path[:-1]):
        child = _child(parent, step)
        wanted = list if path[index + 1].startswith("[") else dict
        if not isinstance(child, wanted):
            child = wanted()
            if isinstance(parent, list):
                # Found again by its name, which may be set last.
                child = {"name": step[1:-1]}
                parent.append(child)
            else:
                parent[step] = child
        parent = child
    parent[path[-1]] = copy.deepcopy(value)


def remove(root: KubeObject, path: FieldPath) -> None:
    """Remove a leaf, and parents that are empty without it; an item's name goes only with the whole item."""
    parent = _look(root, path[:-1])
    if not isinstance(parent, dict):
        return
    is_item = len(path) > 1 and path[-2].startswith("[")
    if is_item and path[-1] == "name":
        items = _look(root, path[:-2])
        if set(parent) <= {"name"} and isinstance(items, list):
            items.remove(parent)
            if not items:
                remove(root, path[:-2])
        return
    parent.pop(path[-1], None)
    if not parent and len(path) > 1:
        remove(root, path[:-1])
