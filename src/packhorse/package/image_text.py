"""Telling image references from other text.

Two questions are asked. In a place that is made for images, is this text one? And in any other place, which parts of
this text can be nothing else? The second is strict: a reference needs a registry host and a tag or digest there, for
``text/html``, ``apps/v1``, ``host:8080`` and ``https://example.com/x`` stand in every other line.
"""

import re
from collections.abc import Iterator

from packhorse.base.errors import ConfigError
from packhorse.oci.reference import Reference

__all__ = ["is_image_key", "is_images_key", "is_reference", "looks_qualified", "references_in"]

_MAX_TEXT = 2_000_000
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = rf"(?:(?:{_LABEL}\.)+[a-z]{{2,24}}(?::\d{{2,5}})?|(?:{_LABEL}\.)*{_LABEL}:\d{{2,5}})"
_IN_TEXT = re.compile(
    rf"(?:(?<=[\s\"'`=,;|(\[{{<>])|(?<=docker://)|(?<=oci://)|(?<=registry://)|^)"
    rf"(?P<reference>(?P<host>{_HOST})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?)"
    r"(?=$|[\s\"'`,;|)\]}<>\\])",
    re.MULTILINE,
)
_SETTING = re.compile(
    r"^[ \t]*(?:export[ \t]+|--?)?(?P<key>[A-Za-z][\w.-]*)[ \t]*[=:][ \t]*"
    r"[\"']?(?P<reference>[^\s\"',;]+)[\"']?[ \t]*$",
    re.MULTILINE,
)
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_ENDINGS = (("image",), ("image", "name"), ("image", "ref"), ("image", "reference"), ("image", "url"), ("image", "uri"))
_NO_HOSTS = frozenset(
    {"cfg", "conf", "crt", "html", "ini", "jar", "json", "key", "lock", "log", "pem", "sock", "sum", "svc"}
    | {"tar", "tgz", "tmpl", "toml", "tpl", "txt", "xml", "yaml", "yml"}
)
"""Last labels that are names of files and of services in a cluster more often than of registries."""

_NO_IMAGES = re.compile(r"\.(?:png|jpe?g|gif|svg|ico|webp|bmp|iso|img|qcow2|raw|vmdk|ova|vhdx?|gz|xz|zip|tar|html?)$")
_TAINT_EFFECTS = frozenset({"NoSchedule", "PreferNoSchedule", "NoExecute"})
_API_VERSION = re.compile(r"(?:^|/)v\d+(?:(?:alpha|beta)\d+)?$")
_NUMBERS = re.compile(r"v?\d+(?:[.-]\d+)*(?:[.-](?:alpha|beta|rc)[.-]?\d*)?")
"""Versions and dates: whoever writes only one where an image could stand means that."""

_NO_VALUES = frozenset(
    {
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "enabled",
        "disabled",
        "allowed",
        "null",
        "none",
        "auto",
        "default",
        "always",
        "never",
        "latest",
    }
)


def is_image_key(key: str) -> bool:
    """Whether a field, variable or flag of this name holds one image.

    ``image``, ``proxyImage``, ``SIDECAR_IMAGE``, ``image-name`` and ``imageURL`` do; ``imagePullPolicy``, ``imageTag``
    and ``image_size`` do not.
    """
    words = _words(key)
    return any(words[-len(ending) :] == ending for ending in _ENDINGS)


def is_images_key(key: str) -> bool:
    """Whether a field of this name holds several images: ``images``, ``sidecarImages``."""
    return _words(key)[-1:] == ("images",)


def is_reference(text: str) -> bool:
    """Whether ``text``, in a place made for images, is one; ``nginx`` is, a URL or a picture's name is not."""
    lowered = text.lower()
    if lowered in _NO_VALUES or _NUMBERS.fullmatch(lowered) or _NO_IMAGES.search(lowered):
        return False
    try:
        reference = Reference.parse(text)
    except ConfigError:
        return False
    return not (reference.repository == "library/localhost" and str(reference.tag).isdigit())


def looks_qualified(text: str) -> bool:
    """Whether ``text`` is a reference that says more than a name: a registry, a tag or a digest."""
    if not is_reference(text):
        return False
    head, slash, _ = text.partition("/")
    has_host = bool(slash) and any(character in head for character in ".:")
    return has_host or "@" in text or ":" in text.rpartition("/")[2]


def references_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield what in ``text`` can only be a reference, with the number of its line, from 1.

    That is a registry host with a path and a tag or digest; or, on a line of its own, a setting whose name says that
    it is an image (``proxy_image = envoyproxy/envoy:v1.30``).
    """
    searched = text[:_MAX_TEXT]
    seen: set[str] = set()
    for pattern, read in ((_IN_TEXT, _trimmed), (_SETTING, _set)):
        line, counted = 1, 0
        for match in pattern.finditer(searched):
            reference = read(match)
            if reference is None or reference in seen:
                continue
            seen.add(reference)
            start = match.start("reference")
            line += searched.count("\n", counted, start)
            counted = start
            yield line, reference


def _set(match: re.Match[str]) -> str | None:
    value = match["reference"]
    return value if is_image_key(match["key"]) and looks_qualified(value) else None


def _trimmed(match: re.Match[str]) -> str | None:
    host, path, tag = match["host"], match["path"], match["tag"]
    if tag is not None and match["digest"] is None:
        tag = tag.rstrip(".") or None
    if (tag is None and match["digest"] is None) or host.rpartition(".")[2] in _NO_HOSTS:
        return None
    if tag in _TAINT_EFFECTS or (tag is not None and tag[0].isupper() and _API_VERSION.search(path)):
        return None
    reference = f"{host}/{path}" + (f":{tag}" if tag else "") + (f"@{match['digest']}" if match["digest"] else "")
    return reference if is_reference(reference) else None


def _words(key: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORDS.findall(key))
