"""Puts layouts into a registry, byte for byte, as the stand-in for the registries of the internet.

One registry stands for all of them: an image ``HOST/PATH:TAG`` goes to the repository ``HOST/PATH`` there, so that a
mirror ``HOST=http://REGISTRY/HOST`` finds it under its own path.
"""

import http.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from corpus.errors import CorpusError
from corpus.layout import Descriptor, Layout

__all__ = ["hosts", "push"]

_TIMEOUT_SECONDS = 60
_OK, _CREATED, _ACCEPTED, _NOT_FOUND = 200, 201, 202, 404


def hosts(layout: Layout) -> list[str]:
    """Give the registry hosts that the names of ``layout`` have, sorted: each needs a mirror."""
    return sorted({name.partition("/")[0] for name, _ in layout.named()})


def push(layout: Layout, registry: str) -> list[str]:
    """Push every image of ``layout`` under ``<host>/<path>:<tag>``; blobs that are there already are not sent again.

    Args:
        layout: Its names are full references.
        registry: ``http://host:port``.

    Returns:
        What can be pulled from ``registry`` now, as ``<host>/<path>:<tag>``.

    Raises:
        CorpusError: The registry refused, or cannot be reached.
    """
    names = []
    with _connected(registry) as connection:
        for name, descriptor in layout.named():
            repository, tag = _split(name)
            _push_tree(connection, layout, repository, descriptor, tag)
            names.append(name)
    return names


def _split(name: str) -> tuple[str, str]:
    repository, _, tag = name.rpartition(":")
    if not repository or "/" in tag:
        raise CorpusError(f'Expected a name with a tag, found "{name}".')
    return repository, tag


@contextmanager
def _connected(registry: str) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(registry)
    if address.scheme != "http" or not address.hostname:
        raise CorpusError(f'Expected a registry as http://host:port, found "{registry}".')
    connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=_TIMEOUT_SECONDS)
    try:
        yield connection
    except OSError as error:
        raise CorpusError(f"Expected a registry at {registry}, found: {error}.") from error
    finally:
        connection.close()


def _push_tree(
    connection: http.client.HTTPConnection, layout: Layout, repository: str, descriptor: Descriptor, tag: str
) -> None:
    digest = str(descriptor["digest"])
    manifest = layout.read_json(digest)
    for child in _list(manifest, "manifests"):
        _push_tree(connection, layout, repository, child, str(child["digest"]))
    for blob in (*_list(manifest, "layers"), *_list(manifest, "config")):
        _push_blob(connection, layout, repository, blob)
    headers = {"Content-Type": str(descriptor["mediaType"])}
    path = f"/v2/{repository}/manifests/{tag}"
    _ask(connection, "PUT", path, (_CREATED,), layout.blob(digest).read_bytes(), headers)


def _list(manifest: dict[str, object], name: str) -> Iterable[Descriptor]:
    value = manifest.get(name, [])
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) else []


def _push_blob(connection: http.client.HTTPConnection, layout: Layout, repository: str, blob: Descriptor) -> None:
    digest = str(blob["digest"])
    if _ask(connection, "HEAD", f"/v2/{repository}/blobs/{digest}", (_OK, _NOT_FOUND)).status == _OK:
        return
    begun = _ask(connection, "POST", f"/v2/{repository}/blobs/uploads/", (_ACCEPTED,))
    location = urlsplit(begun.headers["Location"])
    query = f"{location.query}&digest={digest}" if location.query else f"digest={digest}"
    with layout.blob(digest).open("rb") as stream:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob["size"])}
        _ask(connection, "PUT", f"{location.path}?{query}", (_CREATED,), stream, headers)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    expected: tuple[int, ...],
    body: object = None,
    headers: dict[str, str] | None = None,
) -> http.client.HTTPResponse:
    connection.request(method, path, body=body, headers=headers or {})  # type: ignore[arg-type]
    answer = connection.getresponse()
    said = answer.read()
    if answer.status not in expected:
        raise CorpusError(f"Expected {expected} for {method} {path}, found {answer.status}: {said[:300]!r}.")
    return answer
