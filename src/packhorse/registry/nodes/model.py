"""The mirror, the runtimes, and a plan of changes to files."""

import base64
import difflib
import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from packhorse.base.errors import UsageError

__all__ = ["BACKUP_SUFFIX", "MARKER", "FileChange", "Mirror", "NodePlan", "Runtime", "is_ours"]

MARKER = "# Written by packhorse node mirror, which also removes it again (--remove)."
"""The first line of a file that is wholly ours."""

BACKUP_SUFFIX = ".before-packhorse"


_PASSWORD = re.compile(
    r"^([ \t]*(?:authorization|password|auth|identity_?token)[ \t]*[=:][ \t]*)\S.*$", re.IGNORECASE | re.MULTILINE
)


class Runtime(Enum):
    """The container runtimes that can be pointed at a mirror."""

    CONTAINERD = "containerd"
    K3S = "k3s"
    RKE2 = "rke2"
    CRIO = "crio"
    PODMAN = "podman"


@dataclass(frozen=True, slots=True)
class Mirror:
    """The site's registry as the nodes reach it."""

    scheme: str
    host: str
    """Host name or address, with the port where it is not the scheme's own."""
    ca: bytes | None = None
    """Certificates that sign the registry's, in PEM; None where the node trusts it anyway, or for plain HTTP."""
    login: tuple[str, str] | None = field(default=None, repr=False)
    """The user and password that the node pulls with; None where it needs none."""

    @classmethod
    def parse(cls, text: str, ca: bytes | None = None, login: tuple[str, str] | None = None) -> Self:
        """Read ``https://HOST[:PORT]`` or ``http://HOST[:PORT]``; without a scheme it is https.

        Raises:
            UsageError: It has another form.
        """
        parts = urlsplit(text if "://" in text else f"https://{text}")
        try:
            port_is_good = parts.port is None or parts.port > 0
        except ValueError:
            port_is_good = False
        is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good or not is_plain:
            message = f"expected the registry as https://HOST:PORT or http://HOST:PORT, found {text!r}"
            raise UsageError(message)
        if any(character in text for character in "\"'\\ \n\t"):
            message = f"the registry's address has a character that no address has: {text!r}"
            raise UsageError(message)
        if parts.scheme == "http" and ca is not None:
            message = "--ca-file makes no sense for a registry on plain http"
            raise UsageError(message)
        return cls(parts.scheme, parts.netloc, ca, login)

    @property
    def url(self) -> str:
        """Scheme and host."""
        return f"{self.scheme}://{self.host}"

    @property
    def authorization(self) -> str | None:
        """What a request shows that logs in; None where it needs none."""
        if self.login is None:
            return None
        return "Basic " + base64.b64encode(":".join(self.login).encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file: what it is now, and what it shall be; None where there is no file."""

    path: Path
    before: bytes | None
    after: bytes | None
    backup: bool = False
    """Whether what is there now is kept beside it, under :data:`BACKUP_SUFFIX`."""
    secret: bool = False
    """Whether only its owner may read it."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after

    @property
    def action(self) -> str:
        """``create``, ``change`` or ``remove``; ``keep`` where nothing changes."""
        if not self.changes:
            return "keep"
        if self.before is None:
            return "create"
        return "remove" if self.after is None else "change"

    def diff(self) -> str:
        """Return the change as a unified diff without its passwords; empty where nothing changes."""
        before, after = (
            _PASSWORD.sub(r"\1(not shown)", (content or b"").decode("utf-8", "replace")).splitlines(keepends=True)
            for content in (self.before, self.after)
        )
        old = str(self.path) if self.before is not None else "/dev/null"
        new = str(self.path) if self.after is not None else "/dev/null"
        lines = difflib.unified_diff(before, after, old, new)
        if before == after and self.changes:
            return f"# {self.path}: only a password changes\n"
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What will be written and removed, and what the person must do then."""

    runtime: Runtime
    changes: tuple[FileChange, ...]
    restart: str | None = None
    """The command after which the runtime reads its files again; None where it reads them at each pull."""
    notes: tuple[str, ...] = field(default=())

    @property
    def pending(self) -> tuple[FileChange, ...]:
        """The changes that change something."""
        return tuple(change for change in self.changes if change.changes)


def is_ours(content: bytes | None) -> bool:
    """Whether a file was wholly written by us."""
    return content is not None and content.startswith(MARKER.encode())
