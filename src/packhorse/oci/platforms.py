"""Which platform runs what: the rules by which containerd picks a manifest from an index.

A name may be written in several ways: ``arm64`` and ``arm64/v8`` are one platform, ``arm`` means ``arm/v7``, ``amd64``
means ``amd64/v1``, ``x86_64`` and ``aarch64`` are other words for amd64 and arm64. A platform runs what is made for a
lower variant of it (``arm/v7`` runs ``arm/v6``), never for a higher one; of several, the highest is taken.
"""

import re
from collections.abc import Sequence

from packhorse.oci.model import Platform

__all__ = ["UNKNOWN", "best", "normalised", "rank"]

UNKNOWN = "unknown/unknown"
"""What BuildKit writes for manifests that are no images, such as attestations."""

_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "armhf": "arm",
    "armel": "arm",
}
_VARIANTS = {"armhf": "v7", "armel": "v6"}
_BASE = {"amd64": 1.0, "arm64": 8.0, "arm": 7.0}
"""The variant that is meant when none is written."""

_VARIANT = re.compile(r"v?(\d+(?:\.\d+)?)")


def normalised(platform: Platform) -> Platform:
    """Return the platform in the one form that stands for all its spellings, without the version of its system."""
    written = platform.architecture.lower()
    architecture = _ARCHITECTURES.get(written, written)
    variant = (platform.variant or _VARIANTS.get(written) or "").lower()
    number = _number(variant, architecture)
    if number is not None:
        is_base = architecture != "arm" and number == _BASE[architecture]
        variant = "" if is_base else f"v{number:g}"
    system = platform.os.lower()
    return Platform(os="darwin" if system == "macos" else system, architecture=architecture, variant=variant or None)


def rank(wanted: Platform, offered: Platform) -> float | None:
    """How far what is offered is below what is wanted: 0 for the same; None when ``wanted`` does not run it."""
    wanted, offered = normalised(wanted), normalised(offered)
    if (wanted.os, wanted.architecture) != (offered.os, offered.architecture):
        return None
    if wanted.variant == offered.variant:
        return 0.0
    ours = _number(wanted.variant or "", wanted.architecture)
    theirs = _number(offered.variant or "", offered.architecture)
    if ours is None or theirs is None:
        return 1.0 if offered.variant is None else None
    return ours - theirs if theirs < ours else None


def best(wanted: Platform, offered: Sequence[Platform]) -> tuple[int, ...]:
    """Return which of ``offered`` to carry for ``wanted``, by their numbers: all that are equally near.

    They are several when they differ in what no reference can choose, as the versions of Windows do.
    """
    ranked = [
        (found, number) for number, platform in enumerate(offered) if (found := rank(wanted, platform)) is not None
    ]
    nearest = min((found for found, _ in ranked), default=None)
    return tuple(number for found, number in ranked if found == nearest)


def _number(variant: str, architecture: str) -> float | None:
    if architecture not in _BASE:
        return None
    if not variant:
        return _BASE[architecture]
    match = _VARIANT.fullmatch(variant)
    return float(match[1]) if match else None
