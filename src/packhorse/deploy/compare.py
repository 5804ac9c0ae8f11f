"""What differs between two states of one object, field by field, with secrets left out. Pure."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from packhorse.deploy.model import SENSITIVE, FieldChange
from packhorse.kube.fields import mapping
from packhorse.kube.object_identity import KubeObject
from packhorse.package.variables import redact

__all__ = ["Secrets", "compare", "overlay", "sensitive_paths"]

_SERVER_METADATA = frozenset(
    {"creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
)
_ITEM_KEYS = ("name", "containerPort", "port", "mountPath", "key", "ip")
_MAPS = frozenset({"metadata.annotations", "metadata.labels", "data"})
"""Fields whose entries are told one by one, also when there were none before."""
_SHORTEST_PART = 4
"""A sensitive value shorter than this hides only fields that equal it: it would be found in half of all texts."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The values that may not be shown, wherever they turn up."""

    values: frozenset[str] = field(default=frozenset(), repr=False)

    def hides(self, value: Any) -> bool:
        """Whether a value is or contains, at any depth, one that may not be shown."""
        if isinstance(value, dict):
            return any(self.hides(item) for item in value.values())
        if isinstance(value, list):
            return any(self.hides(item) for item in value)
        if value is None or isinstance(value, bool):
            return False
        text = str(value)
        return any(
            secret == text or (len(secret) >= _SHORTEST_PART and redact(text, [secret]) != text)
            for secret in self.values
        )


_NO_SECRETS = Secrets()


def compare(
    before: KubeObject,
    after: KubeObject,
    secrets: Secrets = _NO_SECRETS,
    *,
    ignored: Collection[str] = (),
    hidden: Collection[str] = (),
) -> tuple[FieldChange, ...]:
    """Return the fields in which two states of an object differ, in the order of ``after``.

    What the API server itself keeps is left out: ``status``, and in ``metadata`` versions, times and field managers.
    Items of lists are matched by their name, port or path where all have one. A Secret's data is never shown.

    Args:
        before: The live object.
        after: As it will be.
        secrets: Values that may not be shown.
        ignored: Paths of fields that don't count.
        hidden: Paths of fields that held sensitive values when they were applied, whatever they hold now.
    """
    is_secret = after.get("kind") == "Secret" or before.get("kind") == "Secret"
    found = []
    for path, old, new in _differences(_meaningful(before), _meaningful(after), ""):
        if path in ignored:
            continue
        in_secret = is_secret and path.split(".", 1)[0] in {"data", "stringData"}
        hide = in_secret or secrets.hides([old, new]) or any(_overlap(path, each) for each in hidden)
        shown_old, shown_new = (SENSITIVE if hide and value is not None else value for value in (old, new))
        found.append(FieldChange(path, shown_old, shown_new, sensitive=hide))
    return tuple(found)


def sensitive_paths(obj: KubeObject, secrets: Secrets) -> tuple[str, ...]:
    """Return the paths of the fields that hold sensitive values, as :func:`compare` writes paths.

    They are remembered with the object: once the variable has another value, the old one is known by its place only.
    """
    return tuple(path for path, value in _leaves(_meaningful(obj), "") if secrets.hides(value))


def overlay(live: Any, desired: Any) -> Any:
    """Return ``live`` with the fields of ``desired`` laid over it: what applying makes of it, but for defaults.

    For where the server can't be asked to try. Lists are merged by the same keys by which :func:`compare` matches them.
    """
    if isinstance(live, dict) and isinstance(desired, dict):
        return {**live, **{key: overlay(live.get(key), value) for key, value in desired.items()}}
    if isinstance(live, list) and isinstance(desired, list) and (key := _item_key(live, desired)):
        known = {item[key]: item for item in live}
        return [overlay(known.get(item[key]), item) for item in desired]
    return desired


def _meaningful(obj: KubeObject) -> KubeObject:
    metadata = {key: value for key, value in mapping(obj.get("metadata")).items() if key not in _SERVER_METADATA}
    rest = {key: value for key, value in obj.items() if key not in {"status", "metadata", "apiVersion", "kind"}}
    return {"metadata": metadata, **rest}


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if path in _MAPS:
        before, after = before or {}, after or {}
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*after, *(key for key in before if key not in after)]:
            step = f"{path}.{key}" if path else key
            yield from _differences(before.get(key), after.get(key), step)
    elif isinstance(before, list) and isinstance(after, list) and (key := _item_key(before, after)):
        old = {item[key]: item for item in before}
        new = {item[key]: item for item in after}
        for name in [*new, *(name for name in old if name not in new)]:
            yield from _differences(old.get(name), new.get(name), f"{path}[{name}]")
    elif not (_is_empty(before) and _is_empty(after)) and _canonical(before) != _canonical(after):
        yield path, before, after


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and (key := _item_key(value, value)):
        for item in value:
            yield from _leaves(item, f"{path}[{item[key]}]")
    else:
        yield path, value


def _overlap(left: str, right: str) -> bool:
    """Whether one path leads to the other or to something in it."""
    short, long = sorted((left, right), key=len)
    return long.startswith(short) and (len(long) == len(short) or long[len(short)] in ".[")


def _item_key(before: list[Any], after: list[Any]) -> str:
    items = [*before, *after]
    if not items:
        return ""
    for key in _ITEM_KEYS:
        if all(isinstance(item, dict) and isinstance(item.get(key), str | int) for item in items):
            unique = all(len({item[key] for item in side}) == len(side) for side in (before, after))
            return key if unique else ""
    return ""


def _canonical(value: Any) -> str:
    """Return a text that is the same for equal values only; to Python, 1 and true are equal."""
    return json.dumps(value, sort_keys=True)


def _is_empty(value: Any) -> bool:
    """Whether a value means the same to the API as its absence."""
    return value is None or value in ({}, [])
