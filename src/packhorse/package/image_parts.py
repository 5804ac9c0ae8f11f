"""References that stand in pieces: registry, repository, tag and digest in fields of their own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packhorse.package.image_text import is_image_key, is_reference

__all__ = ["Joined", "joined_parts"]

_REPOSITORY = ("repository", "repo", "imageRepository", "baseImage")
_NAME = ("name", "image", "imageName")
_REGISTRY = ("registry", "imageRegistry", "hub")
_TAG = ("tag", "imageTag")
_DIGEST = ("digest", "imageDigest", "sha", "sha256")
_PREFIXED = re.compile(r"(?P<stem>.*[iI]mage)(?P<separator>[_-]?)(?:[rR]epository|[rR]epo|[nN]ame)")


@dataclass(frozen=True, slots=True)
class Joined:
    """A reference put together from fields of one map, and the keys that it used up."""

    key: str
    """The key that people would look for: of the repository."""
    reference: str
    used: frozenset[str]


def joined_parts(tree: Mapping[str, Any], *, is_image: bool = False, is_listed: bool = False) -> Iterator[Joined]:
    """Find the references that the fields of ``tree`` make together.

    Known are ``repository`` with ``tag`` or ``digest`` (and ``registry``), ``repository`` with ``image`` and
    ``version`` below it, ``fooImageRepository`` with ``fooImageTag``, ``image: name`` with ``tag`` or ``version``
    beside it, and ``newName`` with ``newTag`` as kustomize has them. Without a tag or digest, whoever reads the map
    fills in one that nobody can know here: then there is no find.

    Args:
        is_image: Whether the key that led to ``tree`` says that it is an image, so that ``name`` is its repository.
        is_listed: Whether ``tree`` stands among ``images``, so that ``name`` with ``tag`` is one.
    """
    direct = _replaced(tree) or _shared(tree) or _direct(tree, is_image=is_image, is_listed=is_listed)
    if direct is not None:
        yield direct
    for key in tree:
        if direct is not None and key in direct.used:
            continue
        if (match := _PREFIXED.fullmatch(key)) is not None:
            joined = _prefixed(tree, key, match)
        else:
            joined = _beside(tree, key) if is_image_key(key) else None
        if joined is not None:
            yield joined


def _replaced(tree: Mapping[str, Any]) -> Joined | None:
    """Kustomize's ``images``, in kustomizations of Flux and elsewhere: what takes the place of ``name``."""
    if not tree.keys() & {"newName", "newTag"}:
        return None
    repository = _first(tree, ("newName", "name"))
    return _join(tree, repository, None, _first(tree, ("newTag",)), _first(tree, ("digest",))) if repository else None


def _shared(tree: Mapping[str, Any]) -> Joined | None:
    """A repository for several images, the image's name in it, and its version, which may be a digest."""
    repository, name = _text(tree.get("repository")).rstrip("/"), _text(tree.get("image"))
    version = _first(tree, (*_TAG, "version", *_DIGEST))
    if not repository or not name or any(sign in name for sign in "/:@") or version is None:
        return None
    text = _text(tree[version])
    reference = f"{repository}/{name}{'@' if ':' in text else ':'}{text}"
    return Joined("image", reference, frozenset({"repository", "image", version})) if is_reference(reference) else None


def _direct(tree: Mapping[str, Any], *, is_image: bool, is_listed: bool) -> Joined | None:
    repository = _first(tree, (*_REPOSITORY, *_NAME) if is_image or is_listed else _REPOSITORY)
    if repository is None:
        return None
    versions = (*_TAG, "version") if is_image else _TAG
    return _join(tree, repository, _first(tree, _REGISTRY), _first(tree, versions), _first(tree, _DIGEST))


def _prefixed(tree: Mapping[str, Any], key: str, match: re.Match[str]) -> Joined | None:
    stem, separator = match["stem"], match["separator"]

    def sibling(*names: str) -> str | None:
        return _first(tree, tuple(f"{stem}{separator}{n if separator else n.capitalize()}" for n in names))

    return _join(tree, key, sibling("registry"), sibling("tag", "version"), sibling("digest", "sha"))


def _beside(tree: Mapping[str, Any], key: str) -> Joined | None:
    value = tree[key]
    if not isinstance(value, str) or ":" in value.rpartition("/")[2] or "@" in value:
        return None
    tag = _first(tree, (f"{key}Tag", f"{key}Version", f"{key}_tag", f"{key}_version", "tag", "version"))
    digest = _first(tree, (f"{key}Digest", f"{key}Sha", f"{key}_digest", "digest", "sha"))
    return _join(tree, key, _first(tree, (f"{key}Registry", "registry")), tag, digest)


def _first(tree: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of ``keys`` that has a text or a number in ``tree``."""
    return next((key for key in keys if _text(tree.get(key))), None)


def _join(
    tree: Mapping[str, Any], repository: str, registry: str | None, tag: str | None, digest: str | None
) -> Joined | None:
    text = _text(tree[repository])
    if not text or (tag is None and digest is None):
        return None
    host = _text(tree.get(registry or "")).rstrip("/")
    if host and not text.startswith(f"{host}/"):
        text = f"{host}/{text}"
    if tag is not None and ":" not in text.rpartition("/")[2]:
        text = f"{text}:{_text(tree[tag])}"
    if digest is not None:
        value = _text(tree[digest])
        text = f"{text}@{value if ':' in value else f'sha256:{value}'}"
    if not is_reference(text):
        return None
    used = frozenset(key for key in (repository, registry, tag, digest) if key is not None)
    return Joined(repository, text, used)


def _text(value: object) -> str:
    """What a field says; an unquoted ``7`` or ``1.2`` is the text that the cluster would make of it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()
