"""The HTTP side of the test registry: the endpoints of distribution-spec 1.1, strictly."""

import base64
import re
import secrets
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.oci.digest import Digest
from tests.support.registry_faults import Fault
from tests.support.registry_model import LoggedRequest

if TYPE_CHECKING:
    from tests.support.registry import Registry

__all__ = ["RegistryHandler"]

_NAME = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
_BLOCK = 65536
_ROUTES = (
    (re.compile(rf"/v2/({_NAME})/blobs/uploads/?"), "uploads"),
    (re.compile(rf"/v2/({_NAME})/blobs/uploads/([0-9a-f]+)"), "upload"),
    (re.compile(rf"/v2/({_NAME})/blobs/([^/]+)"), "blob"),
    (re.compile(rf"/v2/({_NAME})/manifests/([^/]+)"), "manifest"),
    (re.compile(rf"/v2/({_NAME})/tags/list"), "tags"),
    (re.compile(rf"/v2/({_NAME})/referrers/([^/]+)"), "referrers"),
)


class RegistryHandler(BaseHTTPRequestHandler):
    """Answers one connection's requests, one after the other."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    # Head and body are two writes: without this, the second waits for the first to be acknowledged.
    disable_nagle_algorithm = True

    # --- the frame ------------------------------------------------------------------------------------------------

    @property
    def registry(self) -> "Registry":
        """The state that all connections share."""
        return cast("Registry", self.server.registry)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        """Read."""
        self._handle()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's signature
        """Keep still: requests are kept in the registry."""

    def _handle(self) -> None:
        self._fault: Fault | None = None
        self._drained = False
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._log: LoggedRequest = LoggedRequest(self.command, self.path, headers)
        parts = urlsplit(self.path)
        self.route = parts.path
        self.query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        with self.registry.lock:
            self.registry.requests.append(self._log)
            self._fault = next((fault for fault in self.registry.faults if fault.takes(self._log.line)), None)
        if self._fault is not None:
            self._fault.action(self, self._fault)
        else:
            self.proceed()

    def proceed(self) -> None:
        """Answer as a good registry does."""
        if self.route == "/token":
            self._token()
            return
        repository, _, _ = self.route.removeprefix("/v2/").partition("/blobs/")[0].partition("/manifests/")
        if not self._let_in(repository):
            return
        for pattern, endpoint in _ROUTES:
            if match := pattern.fullmatch(self.route):
                getattr(self, f"_{self.command.lower()}_{endpoint}", self._not_done)(*match.groups())
                return
        self._not_done()

    def respond(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Answer, with what the fault in force makes of it."""
        if not self._drained and self.headers.get("Content-Length", "0") != "0":
            self.close_connection = True  # a body that nobody reads would be taken for the next request
        sent = {"Content-Length": str(len(body)), **(headers or {})}
        cut = None
        if self._fault is not None:
            sent |= self._fault.extra_headers
            cut = self._fault.cut_after
            body = self._fault.alter_body(body) if self._fault.alter_body is not None and body else body
        self._log.status = status
        self.send_response(status)
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None and cut < len(body):
            self.close_connection = True

    def write_raw(self, content: bytes) -> None:
        """Write to the connection, past HTTP."""
        self.wfile.write(content)
        self.wfile.flush()

    def drain(self) -> None:
        """Read the body of the request, and forget it."""
        self._read_body()

    def _read_body(self) -> bytes:
        self._drained = True
        found = bytearray()
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            remaining = int(self.headers.get("Content-Length") or 0)
            while remaining and (block := self.rfile.read(min(_BLOCK, remaining))):
                found += block
                remaining -= len(block)
        self._log.body_bytes = len(found)
        return bytes(found)

    def _error(self, status: int, code: str, message: str = "") -> None:
        if not self._drained:
            self._read_body()
        body = msgspec.json.encode({"errors": [{"code": code, "message": message or code.lower(), "detail": None}]})
        self.respond(status, {"Content-Type": "application/json"}, body)

    def _not_done(self, *_: str) -> None:
        self._error(404 if self.command in {"GET", "HEAD"} else 405, "UNSUPPORTED")

    # --- logins ---------------------------------------------------------------------------------------------------

    def _let_in(self, repository: str) -> bool:
        login = self.registry.login
        if login is None:
            return True
        scheme, _, secret = self.headers.get("Authorization", "").partition(" ")
        needs = f"repository:{repository}:{'pull' if self.command in {'GET', 'HEAD'} else 'push'}"
        if login.kind == "basic":
            if scheme == "Basic" and secret == _basic(login.username, login.password):
                return True
            challenge = 'Basic realm="test registry"'
        else:
            if scheme == "Bearer" and needs in login.issued.get(secret, frozenset()):
                return True
            realm = login.realm or f"{self.registry.url}/token"
            actions = "pull" if needs.endswith("pull") else "pull,push"
            challenge = f'Bearer realm="{realm}",service="test",scope="repository:{repository}:{actions}"'
        self._read_body()
        body = b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}'
        self.respond(401, {"WWW-Authenticate": challenge, "Content-Type": "application/json"}, body)
        return False

    def _token(self) -> None:
        login = self.registry.login
        assert login is not None
        form = parse_qs(self._read_body().decode())
        query = parse_qs(urlsplit(self.path).query)
        scheme, _, secret = self.headers.get("Authorization", "").partition(" ")
        known = scheme == "Basic" and secret == _basic(login.username, login.password)
        if self.command == "POST":
            known = bool(login.identity_token) and form.get("refresh_token") == [login.identity_token]
            query = form
        if not known and not login.anonymous:
            self.respond(401, {}, b"wrong login")
            return
        words = [word for scope in query.get("scope", []) for word in scope.split()]
        opened = {f"{word.rpartition(':')[0]}:{act}" for word in words for act in word.rpartition(":")[2].split(",")}
        token = secrets.token_hex(8)
        login.issued[token] = frozenset(opened)
        given: dict[str, Any] = {login.token_field: token}
        if login.expires_in is not None:
            given["expires_in"] = login.expires_in
        self.respond(200, {"Content-Type": "application/json"}, msgspec.json.encode(given))

    # --- pull -----------------------------------------------------------------------------------------------------

    def _get_blob(self, repository: str, digest: str) -> None:
        held = self.registry.repositories.get(repository)
        if held is None or digest not in held.blobs:
            self._error(404, "BLOB_UNKNOWN")
            return
        content = self.registry.blobs[digest]
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is None or not self.registry.features.ranges:
            self.respond(200, headers, content)
        elif (start := int(match[1])) >= len(content):
            self._error(416, "RANGE_INVALID")
        else:
            end = min(int(match[2]) if match[2] else len(content) - 1, len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            self.respond(206, headers, content[start : end + 1])

    _head_blob = _get_blob

    def _get_manifest(self, repository: str, target: str) -> None:
        if self.command == "HEAD" and not self.registry.features.head_manifests:
            self._error(405, "UNSUPPORTED")
            return
        held = self.registry.repositories.get(repository)
        digest = target if ":" in target or held is None else held.tags.get(target, "")
        manifest = None if held is None else held.manifests.get(digest)
        if manifest is None:
            self._error(404, "MANIFEST_UNKNOWN")
            return
        headers = {"Content-Type": manifest.media_type}
        if self.registry.features.digest_headers:
            headers["Docker-Content-Digest"] = digest
        self.respond(200, headers, manifest.content)

    _head_manifest = _get_manifest

    def _get_tags(self, repository: str) -> None:
        held = self.registry.repositories.get(repository)
        if held is None:
            self._error(404, "NAME_UNKNOWN")
            return
        tags = sorted(tag for tag in held.tags if tag > self.query.get("last", ""))
        page = tags[: int(self.query.get("n", "1000"))]
        headers = {"Content-Type": "application/json"}
        if len(page) < len(tags):
            headers["Link"] = f'</v2/{repository}/tags/list?n={len(page)}&last={page[-1]}>; rel="next"'
        self.respond(200, headers, msgspec.json.encode({"name": repository, "tags": page}))

    def _get_referrers(self, repository: str, subject: str) -> None:
        if not self.registry.features.referrers:
            self._error(404, "UNSUPPORTED")
            return
        found = self.registry.referrers_of(repository, subject)
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": found}
        self.respond(200, {"Content-Type": index["mediaType"]}, msgspec.json.encode(index))  # type: ignore[dict-item]

    # --- push -----------------------------------------------------------------------------------------------------

    def _post_uploads(self, repository: str) -> None:
        body = self._read_body()
        mount, source = self.query.get("mount"), self.query.get("from", "")
        known = self.registry.repositories.get(source)
        if mount and known and mount in known.blobs and self.registry.features.mounts:
            with self.registry.lock:
                self.registry.repository(repository).blobs.add(mount)
            self.respond(201, {"Location": f"/v2/{repository}/blobs/{mount}", "Docker-Content-Digest": mount})
            return
        upload = secrets.token_hex(8)
        self.registry.uploads[upload] = bytearray(body)
        self.respond(202, {"Location": f"/v2/{repository}/blobs/uploads/{upload}?state=a%2Fb", "Range": "0-0"})

    def _get_upload(self, repository: str, upload: str) -> None:
        if (begun := self._begun(upload)) is not None:
            end = max(0, len(begun) - 1)
            self.respond(204, {"Location": f"/v2/{repository}/blobs/uploads/{upload}?state=x", "Range": f"0-{end}"})

    def _patch_upload(self, repository: str, upload: str) -> None:
        body = self._read_body()
        if (begun := self._begun(upload)) is None:
            return
        if len(body) > self.registry.features.most_chunk_bytes:
            self._error(413, "SIZE_INVALID", "the chunk is too large")
            return
        match = re.fullmatch(r"(\d+)-(\d+)", self.headers.get("Content-Range", ""))
        if match is not None and (int(match[1]) != len(begun) or int(match[2]) != len(begun) + len(body) - 1):
            self._error(416, "BLOB_UPLOAD_INVALID", f"expected bytes from {len(begun)} on")
            return
        begun += body
        headers = {"Location": f"/v2/{repository}/blobs/uploads/{upload}?state=y", "Range": f"0-{len(begun) - 1}"}
        self.respond(202, headers)

    def _put_upload(self, repository: str, upload: str) -> None:
        body = self._read_body()
        if (begun := self._begun(upload)) is None:
            return
        if body and not self.registry.features.monolithic:
            self._error(413, "SIZE_INVALID", "send it in chunks")
            return
        content, digest = bytes(begun) + body, self.query.get("digest", "")
        try:
            good = Digest.of(content, Digest(digest).algorithm) == digest
        except IntegrityError:
            good = False
        if not good:
            self._error(400, "DIGEST_INVALID", f"expected {digest}")
            return
        with self.registry.lock:
            del self.registry.uploads[upload]
            self.registry.blobs[digest] = content
            self.registry.repository(repository).blobs.add(digest)
        self.respond(201, {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _delete_upload(self, _repository: str, upload: str) -> None:
        if self._begun(upload) is not None:
            del self.registry.uploads[upload]
            self.respond(204)

    def _put_manifest(self, repository: str, target: str) -> None:
        content = self._read_body()
        digest = Digest.of(content)
        parsed = msgspec.json.decode(content)
        held = self.registry.repository(repository)
        missing = [child for child in _blobs_of(parsed) if child not in held.blobs]
        if ":" in target and target != digest:
            self._error(400, "DIGEST_INVALID")
        elif missing:
            self._error(400, "MANIFEST_BLOB_UNKNOWN", missing[0])
        else:
            tag = None if ":" in target else target
            self.registry.put_content(repository, content, self.headers.get("Content-Type", ""), tag)
            headers = {"Location": f"/v2/{repository}/manifests/{digest}", "Docker-Content-Digest": digest}
            subject = (parsed.get("subject") or {}).get("digest")
            if subject and self.registry.features.referrers:
                headers["OCI-Subject"] = subject
            self.respond(201, headers)

    def _begun(self, upload: str) -> bytearray | None:
        begun = self.registry.uploads.get(upload)
        if begun is None:
            self._error(404, "BLOB_UPLOAD_UNKNOWN")
        return begun


def _basic(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def _blobs_of(manifest: dict[str, Any]) -> list[str]:
    layers = [*(manifest.get("layers") or []), *([manifest["config"]] if manifest.get("config") else [])]
    # Foreign layers are fetched from elsewhere: no registry has them.
    return [layer["digest"] for layer in layers if not layer.get("urls")]
