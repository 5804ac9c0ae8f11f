"""What the parts of discovery hand to each other: a reference, how certain it is, and the field it stands in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from packhorse.package.lock import Certainty

__all__ = ["CERTAINTIES", "FieldPath", "Hit", "weakened"]

CERTAINTIES: tuple[Certainty, ...] = ("exact", "declared", "likely")
"""From the surest to the least sure."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A place in an object, written ``spec.containers[0].image`` or ``data["app.yaml"] > sidecar.image``."""

    text: str = ""

    def key(self, key: object) -> "FieldPath":
        """The value of a map under ``key``."""
        plain = str(key)
        if not _PLAIN_KEY.fullmatch(plain):
            return FieldPath(f'{self.text}["{plain}"]')
        separator = "." if self.text and not self.text.endswith("> ") else ""
        return FieldPath(f"{self.text}{separator}{plain}")

    def keys(self, keys: Sequence[str]) -> "FieldPath":
        """One key after the other."""
        path = self
        for key in keys:
            path = path.key(key)
        return path

    def index(self, number: int) -> "FieldPath":
        """An item of a list, from 0."""
        return FieldPath(f"{self.text}[{number}]")

    def inside(self) -> "FieldPath":
        """What the text in this field says, read as YAML."""
        return FieldPath(f"{self.text} > ")

    def line(self, number: int) -> "FieldPath":
        """A line of the text in this field, from 1."""
        return FieldPath(f"{self.text} line {number}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A reference in an object, as it is written there."""

    certainty: Certainty
    field: str
    reference: str


def weakened(hit: Hit, at_best: Certainty) -> Hit:
    """The same hit, no surer than ``at_best``."""
    if CERTAINTIES.index(hit.certainty) < CERTAINTIES.index(at_best):
        return replace(hit, certainty=at_best)
    return hit
