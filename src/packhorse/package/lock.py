"""``packhorse.lock`` as frozen values: every reference resolved to a digest, with where and why it was found.

The lock is all that a build needs to know: the digests and sizes in it fix every byte of the bundle. How it is read
from and written to YAML is in :mod:`packhorse.package.lock_file`.
"""

from typing import Literal

import msgspec

from packhorse.oci.digest import Digest

__all__ = [
    "Certainty",
    "Found",
    "Lock",
    "LockedArtifact",
    "LockedChart",
    "LockedFile",
    "LockedGit",
    "LockedImage",
    "LockedManifest",
    "LockedPackage",
    "LockedReferrer",
    "LockedRendering",
]

Certainty = Literal["exact", "declared", "likely"]
"""``exact``: a field that Kubernetes itself pulls from. ``declared``: written by the author, or by a schema or
annotation made for it. ``likely``: looks like an image in a place that only an operator understands."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel", kw_only=True):
    """What all parts of a lock share."""


class Found(_Part, frozen=True):
    """One place where an image is asked for."""

    certainty: Certainty
    component: str
    file: str
    """Path in the package; of a chart's template as ``charts/shop/templates/api.yaml``."""
    object: str = ""
    """``Kind/name`` of the Kubernetes object; empty for the package's own list."""
    field: str = ""
    """Path in the object: ``spec.template.spec.containers[0].image``."""
    values: str = ""
    """Name of the set of values with which it was rendered; empty for the package's own values."""


class LockedManifest(_Part, frozen=True):
    """A manifest or index below an image's index that the bundle carries."""

    digest: Digest
    platform: str = ""
    """``linux/amd64``; empty for attestations and nested indexes."""


class LockedReferrer(_Part, frozen=True):
    """A signature, SBOM or attestation that travels with an image."""

    digest: Digest
    media_type: str
    size: int
    subject: Digest
    artifact_type: str = ""
    tag: str = ""
    """``sha256-….sig``, ``.att`` or ``.sbom`` for the older form that is found by its tag."""


class LockedImage(_Part, frozen=True):
    """An image, by the name under which a cluster asks for it.

    ``manifests`` is empty for an image that is one manifest; for an index it lists every descendant that is carried.
    """

    name: str
    digest: Digest
    media_type: str
    size: int
    """Of the manifest or index itself, in bytes."""
    components: tuple[str, ...]
    source: str = ""
    """``oci:…``, ``oci-archive:…`` or ``docker-archive:…``; empty when it comes from the registry in its name."""
    platforms: tuple[str, ...] = ()
    manifests: tuple[LockedManifest, ...] = ()
    referrers: tuple[LockedReferrer, ...] = ()
    found: tuple[Found, ...] = ()


class LockedFile(_Part, frozen=True):
    """A file of the package's folder that the bundle carries."""

    path: str
    digest: Digest
    size: int


class LockedChart(_Part, frozen=True):
    """A chart; ``digest`` and ``size`` are of the chart archive, or of the manifest for an ``oci://`` source."""

    component: str
    name: str
    chart: str
    """The name in its ``Chart.yaml``."""
    version: str
    source: str
    digest: Digest
    size: int
    media_type: str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class LockedRendering(_Part, frozen=True):
    """A kustomization, built into plain objects; ``digest`` and ``size`` are of the YAML that the build carries."""

    component: str
    name: str
    path: str
    digest: Digest
    size: int


class LockedGit(_Part, frozen=True):
    """A git repository at a commit."""

    component: str
    name: str
    source: str
    ref: str
    commit: str


class LockedArtifact(_Part, frozen=True):
    """An OCI artifact that is no image."""

    name: str
    digest: Digest
    media_type: str
    size: int
    components: tuple[str, ...]
    source: str = ""
    referrers: tuple[LockedReferrer, ...] = ()


class LockedPackage(_Part, frozen=True):
    """Which definition this lock was made from."""

    name: str
    version: str
    digest: Digest
    """Of ``packhorse.yaml`` as it was."""


class Lock(_Part, frozen=True):
    """One ``packhorse.lock``. Every list is sorted: by name, then component."""

    api_version: Literal["packhorse.dev/v1alpha1"]
    kind: Literal["Lock"]
    package: LockedPackage
    platforms: tuple[str, ...]
    images: tuple[LockedImage, ...] = ()
    charts: tuple[LockedChart, ...] = ()
    kustomizations: tuple[LockedRendering, ...] = ()
    files: tuple[LockedFile, ...] = ()
    """Every file of the folder that goes into the bundle: values, manifests, files for nodes; sorted by path."""
    git: tuple[LockedGit, ...] = ()
    artifacts: tuple[LockedArtifact, ...] = ()
