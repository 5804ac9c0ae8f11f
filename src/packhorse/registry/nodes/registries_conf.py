"""CRI-O's and Podman's ``registries.conf.d`` drop-in: for each upstream a mirror, and the upstream itself blocked.

These runtimes know no mirror for everything, and tell a mirror nothing of the registry that an image names, so every
upstream has its entry, and a path of its own on the mirror (``MIRROR/docker.io/library/redis``). ``blocked`` forbids
the last resort, the upstream, and leaves the mirrors (containers-registries.conf(5)).
"""

import re
from collections.abc import Iterable

from packhorse.base.errors import ConfigError, UsageError
from packhorse.oci.reference import Reference
from packhorse.registry.api import PROBE_REGISTRY
from packhorse.registry.names import registry_as_path
from packhorse.registry.nodes.model import MARKER, Mirror

__all__ = ["check_upstream", "mirror_host", "render_registries_conf"]


_MIRROR = re.compile(r"\[\[registry\.mirror\]\]\nlocation = \"([^/\"]+)/")


def render_registries_conf(mirror: Mirror, upstreams: Iterable[str]) -> bytes:
    """Render the drop-in.

    Args:
        mirror: The site's registry.
        upstreams: Registry hosts that images are named after; the probe's own is always among them.
    """
    lines = [MARKER]
    for upstream in sorted({*upstreams, PROBE_REGISTRY}):
        lines += [
            "",
            "[[registry]]",
            f'prefix = "{upstream}"',
            f'location = "{upstream}"',
            "blocked = true",
            "",
            "[[registry.mirror]]",
            f'location = "{mirror.host}/{registry_as_path(upstream)}"',
        ]
        if mirror.scheme == "http":
            lines.append("insecure = true")
    return "\n".join([*lines, ""]).encode()


def mirror_host(content: bytes) -> str | None:
    """Return the mirror that a drop-in of ours leads to; None when it leads to none."""
    match = _MIRROR.search(content.decode("utf-8", "replace"))
    return match[1] if match else None


def check_upstream(text: str) -> str:
    """Return ``text`` when it is a registry host.

    Raises:
        UsageError: It is not.
    """
    try:
        registry = Reference.parse(f"{text}/x/y:z").registry
    except ConfigError:
        registry = ""
    if registry != text:
        message = f"expected a registry host such as docker.io or registry.example:5000, found {text!r}"
        raise UsageError(message)
    return text
