"""Puts layouts into a registry, byte for byte, as the stand-in for the registries of the internet.

One registry stands for all of them: an image ``HOST/PATH:TAG`` goes to the repository ``HOST/PATH`` there, so that a
mirror ``HOST=http://REGISTRY/HOST`` finds it under its own path. What refers to an image goes beside it; a registry
that does not list referrers itself gets the list under the tag that the distribution specification has for that.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from corpus.errors import CorpusError
from corpus.layout import Descriptor, Layout, as_json, listed
from corpus.manifests import MEDIA_TYPES, index

__all__ = ["hosts", "push"]

_TIMEOUT_SECONDS = 60
_OK, _CREATED, _ACCEPTED, _NOT_FOUND = 200, 201, 202, 404
_INDEX = MEDIA_TYPES["oci"].index


def hosts(layout: Layout) -> list[str]:
    """Give the registry hosts that the names of ``layout`` have, sorted: each needs a mirror."""
    return sorted({name.partition("/")[0] for name, _ in layout.named()})


def push(layout: Layout, registry: str) -> list[str]:
    """Push everything in ``layout`` under its name; blobs that are there already are not sent again.

    Foreign layers stay out: no registry has them.

    Args:
        layout: Its names are full references, with a tag or a digest.
        registry: ``http://host:port``.

    Returns:
        What can be pulled from ``registry`` now, as ``<host>/<path>:<tag>`` or ``<host>/<path>@<digest>``.

    Raises:
        CorpusError: The registry cannot be reached, or refused something; all else is there then, and the message
            names what it refused.
    """
    names, refused = [], []
    with _connected(registry) as connection:
        for name, descriptor in layout.named():
            repository, target = _split(name)
            try:
                _Repository(connection, repository).push_tree(layout, descriptor, target)
                names.append(name)
            except CorpusError as error:
                refused.append(f"{name}: {error}")
    if refused:
        raise CorpusError("\n".join([f"{registry} refused {len(refused)} of {len(refused) + len(names)}:", *refused]))
    return names


def _split(name: str) -> tuple[str, str]:
    repository, _, digest = name.partition("@")
    if digest:
        return repository, digest
    repository, _, tag = name.rpartition(":")
    if not repository or "/" in tag:
        raise CorpusError(f'Expected a name with a tag or a digest, found "{name}".')
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


class _Repository:
    """One repository of a registry."""

    def __init__(self, connection: http.client.HTTPConnection, name: str) -> None:
        self._connection = connection
        self._base = f"/v2/{name}"

    def push_tree(self, layout: Layout, descriptor: Descriptor, target: str) -> None:
        """Push a manifest under a tag or its digest, after all that it leads to."""
        digest = str(descriptor["digest"])
        manifest = layout.read_json(digest)
        for child in listed(manifest, "manifests"):
            self.push_tree(layout, child, str(child["digest"]))
        for blob in (*listed(manifest, "layers"), *listed(manifest, "config")):
            if "urls" not in blob:
                self._push_blob(layout, blob)
        headers = {"Content-Type": str(descriptor["mediaType"])}
        data = layout.blob(digest).read_bytes()
        answer, _ = self._ask("PUT", f"manifests/{target}", (_CREATED,), data, headers)
        for subject in listed(manifest, "subject"):
            # A registry that keeps the list itself says so (distribution-spec, "Pushing Manifests with Subject").
            if answer.headers.get("OCI-Subject") is None:
                self._list_referrer(str(subject["digest"]), manifest, descriptor)

    def _list_referrer(self, subject: str, manifest: Mapping[str, object], descriptor: Descriptor) -> None:
        """Add a referrer to the list under its subject's tag (distribution-spec, "Referrers Tag Schema")."""
        path = f"manifests/{subject.replace(':', '-')}"
        answer, said = self._ask("GET", path, (_OK, _NOT_FOUND), headers={"Accept": _INDEX})
        known = listed(json.loads(said), "manifests") if answer.status == _OK else []
        if any(entry["digest"] == descriptor["digest"] for entry in known):
            return
        plain = {name: descriptor[name] for name in ("mediaType", "digest", "size")}
        about = {name: manifest[name] for name in ("artifactType", "annotations") if name in manifest}
        changed = as_json(index(_INDEX, [*known, {**plain, **about}]))
        self._ask("PUT", path, (_CREATED,), changed, {"Content-Type": _INDEX})

    def _push_blob(self, layout: Layout, blob: Descriptor) -> None:
        digest = str(blob["digest"])
        if self._ask("HEAD", f"blobs/{digest}", (_OK, _NOT_FOUND))[0].status == _OK:
            return
        begun, _ = self._ask("POST", "blobs/uploads/", (_ACCEPTED,))
        location = urlsplit(begun.headers["Location"])
        query = f"{location.query}&digest={digest}" if location.query else f"digest={digest}"
        with layout.blob(digest).open("rb") as stream:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob["size"])}
            _ask(self._connection, "PUT", f"{location.path}?{query}", (_CREATED,), stream, headers)

    def _ask(
        self,
        method: str,
        path: str,
        expected: tuple[int, ...],
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        return _ask(self._connection, method, f"{self._base}/{path}", expected, body, headers)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    expected: tuple[int, ...],
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(method, path, body=body, headers=headers or {})  # type: ignore[arg-type]
    answer = connection.getresponse()
    said = answer.read()
    if answer.status not in expected:
        raise CorpusError(f"Expected {expected} for {method} {path}, found {answer.status}: {said[:300]!r}.")
    return answer, said
