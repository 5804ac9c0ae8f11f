"""Images in trees that Kubernetes itself does not understand: custom resources, and configuration in text.

The tree is walked whole. Pod specifications, containers and steps at any depth are known by their shape, references
in pieces are put together, fields are judged by their names and, where the package brings a schema, by what that says.
Text with structure in it is read as YAML and walked too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from packhorse.base.errors import ConfigError
from packhorse.package import pod_images
from packhorse.package.image_hits import FieldPath, Hit, weakened
from packhorse.package.image_parts import joined_parts
from packhorse.package.image_text import is_image_key, is_images_key, is_reference, looks_qualified, references_in
from packhorse.package.kubernetes_objects import ObjectLoader
from packhorse.package.lock import Certainty
from packhorse.package.named_values import named_value_hits
from packhorse.package.resource_schemas import describes_image, property_schema

__all__ = ["TreeWalk"]

_MAX_NODES = 500_000
_MAX_DEPTH = 120
_MAX_EMBEDDED_DEPTH = 3
_MAX_EMBEDDED_TEXT = 2_000_000
_STEP_LISTS = frozenset({"steps", "sidecars", "containers", "initContainers", "ephemeralContainers"})
"""Lists of containers in Tekton's tasks, Argo's workflows and everything that is shaped like a pod."""
_STEPS = frozenset({"container", "script", "stepTemplate", "sidecar", "containerTemplate"})
"""Single containers in Argo's workflows and Tekton's tasks."""
_DOCKER_IMAGE = "DockerImage"
"""What OpenShift's image streams and builds call an image in a registry: ``{kind: DockerImage, name: nodejs:22}``."""

_CONTAINER_FIELDS = frozenset({"image", "env", "command", "args"})


class TreeWalk:
    """One walk over the trees of one object.

    Args:
        where: What is walked, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = _MAX_NODES
        self._depth = 0
        self._embedded = 0
        self._hubs: list[tuple[str, str]] = []

    def hits(
        self, value: object, path: FieldPath, schema: Mapping[str, Any] | None = None, key: str = ""
    ) -> Iterator[Hit]:
        """Find the images in ``value``.

        Args:
            path: Where it stands.
            schema: What its definition says of it; None when there is none.
            key: The name of the field that has it.

        Raises:
            ConfigError: It is nested deeper, or has more in it, than any object can have.
        """
        self._left -= 1
        if self._left < 0 or self._depth >= _MAX_DEPTH:
            raise ConfigError(f"{self._where} is too large or too deeply nested to look for images in")
        self._depth += 1
        if isinstance(value, Mapping):
            yield from self._map_hits(value, path, schema, key)
        elif isinstance(value, list):
            yield from self._list_hits(value, path, schema, key)
        elif isinstance(value, str):
            yield from self._string_hits(value, path, schema, key)
        self._depth -= 1

    def text_hits(self, text: str, path: FieldPath) -> Iterator[Hit]:
        """Find the images in a text that may have structure: never surer than ``likely``."""
        tree = self._structure(text)
        if tree is None:
            yield from (Hit("likely", path.line(line).text, reference) for line, reference in references_in(text))
            return
        self._embedded += 1
        for number, document in enumerate(tree):
            inner = path.inside() if len(tree) == 1 else path.inside().index(number)
            yield from (weakened(hit, "likely") for hit in self.hits(document, inner))
        self._embedded -= 1

    def _map_hits(
        self, tree: Mapping[str, Any], path: FieldPath, schema: Mapping[str, Any] | None, key: str
    ) -> Iterator[Hit]:
        certainty: Certainty = "declared" if schema is not None else "likely"
        used: set[str] = set()
        if pod_images.is_pod_spec(tree):
            yield from pod_images.pod_spec_hits(tree, path, "declared")
            used.update((*pod_images.CONTAINER_LISTS, "volumes"))
        elif key in _STEPS and isinstance(tree.get("image"), str):
            yield from pod_images.container_hits(tree, path, "declared")
            used |= _CONTAINER_FIELDS
        elif tree.get("kind") == _DOCKER_IMAGE and isinstance(name := tree.get("name"), str) and is_reference(name):
            yield Hit("declared", path.key("name").text, name)
            used.add("name")
        for joined in joined_parts(tree, is_image=is_image_key(key), is_listed=is_images_key(key)):
            if joined.key not in used:
                yield Hit(certainty, path.key(joined.key).text, joined.reference)
                used |= joined.used
        hub = _hub(tree)
        self._hubs += hub
        for name, child in tree.items():
            if name not in used:
                below = _key_below(key, str(name), child)
                yield from self.hits(child, path.key(name), property_schema(schema, str(name)), below)
        del self._hubs[len(self._hubs) - len(hub) :]

    def _list_hits(
        self, items: list[Any], path: FieldPath, schema: Mapping[str, Any] | None, key: str
    ) -> Iterator[Hit]:
        below = property_schema(schema, 0)
        if key == "env" and all(isinstance(item, Mapping) and "name" in item for item in items):
            yield from pod_images.environment_hits(items, path)
            return
        named = dict(named_value_hits(items, path))
        yield from named.values()
        for number, item in enumerate(items):
            inner = path.index(number)
            image = item.get("image") if isinstance(item, Mapping) else None
            if key in _STEP_LISTS and isinstance(image, str):
                yield from pod_images.container_hits(item, inner, "declared")
                rest = {name: child for name, child in item.items() if name not in _CONTAINER_FIELDS}
                yield from self.hits(rest, inner, below)
            elif key == "relatedImages" and isinstance(image, str) and is_reference(image):
                yield Hit("declared", inner.key("image").text, image)
            elif number not in named:
                yield from self.hits(item, inner, below, _key_of_item(key, item))

    def _string_hits(self, text: str, path: FieldPath, schema: Mapping[str, Any] | None, key: str) -> Iterator[Hit]:
        text = text.strip()
        certainty: Certainty = "likely" if schema is None else "declared"
        if is_image_key(key) and is_reference(text):
            yield Hit(certainty, path.text, self._with_hub(text))
        elif is_images_key(key) and looks_qualified(last := text.rpartition("=")[2]):
            # Argo CD has ``old=new``, as ``kustomize edit set image`` does.
            yield Hit(certainty, path.text, last)
        elif describes_image(schema) and looks_qualified(text):
            yield Hit("declared", path.text, text)
        elif "\n" in text or text[:1] in {"{", "["}:
            yield from self.text_hits(text, path)
        else:
            yield from (Hit("likely", path.text, reference) for _, reference in references_in(text))

    def _with_hub(self, name: str) -> str:
        """Istio's proxies have a bare name; the hub and the tag stand above them, for all of them together."""
        if not self._hubs or any(sign in name for sign in "/:@"):
            return name
        hub, tag = self._hubs[-1]
        joined = f"{hub}/{name}:{tag}"
        return joined if is_reference(joined) else name

    def _structure(self, text: str) -> list[Any] | None:
        """Read a text as YAML; None when it has no structure, or is none."""
        if self._embedded >= _MAX_EMBEDDED_DEPTH or len(text) > _MAX_EMBEDDED_TEXT or not any(c in text for c in ":{["):
            return None
        try:
            documents = [tree for tree in yaml.load_all(text, Loader=ObjectLoader) if tree is not None]
        except (yaml.YAMLError, ValueError, RecursionError):
            return None
        return documents if documents and all(isinstance(tree, Mapping | list) for tree in documents) else None


def _hub(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The hub and the tag of a map; those of its ``global`` hold for all of it, as everywhere in Helm's values."""
    for source in (tree, tree.get("global")):
        if not isinstance(source, Mapping):
            continue
        hub, tag = source.get("hub"), source.get("tag")
        if isinstance(hub, str) and hub and isinstance(tag, str | int | float) and tag:
            variant = source.get("variant")
            suffix = f"-{variant}" if isinstance(variant, str) and variant not in {"", "default"} else ""
            return [(hub.rstrip("/"), f"{str(tag).removesuffix(suffix)}{suffix}")]
    return []


def _key_of_item(key: str, item: object) -> str:
    """What the items of a list are known by: texts and lists by its key, and maps only where it is of images."""
    if isinstance(item, Mapping):
        return f"{key}[]" if is_images_key(key) else ""
    return key if isinstance(item, list) or is_images_key(key) else ""


def _key_below(key: str, name: str, child: object) -> str:
    """Under ``images`` every name is that of an image: ``images: {gateway: acme/gateway:1}``."""
    if key != "images" or is_image_key(name):
        return name
    if isinstance(child, str):
        return key if looks_qualified(child) and ("@" in child or ":" in child.rpartition("/")[2]) else name
    return key if isinstance(child, Mapping) else name
