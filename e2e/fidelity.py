"""What a registry has to have when everything that some layouts of the corpus lead to was carried to it."""

import hashlib
import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from corpus.layout import Descriptor, Layout, listed

__all__ = ["Expected", "Reader"]

_ACCEPT = ", ".join(
    f"application/vnd.{kind}"
    for kind in (
        "oci.image.index.v1+json",
        "oci.image.manifest.v1+json",
        "docker.distribution.manifest.list.v2+json",
        "docker.distribution.manifest.v2+json",
    )
)
_PIECE = 1 << 20


@dataclass(frozen=True)
class Expected:
    """What has to be found on the far side, by repository."""

    manifests: dict[tuple[str, str], Path] = field(default_factory=dict)
    blobs: dict[tuple[str, str], int] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    referrers: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def add(self, layout: Layout) -> None:
        """Take in all that the one name of a layout leads to."""
        ((name, descriptor),) = layout.named()
        repository, mark, target = re.fullmatch(r"(.+?)([@:])([^/]+)", name).groups()  # type: ignore[union-attr]
        if mark == ":":
            self.tags[repository, target] = str(descriptor["digest"])
        self._walk(layout, repository, descriptor)

    def _walk(self, layout: Layout, repository: str, descriptor: Descriptor) -> None:
        digest = str(descriptor["digest"])
        self.manifests[repository, digest] = layout.blob(digest)
        manifest = layout.read_json(digest)
        for child in listed(manifest, "manifests"):
            self._walk(layout, repository, child)
        for blob in (*listed(manifest, "config"), *listed(manifest, "layers")):
            if "urls" not in blob:
                self.blobs[repository, str(blob["digest"])] = int(str(blob["size"]))
        for subject in listed(manifest, "subject"):
            self.referrers.setdefault((repository, str(subject["digest"])), set()).add(digest)


class Reader:
    """Reads a registry as the distribution specification says, and trusts nothing."""

    def __init__(self, address: str, prefix: str = "") -> None:
        self.address = address
        self._prefix = f"{prefix}/" if prefix else ""
        self._connection = http.client.HTTPConnection(address, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _ask(self, method: str, repository: str, what: str) -> http.client.HTTPResponse:
        """Ask for one thing of a repository; the answer's body is the caller's to read."""
        self._connection.request(method, f"/v2/{self._prefix}{repository}/{what}", headers={"Accept": _ACCEPT})
        return self._connection.getresponse()

    def digest_of(self, repository: str, what: str) -> tuple[int, str, bytes]:
        """Read something to its end: its status, the SHA-256 of what came, and its first bytes."""
        answer = self._ask("GET", repository, what)
        hashed, head = hashlib.sha256(), b""
        while piece := answer.read(_PIECE):
            hashed.update(piece)
            head = head or piece
        return answer.status, f"sha256:{hashed.hexdigest()}", head

    def check(self, expected: Expected) -> None:
        """Find everything that is expected, to the byte."""
        wrong = [*self._wrong_manifests(expected), *self._wrong_blobs(expected), *self._wrong_names(expected)]
        assert not wrong, "\n".join([f"{self.address} lacks or changed {len(wrong)} things:", *wrong[:20]])

    def _wrong_manifests(self, expected: Expected) -> Iterator[str]:
        for (repository, digest), path in expected.manifests.items():
            status, found, content = self.digest_of(repository, f"manifests/{digest}")
            if (status, found) != (200, digest) or content != path.read_bytes():
                yield f"manifest {repository}@{digest}: {status}, {found}"

    def _wrong_blobs(self, expected: Expected) -> Iterator[str]:
        read: set[str] = set()
        for (repository, digest), size in expected.blobs.items():
            if digest in read:
                answer = self._ask("HEAD", repository, f"blobs/{digest}")
                answer.read()
                if answer.status != 200 or int(answer.headers["Content-Length"]) != size:
                    yield f"blob {digest} in {repository}: {answer.status}"
                continue
            read.add(digest)
            status, found, _ = self.digest_of(repository, f"blobs/{digest}")
            if (status, found) != (200, digest):
                yield f"blob {digest} in {repository}: {status}, {found}"

    def _wrong_names(self, expected: Expected) -> Iterator[str]:
        for (repository, tag), digest in expected.tags.items():
            status, found, _ = self.digest_of(repository, f"manifests/{tag}")
            if (status, found) != (200, digest):
                yield f"tag {repository}:{tag}: {status}, {found} instead of {digest}"
        for (repository, subject), digests in expected.referrers.items():
            entries = self._referrers(repository, subject)
            if {entry["digest"] for entry in entries} != digests:
                yield f"referrers of {repository}@{subject}: {entries}"
            if not all(entry.get("artifactType") for entry in entries):
                yield f"referrers of {repository}@{subject} without a type: {entries}"

    def _referrers(self, repository: str, subject: str) -> list[dict[str, Any]]:
        """The API's list, or that of the tag which stands in for it ("Referrers Tag Schema")."""
        for what in (f"referrers/{subject}", f"manifests/{subject.replace(':', '-')}"):
            answer = self._ask("GET", repository, what)
            said = answer.read()
            if answer.status == 200:
                entries: list[dict[str, Any]] = json.loads(said)["manifests"]
                return entries
        return []
