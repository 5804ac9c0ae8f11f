"""Images in lists of names with values: parameters of workflows, tasks and charts."""

from collections.abc import Iterator
from typing import Any

from packhorse.package.image_hits import FieldPath, Hit
from packhorse.package.image_parts import joined_parts
from packhorse.package.image_text import is_image_key, looks_qualified

__all__ = ["named_value_hits"]

_VALUES = ("value", "default")


def named_value_hits(items: list[Any], path: FieldPath) -> Iterator[tuple[int, Hit]]:
    """Find images in ``[{name: trainer-image, value: acme/trainer:1}]``, with the number of the item that has each.

    Names may be paths, as those that Argo CD sets in a chart: ``image.repository`` and ``image.tag`` make one.
    """
    groups: dict[str, dict[str, tuple[int, FieldPath, str]]] = {}
    for number, item in enumerate(items):
        name, key = _named(item)
        if key:
            stem, _, last = name.rpartition(".")
            groups.setdefault(stem, {})[last] = (number, path.index(number).key(key), str(item[key]).strip())
    for stem, group in groups.items():
        joined = {one.key: one for one in joined_parts({k: v[2] for k, v in group.items()}, is_image=_is_image(stem))}
        used = {key for one in joined.values() for key in one.used}
        for last, (number, field, value) in group.items():
            if last in joined:
                yield number, Hit("likely", field.text, joined[last].reference)
            elif last not in used and is_image_key(last) and looks_qualified(value):
                yield number, Hit("likely", field.text, value)


def _named(item: Any) -> tuple[str, str]:
    """The name of a pair, and the key that its value stands under; empty when it is no pair."""
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return "", ""
    key = next((key for key in _VALUES if isinstance(item.get(key), str | int | float)), "")
    return item["name"], key


def _is_image(stem: str) -> bool:
    return is_image_key(stem.rpartition(".")[2])
