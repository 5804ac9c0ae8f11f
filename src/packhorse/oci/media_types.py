"""Media types of the OCI image-spec 1.1 and of Docker's image manifest version 2, schema 2."""

__all__ = [
    "DOCKER_LIST",
    "DOCKER_MANIFEST",
    "DOCKER_SCHEMA1_TYPES",
    "HELM_CHART",
    "HELM_CONFIG",
    "HELM_PROVENANCE",
    "INDEX_TYPES",
    "MANIFEST_TYPES",
    "OCI_EMPTY",
    "OCI_INDEX",
    "OCI_LAYOUT_VERSION",
    "OCI_MANIFEST",
    "is_foreign_layer",
    "is_index",
    "is_manifest",
    "is_metadata",
]

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYOUT_VERSION = "1.0.0"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_SCHEMA1_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
HELM_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})


def is_index(media_type: str) -> bool:
    """Whether content of this type lists manifests."""
    return media_type in INDEX_TYPES


def is_manifest(media_type: str) -> bool:
    """Whether content of this type lists a config and layers."""
    return media_type in MANIFEST_TYPES


def is_metadata(media_type: str) -> bool:
    """Whether content of this type has successors, so that it is read whole and parsed."""
    return media_type in INDEX_TYPES or media_type in MANIFEST_TYPES


def is_foreign_layer(media_type: str) -> bool:
    """Whether a layer of this type is fetched from elsewhere by the runtime, never from the registry that names it.

    Windows base layers are the known case: ``…rootfs.foreign.diff.tar.gzip`` in Docker's words, and
    ``…layer.nondistributable.v1.tar…`` in the words of image-spec 1.0 (deprecated in 1.1).
    """
    return ".foreign." in media_type or ".nondistributable." in media_type
