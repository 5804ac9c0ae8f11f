"""A change in the words of a person: ``image 1.3.2 → 1.4.0 · env LOG_LEVEL info → warn``. Pure."""

import json
import re
from collections.abc import Sequence
from typing import Any

from packhorse.deploy.model import FieldChange

__all__ = ["describe_changes"]

_MOST_SHOWN = 4
_LONGEST_VALUE = 40
_IMAGE = re.compile(r"(?:^|\.)(?:init)?[cC]ontainers\[(?P<container>[^\]]+)\]\.image$")
_ENV = re.compile(r"(?:^|\.)(?:init)?[cC]ontainers\[[^\]]+\]\.env\[(?P<name>[^\]]+)\](?:\.value)?$")
_METADATA = re.compile(r"(?:^|\.)metadata\.(?P<what>label|annotation)s\.(?P<name>.+)$")
_POD_SPEC = "spec.template.spec."


def describe_changes(changes: Sequence[FieldChange]) -> str:
    """Return a line that says what differs; the rest is counted when there is much."""
    containers = {match["container"] for change in changes if (match := _IMAGE.search(change.path))}
    first = sorted(changes, key=_weight)
    told = [_describe(change, name_container=len(containers) > 1) for change in first]
    # The pod template's labels often repeat the object's own.
    told = list(dict.fromkeys(told))
    if len(told) > _MOST_SHOWN:
        told = [*told[: _MOST_SHOWN - 1], f"and {len(told) - _MOST_SHOWN + 1} more"]
    return " · ".join(told)


def _weight(change: FieldChange) -> int:
    """Images come first, and labels, which repeat a version that changed, last."""
    if _IMAGE.search(change.path):
        return 0
    return 2 if _METADATA.search(change.path) else 1


def _describe(change: FieldChange, *, name_container: bool) -> str:
    image = _IMAGE.search(change.path)
    if image:
        return _image(change, f" of {image['container']}" if name_container else "")
    env = _ENV.search(change.path)
    if env:
        return f"env {env['name']} {_values(change)}"
    metadata = _METADATA.search(change.path)
    if metadata:
        return f"{metadata['what']} {metadata['name']} {_values(change)}"
    path = change.path.removeprefix(_POD_SPEC).removeprefix("spec.")
    return f"{path} {_values(change)}"


def _image(change: FieldChange, of: str) -> str:
    before, after = change.before, change.after
    if change.sensitive or not isinstance(before, str) or not isinstance(after, str):
        return f"image{of} {_values(change)}"
    old_name, old_version = _split_image(before)
    new_name, new_version = _split_image(after)
    if old_name == new_name:
        return f"image{of} {_short_digest(old_version)} → {_short_digest(new_version)}"
    return f"image{of} {_short_digest(before)} → {_short_digest(after)}"


def _split_image(image: str) -> tuple[str, str]:
    name, at, digest = image.partition("@")
    head, colon, tail = name.rpartition(":")
    if colon and "/" not in tail:
        return head, tail + at + digest
    return name, digest or "latest"


def _short_digest(text: str) -> str:
    return re.sub(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}", r"\1…", text)


def _values(change: FieldChange) -> str:
    if change.sensitive:
        return {(True, False): "added (sensitive)", (False, True): "removed (sensitive)"}.get(
            (change.before is None, change.after is None), "(changed, sensitive)"
        )
    before, after = _short(change.before), _short(change.after)
    if change.before is None:
        return f"added: {after}" if after else "added"
    if change.after is None:
        return f"removed: {before}" if before else "removed"
    return f"{before} → {after}" if before and after else "(changed)"


def _short(value: Any) -> str:
    """Return a value that is short enough to be read in a line, else nothing."""
    if isinstance(value, str):
        text = value if value and value.isprintable() else json.dumps(value)
    elif isinstance(value, dict) and set(value) == {"name", "value"}:
        return _short(value["value"])
    else:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else ""
