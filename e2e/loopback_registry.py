"""Packhorse's own registry on loopback, taking pushes, for the clients of others."""

import base64
import hashlib
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt

from e2e.cluster.pki import Authority
from e2e.cluster.process import Daemon, wait_until
from e2e.registries import free_address
from e2e.workplace import PACKHORSE

__all__ = ["Site", "run", "serving"]

_USER = "admin:open sesame"
_TYPES = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)


@dataclass(frozen=True)
class Site:
    """Where the registry is, and what its clients are told of it.

    Attributes:
        address: ``HOST:PORT``.
        folder: Of the site.
        authority: The certificate of the site's CA, alone in its folder; None for plain HTTP.
        environment: Variables for clients: no file of the machine's user is read.
        user: ``NAME:PASSWORD`` of the only user; empty where nobody logs in.
    """

    address: str
    folder: Path
    authority: Path | None
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "http" if self.authority is None else "https"

    def fetch(self, path: str, **headers: str) -> bytes:
        """GET something."""
        context = None if self.authority is None else ssl.create_default_context(cafile=str(self.authority))
        if self.user:
            headers["Authorization"] = _basic(self.user)
        request = urllib.request.Request(f"{self.scheme}://{self.address}{path}", headers=headers)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=60, context=context) as reply:  # noqa: S310 - ours
            content: bytes = reply.read()
        return content

    def manifest(self, repository: str, target: str) -> bytes:
        """GET a manifest."""
        return self.fetch(f"/v2/{repository}/manifests/{target}", Accept=_TYPES)

    def check_same(self, repository: str, target: str, blobs: Path) -> int:
        """Hold all below a tag or digest against the blobs of an OCI layout; return how many they are."""
        content = self.manifest(repository, target)
        assert content == (blobs / "sha256" / hashlib.sha256(content).hexdigest()).read_bytes()
        document: dict[str, Any] = json.loads(content)
        parts = [*document.get("layers", ()), *([document["config"]] if "config" in document else ())]
        for part in parts:
            served = self.fetch(f"/v2/{repository}/blobs/{part['digest']}")
            assert served == (blobs / part["digest"].replace(":", "/")).read_bytes()
        below = sum(self.check_same(repository, child["digest"], blobs) for child in document.get("manifests", ()))
        return 1 + len(parts) + below

    def count(self, sample: str) -> float:
        """Read one figure of the server; 0 when it is not there."""
        lines = self.fetch("/metrics").decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)


@contextmanager
def serving(folder: Path, *, tls: bool = False, login: bool = False) -> Iterator[Site]:
    """Run a registry with an empty store for the block.

    Args:
        folder: Of the site; made where there is none.
        tls: Over TLS, with a certificate of an authority that clients are told of.
        login: For one user with a password alone, which clients find where Docker keeps it.
    """
    address = free_address()
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {"HOME": str(home), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR": str(home)}
    command: list[str | Path] = [PACKHORSE, "serve", "--push-to", folder / "store"]
    command += ["--listen", address, "--log-format", "json"]
    command += _guarded(folder) if login else ["--anonymous-push"]
    if login:
        environment |= _logged_in(folder, address)
    certificate = None
    if tls:
        authority = Authority(folder / "ca", "ca")
        issued = authority.server("registry", ["127.0.0.1"])
        # Alone in its folder: skopeo takes a key beside it for a client's.
        certificate = folder / "certs" / "ca.crt"
        certificate.parent.mkdir()
        certificate.write_bytes(authority.certificate.read_bytes())
        command += ["--tls-cert", issued.certificate, "--tls-key", issued.key]
        environment["SSL_CERT_FILE"] = str(certificate)
    log = folder / "serve.log"
    server = Daemon("packhorse serve", command, log)
    try:
        wait_until(lambda: "Serving" in log.read_text(), "the registry", timeout_seconds=30, watching=[server])
        yield Site(address, folder, certificate, environment, _USER if login else "")
        assert server.is_running(), server.log_tail()
        assert _errors(log) == []
    finally:
        server.kill()


def _guarded(folder: Path) -> list[str | Path]:
    """Make an access file with one user who may do everything."""
    name, _, password = _USER.partition(":")
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(5)).decode()
    (folder / "users.htpasswd").write_text(f"{name}:{hashed}\n")
    (folder / "access.yaml").write_text(f"usersFile: users.htpasswd\nrules: [{{role: admin, users: [{name}]}}]\n")
    return ["--access", folder / "access.yaml"]


def _logged_in(folder: Path, address: str) -> dict[str, str]:
    """Write what ``docker login`` would have, and return the variables by which clients find it."""
    path = folder / "docker" / "config.json"
    path.parent.mkdir()
    auth = _basic(_USER).removeprefix("Basic ")
    path.write_text(json.dumps({"auths": {address: {"auth": auth}}}))
    return {
        "DOCKER_CONFIG": str(path.parent),
        "REGISTRY_AUTH_FILE": str(path),
        "HELM_REGISTRY_CONFIG": str(path),
    }


def _basic(user: str) -> str:
    return f"Basic {base64.b64encode(user.encode()).decode()}"


def _errors(log: Path) -> list[str]:
    """What a server has logged as an error, but for its complaint that a bed's certificate is not good for long."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    messages = [line["message"] for line in lines if line["level"] == "error"]
    return [message for message in messages if not message.startswith("the certificate needs care")]


def run(
    site: Site,
    *command: str | Path,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    code: int = 0,
) -> str:
    """Run a client to its end, and return what it printed as data."""
    done = subprocess.run(
        list(command),
        cwd=folder or site.folder,
        env={**site.environment, **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
