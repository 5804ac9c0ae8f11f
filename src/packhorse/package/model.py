"""``packhorse.yaml`` as frozen values. The JSON Schema that ``packhorse schema`` prints is made of these types."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "API_VERSION",
    "ArtifactEntry",
    "ChartEntry",
    "Component",
    "Discovery",
    "FileEntry",
    "GitEntry",
    "ImageEntry",
    "Kubernetes",
    "KustomizationEntry",
    "ManifestEntry",
    "Metadata",
    "Package",
    "Variable",
]

API_VERSION = "packhorse.dev/v1alpha1"

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="Lower-case letters, digits, dots and dashes; at most 63.",
        extra={"expected": "at most 63 lower-case letters, digits, dots and dashes"},
    ),
]
Namespace = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="A Kubernetes namespace.",
        extra={"expected": "at most 63 lower-case letters, digits and dashes"},
    ),
]
RelativePath = Annotated[
    str, Meta(min_length=1, description="A path inside the package's folder, with forward slashes.")
]
PlatformName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?$", description="os/architecture[/variant], as linux/arm64.")
]
FileMode = Annotated[str | int, Meta(description="Permission bits in octal: 0755, or '0755' in quotes.")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel", kw_only=True):
    """What all parts of a definition share: immutable, and a key that is not known is a mistake."""


class Metadata(_Part, frozen=True):
    """What the package is called."""

    name: Name
    version: Annotated[
        str,
        Meta(
            pattern=r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$",
            description="A semantic version, as 1.4.0.",
        ),
    ]
    description: Annotated[str, Meta(description="What it is, in a sentence.")] = ""
    annotations: Annotated[dict[str, str], Meta(description="Further facts for people and programs.")] = {}


class Variable(_Part, frozen=True):
    """A value that the site gives at deployment; written ``${var.NAME}`` in values files and manifests."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9_]{0,62}$",
            description="Lower-case letters, digits and underscores, with a letter first; at most 63.",
        ),
    ]
    description: Annotated[str, Meta(description="Shown when the value is asked for.")] = ""
    type: Annotated[
        Literal["string", "integer", "number", "boolean"], Meta(description="What kind of value it has.")
    ] = "string"
    default: Annotated[
        str | int | float | bool | None,
        Meta(description="Its value where the site gives none; not for sensitive ones."),
    ] = None
    pattern: Annotated[str | None, Meta(description="A regular expression that the whole value must match.")] = None
    sensitive: Annotated[bool, Meta(description="Never shown, logged, planned or stored in the clear.")] = False


class Kubernetes(_Part, frozen=True):
    """The cluster that charts are rendered for when images are looked for."""

    version: Annotated[
        str,
        Meta(
            pattern=r"^v?1\.[0-9]{1,3}(\.[0-9]{1,3})?$",
            description="A version of Kubernetes as helm template --kube-version takes it: v1.34.0.",
        ),
    ] = "v1.34.0"
    api_versions: Annotated[
        tuple[str, ...], Meta(description="Further APIs, as monitoring.coreos.com/v1, for charts that ask for them.")
    ] = ()


class Discovery(_Part, frozen=True):
    """How images are looked for."""

    ignore: Annotated[
        tuple[str, ...],
        Meta(description="Image references (shell patterns) that were found and are none, or are not wanted."),
    ] = ()


class ImageEntry(_Part, frozen=True):
    """An image listed by hand."""

    name: Annotated[str, Meta(description="The reference under which the cluster will ask for it.")]
    source: Annotated[
        str | None,
        Meta(
            description="Where to take it from when not from its registry: oci:PATH[:TAG], oci-archive:PATH[:TAG] or "
            "docker-archive:PATH[:NAME]."
        ),
    ] = None
    platforms: Annotated[tuple[PlatformName, ...] | None, Meta(description="Instead of the package's platforms.")] = (
        None
    )


class ChartEntry(_Part, frozen=True):
    """A Helm chart, and the release that is made of it."""

    name: Annotated[Name, Meta(description="Name of the chart in this package, and of its release.")]
    source: Annotated[
        str,
        Meta(
            description="A folder or .tgz in the package, an https:// chart repository, or oci://registry/path/chart."
        ),
    ]
    chart: Annotated[
        str | None, Meta(description="The chart's name in an https:// repository, when it is another.")
    ] = None
    version: Annotated[str | None, Meta(description="For chart repositories and oci://: the exact version.")] = None
    namespace: Namespace = "default"
    release: Annotated[Name | None, Meta(description="Name of the Helm release, when it is another.")] = None
    values: Annotated[tuple[RelativePath, ...], Meta(description="Values files, later ones win.")] = ()
    values_sets: Annotated[
        dict[str, tuple[RelativePath, ...]],
        Meta(description="Further sets of values that a site may deploy with; images are looked for with each."),
    ] = {}
    timeout_seconds: Annotated[int, Meta(ge=1, description="How long to wait until it is ready.")] = 300


class ManifestEntry(_Part, frozen=True):
    """Kubernetes objects in plain YAML or JSON files."""

    name: Annotated[Name, Meta(description="A name that no other manifests of the component have.")]
    files: Annotated[
        tuple[RelativePath, ...], Meta(min_length=1, description="Files of YAML or JSON, applied in this order.")
    ]
    namespace: Annotated[Namespace | None, Meta(description="For objects that name none.")] = None


class KustomizationEntry(_Part, frozen=True):
    """A folder with a kustomization.yaml; built when the package is locked and carried as plain objects."""

    name: Annotated[Name, Meta(description="A name that no other kustomization of the component has.")]
    path: Annotated[RelativePath, Meta(description="The folder with the kustomization.yaml.")]
    namespace: Annotated[Namespace | None, Meta(description="For objects that name none.")] = None


class FileEntry(_Part, frozen=True):
    """A file for a node or an operator."""

    source: Annotated[RelativePath, Meta(description="The file in the package's folder.")]
    target: Annotated[str, Meta(pattern="^/", description="An absolute path on the far side.")]
    mode: FileMode = "0644"


class GitEntry(_Part, frozen=True):
    """A git repository at one ref."""

    name: Annotated[Name, Meta(description="A name that no other repository of the component has.")]
    source: Annotated[str, Meta(description="A URL, or a path inside the package's folder.")]
    ref: Annotated[str, Meta(description="Branch, tag or commit.")] = "HEAD"


class ArtifactEntry(_Part, frozen=True):
    """An OCI artifact that is no image: a policy bundle, a database, a WASM module."""

    name: Annotated[str, Meta(description="Its reference, as registry.example/policies/base:1.")]
    source: Annotated[str | None, Meta(description="As for images.")] = None


class Component(_Part, frozen=True):
    """A named part of a package that is deployed as a whole or left out."""

    name: Annotated[Name, Meta(description="A name that no other component of the package has.")]
    description: Annotated[str, Meta(description="What it is, in a sentence.")] = ""
    optional: Annotated[bool, Meta(description="Left out unless chosen.")] = False
    default: Annotated[bool, Meta(description="For an optional component: chosen unless deselected.")] = False
    depends_on: Annotated[
        tuple[Name, ...], Meta(description="Components that are deployed, and ready, before this one.")
    ] = ()
    images: Annotated[
        tuple[str | ImageEntry, ...], Meta(description="Images on top of those that are found in charts and manifests.")
    ] = ()
    charts: Annotated[tuple[ChartEntry, ...], Meta(description="Helm charts, each one release.")] = ()
    manifests: Annotated[tuple[ManifestEntry, ...], Meta(description="Plain Kubernetes objects.")] = ()
    kustomizations: Annotated[tuple[KustomizationEntry, ...], Meta(description="Folders that kustomize builds.")] = ()
    files: Annotated[tuple[FileEntry, ...], Meta(description="Files for nodes and operators.")] = ()
    git: Annotated[tuple[GitEntry, ...], Meta(description="Git repositories.")] = ()
    artifacts: Annotated[tuple[str | ArtifactEntry, ...], Meta(description="OCI artifacts that are no images.")] = ()


class Package(_Part, frozen=True):
    """One ``packhorse.yaml``."""

    api_version: Annotated[Literal["packhorse.dev/v1alpha1"], Meta(description="The version of this format.")]
    kind: Annotated[Literal["Package"], Meta(description="Always Package.")]
    metadata: Annotated[Metadata, Meta(description="What the package is called.")]
    components: Annotated[tuple[Component, ...], Meta(min_length=1, description="Its parts, in no particular order.")]
    platforms: Annotated[
        tuple[PlatformName, ...], Meta(min_length=1, description="The kinds of nodes that images are carried for.")
    ] = ("linux/amd64",)
    variables: Annotated[tuple[Variable, ...], Meta(description="What the site decides at deployment.")] = ()
    kubernetes: Annotated[Kubernetes, Meta(description="The cluster that charts are rendered for.")] = Kubernetes()
    discovery: Annotated[Discovery, Meta(description="How images are looked for.")] = Discovery()
