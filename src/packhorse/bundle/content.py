"""What a bundle lists: the root index, the packages' indexes, and the order of all blobs in the tar.

Everything here is pure: from a definition, its lock and a few bytes to the bytes of manifests and back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from packhorse.bundle.tar_layout import Entry
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import CARRIES, Graph
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, Manifest, canonical_json
from packhorse.package.lock import Lock, LockedArtifact, LockedGit, LockedImage, LockedReferrer
from packhorse.package.model import Package

__all__ = [
    "BUNDLE_TYPE",
    "COMPONENTS",
    "INDEX_FILE",
    "KIND",
    "LAYOUT_CONTENT",
    "LAYOUT_FILE",
    "NAME",
    "PACKAGE_TYPE",
    "SUBJECT",
    "TAG",
    "TITLE",
    "Blobs",
    "Kind",
    "PackageConfig",
    "Piece",
    "arrange",
    "blob_name",
    "bundle_root",
    "chart_piece",
    "definition_piece",
    "file_list",
    "git_piece",
    "image_pieces",
    "index_file",
    "package_descriptor",
    "package_index",
    "rendering_title",
]

BUNDLE_TYPE: Final = "application/vnd.packhorse.bundle.v1+json"
PACKAGE_TYPE: Final = "application/vnd.packhorse.package.v1+json"
DEFINITION_TYPE: Final = "application/vnd.packhorse.definition.v1+json"
CONFIG_TYPE: Final = "application/vnd.packhorse.package.config.v1+json"
FILE_TYPE: Final = "application/vnd.packhorse.file.v1"
GIT_TYPE: Final = "application/vnd.packhorse.git.v1+json"
GIT_BUNDLE_TYPE: Final = "application/vnd.packhorse.git.bundle.v1"

KIND: Final = "dev.packhorse.kind"
NAME: Final = "dev.packhorse.name"
COMPONENTS: Final = "dev.packhorse.components"
SUBJECT: Final = "dev.packhorse.subject"
TAG: Final = "dev.packhorse.tag"
TITLE: Final = "org.opencontainers.image.title"
_VERSION: Final = "org.opencontainers.image.version"
_REF_NAME: Final = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME: Final = "io.containerd.image.name"

LAYOUT_FILE: Final = "oci-layout"
LAYOUT_CONTENT: Final = b'{"imageLayoutVersion":"1.0.0"}'
INDEX_FILE: Final = "index.json"

Kind = Literal["definition", "chart", "image", "referrer", "artifact", "git"]
"""What an entry of a package's index is."""


class PackageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The config of a package's definition: all that a reader needs to know, without the text of the files."""

    definition: Package
    lock: Lock


@dataclass
class Blobs:
    """The blobs that a build makes itself, by digest; adding returns the descriptor."""

    content: dict[Digest, bytes] = field(default_factory=dict)

    def add(self, media_type: str, content: bytes) -> Descriptor:
        """Keep ``content`` and describe it."""
        digest = Digest.of(content)
        self.content[digest] = content
        return Descriptor(media_type=media_type, digest=digest, size=len(content))

    def add_manifest(self, node: Manifest | Index) -> Descriptor:
        """Keep a manifest of ours in its canonical form and describe it."""
        described = self.add(str(node.media_type), canonical_json(node))
        return msgspec.structs.replace(described, artifact_type=node.artifact_type)


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of a package's index: what it is, what it is called, and which components want it."""

    kind: Kind
    descriptor: Descriptor
    name: str
    components: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    def listed(self) -> Descriptor:
        """The descriptor as the package's index has it."""
        annotations = {KIND: self.kind, NAME: self.name, **self.extra}
        if self.components:
            annotations[COMPONENTS] = " ".join(sorted(self.components))
        return msgspec.structs.replace(self.descriptor, annotations=annotations)


def definition_piece(
    blobs: Blobs, config: PackageConfig, definition_text: bytes, files: Iterable[tuple[str, Descriptor]]
) -> Piece:
    """Make the manifest that carries the definition, and every file of the package's folder as a layer.

    Args:
        blobs: Where the blobs go.
        config: The definition and its lock.
        definition_text: ``packhorse.yaml`` as it is.
        files: The path and the plain descriptor of each file, in the order of the lock; renderings too.
    """
    yaml = blobs.add(FILE_TYPE, definition_text)
    layers = [_titled(yaml, "packhorse.yaml")]
    layers += [_titled(descriptor, path) for path, descriptor in files]
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_MANIFEST,
        artifact_type=DEFINITION_TYPE,
        config=blobs.add(CONFIG_TYPE, canonical_json(config)),
        layers=tuple(layers),
    )
    metadata = config.definition.metadata
    return Piece("definition", blobs.add_manifest(manifest), metadata.name)


def chart_piece(
    blobs: Blobs, *, name: str, component: str, metadata: Mapping[str, object], archive: Descriptor
) -> Piece:
    """Make the manifest of a chart as Helm makes it for a registry (Helm, HIP-6), so that Helm can pull it.

    Args:
        blobs: Where the blobs go.
        name: The chart's name in the package.
        component: The component that it belongs to.
        metadata: What its ``Chart.yaml`` says.
        archive: The chart archive.
    """
    title, version = str(metadata.get("name", name)), str(metadata.get("version", ""))
    layer = _titled(msgspec.structs.replace(archive, media_type=media_types.HELM_CHART), f"{title}-{version}.tgz")
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_MANIFEST,
        config=blobs.add(media_types.HELM_CONFIG, canonical_json(metadata)),
        layers=(layer,),
        annotations={TITLE: title, _VERSION: version},
    )
    return Piece("chart", blobs.add_manifest(manifest), name, (component,))


def git_piece(blobs: Blobs, repository: LockedGit, bundle: bytes) -> Piece:
    """Make the manifest of a git repository at one commit; its layer is a git bundle, which ``git clone`` reads."""
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_MANIFEST,
        artifact_type=GIT_TYPE,
        config=blobs.add(media_types.OCI_EMPTY, b"{}"),
        layers=(_titled(blobs.add(GIT_BUNDLE_TYPE, bundle), f"{repository.name}.bundle"),),
        annotations={"org.opencontainers.image.revision": repository.commit, NAME: repository.name},
    )
    return Piece("git", blobs.add_manifest(manifest), repository.name, (repository.component,))


def rendering_title(component: str, name: str) -> str:
    """The path under which the objects of a kustomization are carried."""
    return f".packhorse/kustomizations/{component}/{name}.yaml"


def image_pieces(image: LockedImage | LockedArtifact) -> list[Piece]:
    """Make the entries of one image or artifact: itself, and the referrers that travel with it."""
    kind: Kind = "image" if isinstance(image, LockedImage) else "artifact"
    extra = {}
    if isinstance(image, LockedImage) and media_types.is_index(image.media_type):
        extra[CARRIES] = " ".join(sorted(manifest.digest for manifest in image.manifests))
    descriptor = Descriptor(media_type=image.media_type, digest=image.digest, size=image.size)
    own = Piece(kind, descriptor, image.name, image.components, extra)
    return [own, *(_referrer_piece(referrer, image.name) for referrer in image.referrers)]


def package_index(config: PackageConfig, pieces: Iterable[Piece]) -> Index:
    """Make the index of one package; its entries are sorted, the definition stands first."""
    metadata = config.definition.metadata
    return Index(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_INDEX,
        artifact_type=PACKAGE_TYPE,
        manifests=tuple(piece.listed() for piece in sorted(pieces, key=_piece_order)),
        annotations={NAME: metadata.name, _VERSION: metadata.version},
    )


def package_descriptor(blobs: Blobs, index: Index) -> Descriptor:
    """Keep the index of a package, and describe it as the root lists it."""
    return msgspec.structs.replace(blobs.add_manifest(index), annotations=index.annotations)


def bundle_root(blobs: Blobs, packages: Iterable[Descriptor]) -> Descriptor:
    """Make the root index. Its digest is the root digest of the bundle."""
    index = Index(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_INDEX,
        artifact_type=BUNDLE_TYPE,
        manifests=tuple(sorted(packages, key=lambda package: package.annotations[NAME])),
    )
    return blobs.add_manifest(index)


def index_file(root: Descriptor, packages: Iterable[Index]) -> bytes:
    """Derive ``index.json``, which is there for other tools: the root, then every image, artifact and chart by name.

    An image has its full reference as the name by which skopeo, oras and regctl find it in a layout, and under the key
    that containerd reads when it imports one.
    """
    entries: dict[str, Descriptor] = {}
    for entry in (entry for package in packages for entry in package.manifests):
        name = entry.annotations.get(NAME, "")
        if entry.annotations.get(KIND) in ("image", "artifact"):
            annotations = {_REF_NAME: name, _CONTAINERD_NAME: name}
        elif entry.annotations.get(KIND) == "chart":
            annotations = {_REF_NAME: f"charts/{name}"}
        else:
            continue
        entries.setdefault(annotations[_REF_NAME], msgspec.structs.replace(entry.plain(), annotations=annotations))
    named = [entries[name] for name in sorted(entries)]
    return canonical_json(
        Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=(root.plain(), *named))
    )


def arrange(graph: Graph) -> list[Descriptor]:
    """The order of all blobs: manifests breadth first from the root, configs by digest, everything else by digest."""
    nodes = [node.descriptor for node in graph.nodes]
    present = {descriptor.digest for descriptor in nodes}
    configs = graph.configs()
    rest = sorted(
        (blob for blob in graph.blobs if blob.digest not in present),
        key=lambda blob: (blob.digest not in configs, blob.digest),
    )
    return nodes + rest


def file_list(index_content: bytes, blobs: Iterable[Descriptor]) -> list[Entry]:
    """All files of the tar in their order."""
    return [
        Entry(LAYOUT_FILE, len(LAYOUT_CONTENT)),
        Entry(INDEX_FILE, len(index_content)),
        *(Entry(blob_name(blob.digest), blob.size) for blob in blobs),
    ]


def blob_name(digest: Digest) -> str:
    """The path of a blob in an image layout (image-spec, image-layout.md, "Blobs")."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _titled(descriptor: Descriptor, title: str) -> Descriptor:
    return msgspec.structs.replace(descriptor.plain(), annotations={TITLE: title})


def _referrer_piece(referrer: LockedReferrer, image: str) -> Piece:
    descriptor = Descriptor(
        media_type=referrer.media_type,
        digest=referrer.digest,
        size=referrer.size,
        artifact_type=referrer.artifact_type or None,
    )
    extra = {SUBJECT: str(referrer.subject)}
    if referrer.tag:
        extra[TAG] = referrer.tag
    return Piece("referrer", descriptor, image, (), extra)


_KIND_ORDER: Final = {kind: place for place, kind in enumerate(Kind.__args__)}  # type: ignore[attr-defined]


def _piece_order(piece: Piece) -> tuple[int, str, tuple[str, ...], str, str]:
    return (_KIND_ORDER[piece.kind], piece.name, piece.components, piece.descriptor.digest, piece.extra.get(TAG, ""))
