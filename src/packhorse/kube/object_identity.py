"""Which object is meant: API version, kind, namespace and name. Pure; scopes come from whoever knows the API."""

from dataclasses import dataclass, replace
from typing import Any, Self

from packhorse.base.errors import ConfigError

__all__ = ["KubeObject", "ObjectIdentity", "api_group"]

KubeObject = dict[str, Any]
"""A Kubernetes object as its JSON decodes."""


def api_group(api_version: str) -> str:
    """Return the group of an ``apiVersion``: ``apps`` of ``apps/v1``, and the empty string of ``v1``."""
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


@dataclass(frozen=True, slots=True, order=True)
class ObjectIdentity:
    """One object of a cluster. ``namespace`` is empty for an object of the cluster as a whole."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: KubeObject) -> Self:
        """Read the identity that an object states; a missing namespace is left empty.

        Raises:
            ConfigError: It has no ``apiVersion``, ``kind`` or ``metadata.name``.
        """
        metadata = obj.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        found = {
            "apiVersion": obj.get("apiVersion"),
            "kind": obj.get("kind"),
            "metadata.name": metadata.get("name"),
        }
        for field, value in found.items():
            if not isinstance(value, str) or not value:
                shown = {key: value for key, value in found.items() if value}
                raise ConfigError(f"not a Kubernetes object: expected text in {field}, found {value!r} in {shown}")
        namespace = metadata.get("namespace")
        return cls(
            str(found["apiVersion"]),
            str(found["kind"]),
            namespace if isinstance(namespace, str) else "",
            str(found["metadata.name"]),
        )

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return api_group(self.api_version)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Group, kind, namespace and name: the same for one object whatever version of its API it is asked for in."""
        return (self.group, self.kind, self.namespace, self.name)

    def inside(self, namespace: str) -> Self:
        """The same in another namespace; with the empty string, of the cluster as a whole."""
        return replace(self, namespace=namespace)

    @property
    def title(self) -> str:
        """``Kind/name``, and the namespace where there is one: ``Deployment/api in shop``."""
        return f"{self} in {self.namespace}" if self.namespace else str(self)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"
