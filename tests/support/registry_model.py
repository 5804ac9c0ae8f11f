"""What a test registry holds, does, and remembers."""

from dataclasses import dataclass, field

__all__ = ["Features", "HeldManifest", "HeldRepository", "LoggedRequest", "Login"]


@dataclass
class Features:
    """What this registry does; real ones lack some of it."""

    mounts: bool = True
    referrers: bool = True
    ranges: bool = True
    head_manifests: bool = True
    digest_headers: bool = True
    monolithic: bool = True
    """Takes a blob in one PUT; without it, only in chunks."""
    most_chunk_bytes: int = 1 << 62


@dataclass
class Login:
    """Who may come in. ``kind`` is ``basic`` or ``bearer``; bearer tokens are given by the server itself."""

    kind: str
    username: str = "user"
    password: str = "secret"
    anonymous: bool = False
    """Tokens are given to anybody."""
    realm: str = ""
    """Where the token service is said to be; the server itself when empty."""
    identity_token: str = ""
    token_field: str = "token"
    expires_in: int | None = None
    issued: dict[str, frozenset[str]] = field(default_factory=dict)
    """Tokens with the scopes that they open."""


@dataclass
class LoggedRequest:
    """What came in, and what went out."""

    method: str
    path: str
    """With its query."""
    headers: dict[str, str]
    """Names in lower case."""
    status: int = 0
    body_bytes: int = 0

    @property
    def line(self) -> str:
        """``GET /v2/…``."""
        return f"{self.method} {self.path}"


@dataclass
class HeldManifest:
    """The exact bytes and their type."""

    content: bytes
    media_type: str


@dataclass
class HeldRepository:
    """What one repository has: nobody reads a blob through a repository that does not have it."""

    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, HeldManifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
