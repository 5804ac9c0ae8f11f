"""Image discovery: from the objects that a package renders to, to every image that a cluster will pull for them.

Pure: it reads no files, asks no registry, and the same objects give the same finds in the same order.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packhorse.package import pod_images
from packhorse.package.custom_images import TreeWalk
from packhorse.package.image_hits import CERTAINTIES, FieldPath, Hit
from packhorse.package.image_text import is_image_key, is_reference, looks_qualified, references_in
from packhorse.package.kubernetes_objects import SourcedObject, read_documents
from packhorse.package.lock import Certainty
from packhorse.package.resource_schemas import Schemas, default_images, is_definition

__all__ = ["ImageFind", "chart_annotation_finds", "discover"]

_BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
"""Groups of Kubernetes' own kinds; what they have of images is known field by field."""

_COPIES = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
_NOT_PULLED = frozenset({("image.toolkit.fluxcd.io", "ImageRepository")})
"""Custom resources that name a repository whose tags are listed, and nothing that is pulled."""

_CHART_IMAGES = "artifacthub.io/images"
_OCI_URL = "oci://"


@dataclass(frozen=True, slots=True)
class ImageFind:
    """A reference, as it is written, and where."""

    reference: str
    certainty: Certainty
    file: str
    object: str
    field: str


def discover(items: Sequence[SourcedObject], schemas: Schemas | None = None) -> tuple[ImageFind, ...]:
    """Find the images in ``items``.

    Args:
        items: The objects, with lists already unpacked (:func:`~packhorse.package.kubernetes_objects.read_objects`).
        schemas: Of all custom resources that the package brings; those among ``items`` when it is left out.

    Returns:
        One find for each reference in each field, in the order of ``items``.

    Raises:
        ConfigError: An object is too large or too deeply nested to be one.
    """
    known = Schemas.of(items) if schemas is None else schemas
    kinds = {(item.group, item.kind) for item in items}
    return tuple(find for item in items for find in _finds_of(item, known, kinds))


def chart_annotation_finds(annotations: Mapping[str, str], file: str) -> tuple[ImageFind, ...]:
    """Find the images that a chart declares in its ``artifacthub.io/images`` annotation.

    Args:
        annotations: Of ``Chart.yaml``.
        file: Path of the ``Chart.yaml``, for people.

    Raises:
        ConfigError: The annotation is not YAML.
    """
    text = annotations.get(_CHART_IMAGES, "")
    field = FieldPath("annotations").key(_CHART_IMAGES).inside()
    found = []
    for document in read_documents(text, f"{file}: annotation {_CHART_IMAGES}"):
        for number, entry in enumerate(document if isinstance(document, list) else []):
            image = entry.get("image") if isinstance(entry, Mapping) else None
            if isinstance(image, str) and is_reference(image):
                found.append(ImageFind(image, "declared", file, "", field.index(number).key("image").text))
    return tuple(found)


def _finds_of(item: SourcedObject, schemas: Schemas, kinds: set[tuple[str, str]]) -> Iterator[ImageFind]:
    best: dict[tuple[str, str], Hit] = {}
    for hit in _hits(item, schemas, kinds):
        known = best.get((hit.field, hit.reference))
        if known is None or CERTAINTIES.index(hit.certainty) < CERTAINTIES.index(known.certainty):
            best[hit.field, hit.reference] = hit
    for hit in best.values():
        yield ImageFind(hit.reference, hit.certainty, item.file, item.title, hit.field)


def _hits(item: SourcedObject, schemas: Schemas, kinds: set[tuple[str, str]]) -> Iterator[Hit]:
    walk = TreeWalk(f"{item.file}: {item.title}")
    pod_path = pod_images.POD_SPEC_PATHS.get((item.group, item.kind))
    yield from _annotation_hits(item.tree, FieldPath(), walk)
    if pod_path is not None:
        yield from _workload_hits(item, pod_path, walk)
    elif is_definition(item):
        for default in default_images(item):
            certainty: Certainty = "declared" if default.group_kind in kinds else "likely"
            yield Hit(certainty, default.field, default.reference)
    elif item.group == "" and item.kind in {"ConfigMap", "Secret"}:
        yield from _data_hits(item, walk)
    elif item.group not in _BUILT_IN_GROUPS and (item.group, item.kind) not in _NOT_PULLED:
        yield from _custom_hits(item, schemas, walk)


def _workload_hits(item: SourcedObject, pod_path: Sequence[str], walk: TreeWalk) -> Iterator[Hit]:
    spec = _at(item.tree, pod_path)
    template = _at(item.tree, pod_path[:-1])
    if len(pod_path) > 1 and template is not None:
        yield from _annotation_hits(template, FieldPath().keys(pod_path[:-1]), walk)
    if spec is not None:
        yield from pod_images.pod_spec_hits(spec, FieldPath().keys(pod_path), "exact")


def _custom_hits(item: SourcedObject, schemas: Schemas, walk: TreeWalk) -> Iterator[Hit]:
    schema = schemas.of_object(item)
    properties = schema.get("properties", {}) if schema is not None else {}
    for key, value in item.tree.items():
        if key not in {"apiVersion", "kind", "metadata", "status"}:
            below = properties.get(key) if isinstance(properties, Mapping) else None
            yield from walk.hits(value, FieldPath().key(key), below if isinstance(below, Mapping) else None, str(key))
    yield from _oci_source_hits(item)


def _oci_source_hits(item: SourcedObject) -> Iterator[Hit]:
    """Flux's ``OCIRepository``: an ``oci://`` URL, with the tag or digest in fields of their own."""
    spec = _at(item.tree, ("spec",))
    url = spec.get("url") if spec is not None else None
    if spec is None or item.kind != "OCIRepository" or not isinstance(url, str) or not url.startswith(_OCI_URL):
        return
    ref = _at(spec, ("ref",)) or {}
    name = url.removeprefix(_OCI_URL)
    reference = f"{name}@{ref['digest']}" if ref.get("digest") else f"{name}:{ref.get('tag') or 'latest'}"
    if is_reference(reference) and not ref.get("semver"):
        yield Hit("declared", "spec.url", reference)


def _annotation_hits(tree: Mapping[str, Any], path: FieldPath, walk: TreeWalk) -> Iterator[Hit]:
    annotations = _at(tree, ("metadata", "annotations")) or {}
    for key, value in annotations.items():
        field = path.keys(["metadata", "annotations"]).key(key)
        if not isinstance(value, str) or key in _COPIES:
            continue
        if is_image_key(str(key).rpartition("/")[2]) and looks_qualified(value):
            yield Hit("declared", field.text, _with_version(value, annotations, str(key)))
        elif "\n" in value or value.lstrip()[:1] in {"{", "["}:
            yield from walk.text_hits(value, field)
        else:
            yield from (Hit("likely", field.text, reference) for _, reference in references_in(value))


def _with_version(reference: str, annotations: Mapping[str, Any], key: str) -> str:
    """Linkerd's ``proxy-image`` has its tag in ``proxy-version``."""
    version = annotations.get(f"{key.removesuffix('image')}version")
    if not isinstance(version, str) or ":" in reference.rpartition("/")[2] or "@" in reference:
        return reference
    joined = f"{reference}:{version}"
    return joined if is_reference(joined) else reference


def _data_hits(item: SourcedObject, walk: TreeWalk) -> Iterator[Hit]:
    """ConfigMaps and Secrets: every text in them, read as YAML where it is, else line by line."""
    for section in ("data", "stringData", "binaryData"):
        for key, value in (_at(item.tree, (section,)) or {}).items():
            encoded = section == "binaryData" or (item.kind == "Secret" and section == "data")
            text = _decoded(value) if encoded else value
            path = FieldPath(section).key(key)
            if not isinstance(text, str) or not text:
                continue
            if is_image_key(str(key)) and looks_qualified(text.strip()):
                yield Hit("likely", path.text, text.strip())
            else:
                yield from walk.text_hits(text, path)


def _decoded(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        # Kubernetes reads past the ends of lines; kustomize folds what it encodes.
        return base64.b64decode("".join(value.split()), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def _at(tree: Mapping[str, Any], path: Iterable[str]) -> Mapping[str, Any] | None:
    found: object = tree
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None
