"""The least of a client: one request at a time, bodies as they are, nothing hidden; and content of every kind."""

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packhorse.oci.digest import Digest

__all__ = ["KINDS", "Client", "Kind", "Reply", "digest_of"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """The digest of some bytes."""
    return str(Digest.of(content, algorithm))


@dataclass
class Reply:
    """An answer, read to its end; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The error codes in the body."""
        return [error["code"] for error in self.json()["errors"]]


@dataclass
class Kind:
    """A manifest of one kind, with what must be there before it."""

    media_type: str
    content: bytes
    blobs: tuple[bytes, ...] = ()
    children: tuple["Kind", ...] = ()
    algorithm: str = "sha256"
    subject: str = ""
    artifact_type: str = ""

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return digest_of(self.content, self.algorithm)


@dataclass
class Client:
    """Asks one server."""

    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send one request; underscores in the names of headers stand for dashes."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers={**self.headers, **named})
            answer = connection.getresponse()
            return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def begin(self, name: str, query: str = "") -> Reply:
        """Begin an upload."""
        return self.ask("POST", f"/v2/{name}/blobs/uploads/{query}")

    def push_blob(self, name: str, content: bytes, algorithm: str = "sha256") -> Reply:
        """Push a blob with POST and PUT."""
        location = self.begin(name, f"?digest-algorithm={algorithm}").headers["location"]
        return self.close_upload(location, content, digest_of(content, algorithm))

    def close_upload(self, location: str, content: bytes, digest: str, **headers: str) -> Reply:
        """End an upload."""
        mark = "&" if "?" in location else "?"
        return self.ask("PUT", f"{location}{mark}digest={digest}", content, **headers)

    def push(self, name: str, kind: Kind, target: str | None = None) -> Reply:
        """Push a manifest with everything below it, under a tag or its digest."""
        for blob in kind.blobs:
            assert self.push_blob(name, blob, kind.algorithm).status == 201
        for child in kind.children:
            assert self.push(name, child).status == 201
        return self.put(name, target or kind.digest, kind)

    def put(self, name: str, target: str, kind: Kind, query: str = "", **headers: str) -> Reply:
        """Put a manifest alone."""
        path = f"/v2/{name}/manifests/{target}{query}"
        return self.ask("PUT", path, kind.content, Content_Type=kind.media_type, **headers)


def descriptor(content: bytes, media_type: str, algorithm: str = "sha256", **more: object) -> dict[str, object]:
    """Describe some bytes."""
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **more}


def image(layers: Sequence[bytes] = (b"layer one", b"layer two"), algorithm: str = "sha256", **more: object) -> Kind:
    """Make an image."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "layers": len(layers)}).encode()
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG, algorithm),
        "layers": [descriptor(layer, LAYER, algorithm) for layer in layers],
        **more,
    }
    blobs = tuple(dict.fromkeys((config, *layers)))
    subject = document.get("subject")
    told = subject["digest"] if isinstance(subject, dict) else ""
    artifact_type = str(document.get("artifactType") or CONFIG)
    return Kind(MANIFEST, json.dumps(document).encode(), blobs, (), algorithm, told, artifact_type)


def index(*children: Kind, listed: Sequence[dict[str, object]] = (), **more: object) -> Kind:
    """Make an index."""
    entries = [descriptor(child.content, child.media_type) for child in children]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*entries, *listed], **more}
    subject = document.get("subject")
    told = subject["digest"] if isinstance(subject, dict) else ""
    return Kind(
        INDEX,
        json.dumps(document).encode(),
        (),
        children,
        subject=told,
        artifact_type=str(more.get("artifactType", "")),
    )


def _docker() -> Kind:
    made = image((b"docker layer",))
    document = json.loads(made.content)
    document["mediaType"] = DOCKER_MANIFEST
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    document["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    return Kind(DOCKER_MANIFEST, json.dumps(document).encode(), made.blobs)


_SUBJECT = image((b"what is referred to",))
_ABSENT = image((b"nobody has this",))
_FOREIGN = {
    **descriptor(b"elsewhere", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    "urls": ["https://example.com/layer"],
}

KINDS: Mapping[str, Kind] = {
    "image": image(),
    "index": index(image((b"amd64",)), image((b"arm64",))),
    "nested index": index(index(image((b"inner",))), image((b"outer",))),
    "artifact": image((b"an SBOM",), artifactType="application/spdx+json"),
    "artifact index": index(image((b"part",)), artifactType="application/vnd.example.set"),
    "subject": image(
        (b"a signature",),
        artifactType="application/vnd.example.signature",
        subject=descriptor(_SUBJECT.content, MANIFEST),
        annotations={"dev.example.of": "one"},
    ),
    "subject index": index(
        image((b"of an index",)),
        artifactType="application/vnd.example.bundle",
        subject=descriptor(_SUBJECT.content, MANIFEST),
    ),
    "missing subject": image((b"too early",), subject=descriptor(_ABSENT.content, MANIFEST)),
    "no layers": image(()),
    "empty blob": image((b"",)),
    "data field": image((b"{}",), annotations={"data": "beside"}, config={**descriptor(b"{}", EMPTY), "data": "e30="}),
    "sha512": image((b"long digests",), "sha512"),
    "large manifest": image((b"large",), annotations={"dev.example.padding": "x" * (3 * 1024 * 1024)}),
    "custom fields": image((b"custom",), customField={"nested": [1, 2, 3]}),
    "non-distributable": Kind(
        MANIFEST,
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": descriptor(b"{}", CONFIG),
                "layers": [_FOREIGN],
            }
        ).encode(),
        (b"{}",),
    ),
    "sparse index": index(image((b"is here",)), listed=[descriptor(_ABSENT.content, MANIFEST)]),
    "Docker schema 2": _docker(),
    "empty index": index(),
}
"""Every kind of data, by name."""
