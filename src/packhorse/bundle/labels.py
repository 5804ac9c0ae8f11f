"""What a blob is called when a person must be told of it: ``layer 4 of docker.io/library/postgres:16 (arm64)``."""

from collections.abc import Iterable, Mapping

from packhorse.bundle import content
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Node, carried_by
from packhorse.oci.model import Descriptor, Index, Manifest

__all__ = ["Labels"]

_LINUX = "linux/"


class Labels:
    """Names for the blobs below the entries of packages.

    Args:
        entries: The entries as packages' indexes list them.
        nodes: Every manifest and index below them, by digest.
    """

    def __init__(self, entries: Iterable[Descriptor], nodes: Mapping[Digest, Node]) -> None:
        self._nodes = nodes
        self._labels: dict[Digest, list[str]] = {}
        for entry in entries:
            kind = entry.annotations.get(content.KIND, "")
            name = entry.annotations.get(content.NAME, "")
            if kind == "definition":
                self._add_definition(entry, name)
            else:
                self._add(entry, _called(kind, name), "", carried_by(entry))

    def of(self, digest: Digest) -> str:
        """What this blob is; the digest in short when it belongs to nothing that has a name."""
        labels = self._labels.get(digest)
        if not labels:
            return digest.short
        more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        return labels[0] + more

    def dependants(self, digest: Digest) -> tuple[str, ...]:
        """Everything that is not whole without this blob."""
        return tuple(self._labels.get(digest, ()))

    def _add(self, descriptor: Descriptor, name: str, platform: str, carried: frozenset[Digest] | None) -> None:
        node = self._nodes.get(descriptor.digest)
        where = f"{name} ({platform})" if platform else name
        if node is None:
            return
        if isinstance(node.parsed, Index):
            self._put(descriptor.digest, f"index of {where}")
            for child in node.parsed.manifests:
                if carried is None or child.digest in carried:
                    self._add(child, name, _platform(child) or platform, carried)
            return
        self._put(descriptor.digest, f"manifest of {where}")
        self._put(node.parsed.config.digest, f"config of {where}")
        for number, layer in enumerate(node.parsed.layers, start=1):
            self._put(layer.digest, f"layer {number} of {where}")

    def _add_definition(self, entry: Descriptor, name: str) -> None:
        self._put(entry.digest, f"manifest of package {name}")
        node = self._nodes.get(entry.digest)
        if node is None or not isinstance(node.parsed, Manifest):
            return
        self._put(node.parsed.config.digest, f"definition of package {name}")
        for layer in node.parsed.layers:
            self._put(layer.digest, f"file {layer.annotations.get(content.TITLE, '')} of package {name}")

    def _put(self, digest: Digest, label: str) -> None:
        labels = self._labels.setdefault(digest, [])
        if label not in labels:
            labels.append(label)


def _called(kind: str, name: str) -> str:
    if kind == "chart":
        return f"chart {name}"
    return f"a referrer of {name}" if kind == "referrer" else name


def _platform(descriptor: Descriptor) -> str:
    if descriptor.platform is None or descriptor.platform.os == "unknown":
        return ""
    return str(descriptor.platform).removeprefix(_LINUX)
