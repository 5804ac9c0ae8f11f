"""Reading fields of objects whose shape nobody guarantees: what is not as expected counts as not there."""

from collections.abc import Iterator

from packhorse.kube.object_identity import KubeObject

__all__ = ["annotations", "condition", "count", "labels", "mapping", "objects", "status_condition"]


def mapping(value: object) -> KubeObject:
    """Return ``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> Iterator[KubeObject]:
    """Yield those items of a list that are objects; nothing when ``value`` is no list."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def count(parent: KubeObject, field: str, missing: int = 0) -> int:
    """Return a whole number, or ``missing`` when there is none."""
    value = parent.get(field)
    return value if isinstance(value, int) else missing


def condition(status: KubeObject, kind: str) -> KubeObject:
    """Return the condition of type ``kind`` of a status; empty when it has none."""
    return next((each for each in objects(status.get("conditions")) if each.get("type") == kind), {})


def status_condition(obj: KubeObject, kind: str) -> KubeObject:
    """Return the condition of type ``kind`` of an object; empty when it has none."""
    return condition(mapping(obj.get("status")), kind)


def annotations(obj: KubeObject) -> KubeObject:
    """Return an object's annotations."""
    return mapping(mapping(obj.get("metadata")).get("annotations"))


def labels(obj: KubeObject) -> KubeObject:
    """Return an object's labels."""
    return mapping(mapping(obj.get("metadata")).get("labels"))
