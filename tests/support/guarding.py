"""A registry behind a guard, and clients with names and passwords."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt

from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.registry.access.guard import Guard, GuardSettings
from packhorse.registry.listener import TlsFiles
from packhorse.store.directory_site import DirectorySite
from tests.support.serving import Reply, Server, running

__all__ = ["ACCESS", "EMPTY", "Guarded", "basic", "guarded", "write_users"]

EMPTY = b"{}"

ACCESS = """\
usersFile: users.htpasswd
groups:
  admins: [admin]
  nodes: [node]
rules:
  - role: admin
    groups: [admins]
  - role: push
    users: [ci]
    repositories: [team/*, docker.io/library/*]
  - role: pull
    groups: [nodes]
    repositories: ["team/*"]
  - role: delete
    users: [cleaner]
    repositories: [team/old]
tokens:
  keyFile: token.key
"""


def basic(user: str, password: str | None = None) -> str:
    """What a client sends who has a password; that of each user here is the name and ``-pass``."""
    pair = f"{user}:{f'{user}-pass' if password is None else password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def write_users(folder: Path, *users: str) -> None:
    """Give users passwords, hashed as cheaply as goes."""
    lines = [f"{user}:{bcrypt.hashpw(f'{user}-pass'.encode(), bcrypt.gensalt(5)).decode()}\n" for user in users]
    (folder / "users.htpasswd").write_text("".join(lines))


@dataclass
class Guarded:
    """A store behind a guard."""

    server: Server
    guard: Guard
    store: DirectorySite
    folder: Path

    def ask(self, path: str, method: str = "GET", user: str | None = None, **headers: str) -> Reply:
        """Send one request as a user, or as nobody."""
        if user is not None:
            headers["Authorization"] = basic(user)
        return self.server.ask(path, method, **headers)

    def put(self, name: str, user: str | None, **headers: str) -> Reply:
        """Push an empty manifest that a tag stands for."""
        content = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []}).encode()
        return self.send(f"/v2/{name}/manifests/1", "PUT", user, content, Content_Type=media_types.OCI_INDEX, **headers)

    def send(self, path: str, method: str, user: str | None, body: bytes, **headers: str) -> Reply:
        """Send a request with a body."""
        if user is not None:
            headers["Authorization"] = basic(user)
        return self.server.send(path, method, body, headers)

    def put_blob(self, name: str, user: str | None, content: bytes = EMPTY) -> Reply:
        """Push a blob in one request."""
        return self.send(f"/v2/{name}/blobs/uploads/?digest={Digest.of(content)}", "POST", user, content)

    def token(self, user: str | None, *scopes: str) -> str:
        """Get a token."""
        query = "&".join(["service=packhorse", *(f"scope={scope}" for scope in scopes)])
        reply = self.ask(f"/token?{query}", user=user)
        assert reply.status == 200, reply.body
        return str(json.loads(reply.body)["token"])

    def events(self) -> list[dict[str, Any]]:
        """What the audit log has."""
        return [json.loads(line) for line in (self.folder / "audit.log").read_text().splitlines()]


@contextmanager
def guarded(
    folder: Path, access: str = ACCESS, tls: TlsFiles | None = None, *, with_certificates: bool = False
) -> Iterator[Guarded]:
    """Serve a store that takes pushes, behind a guard."""
    if not (folder / "users.htpasswd").exists():
        write_users(folder, "admin", "node", "ci", "cleaner", "nobody")
    (folder / "token.key").write_text("k" * 40)
    (folder / "access.yaml").write_text(access)
    store = DirectorySite.create(folder / "store")
    settings = GuardSettings(folder / "access.yaml", folder / "audit.log", with_certificates=with_certificates)
    guard = Guard(settings, store)
    try:
        with running(store, tls, gate=guard) as server:
            yield Guarded(server, guard, store, folder)
    finally:
        guard.close()
        store.close()
