"""The access file as frozen values, and who a client is."""

from enum import IntEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["ANONYMOUS", "Access", "Algorithm", "Identity", "Issuer", "Limit", "Limits", "Role", "Rule", "TokenRules"]

RoleName = Literal["pull", "push", "delete", "admin"]
Algorithm = Literal["RS256", "ES256"]

UserName = Annotated[
    str,
    Meta(
        pattern=r"^[^\s,\x00-\x1f\x7f]{1,253}$",
        description="A name without blanks and commas.",
        extra={"expected": "a name without blanks and commas"},
    ),
]


class Role(IntEnum):
    """What somebody may do in a repository; each includes those before it."""

    NONE = 0
    PULL = 1
    PUSH = 2
    DELETE = 3
    ADMIN = 4


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What all parts of the file share: immutable, and a key that is not known is a mistake."""


class Rule(_Part, frozen=True):
    """What some people may do, and where."""

    role: Annotated[RoleName, Meta(description="Each includes those before it: pull, push, delete, admin.")]
    users: tuple[UserName, ...] = ()
    groups: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ("**",)


class Anonymous(_Part, frozen=True):
    """What those may do who show no login."""

    pull: bool | tuple[str, ...] = False


class TokenRules(_Part, frozen=True):
    """How tokens are made that stand for a login for a while."""

    key_file: Annotated[str, Meta(min_length=1)] | None = None
    seconds: Annotated[int, Meta(ge=60)] = 300
    realm: Annotated[str, Meta(pattern=r"^https?://[^\s\"\\]+$", description="A URL that ends in /token.")] | None = (
        None
    )


class Issuer(_Part, frozen=True):
    """Somebody else whose tokens are logins, checked with a file of their public keys."""

    issuer: Annotated[str, Meta(min_length=1)]
    audience: Annotated[str, Meta(min_length=1)]
    jwks_file: Annotated[str, Meta(min_length=1)]
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")
    user_claim: Annotated[str, Meta(min_length=1)] = "sub"
    groups_claim: str = ""
    user_prefix: str = ""
    group_prefix: str = ""
    kubernetes: bool = False


class Access(_Part, frozen=True):
    """The whole file."""

    users_file: Annotated[str, Meta(min_length=1)] | None = None
    groups: dict[str, tuple[UserName, ...]] = {}
    anonymous: Anonymous = Anonymous()
    rules: tuple[Rule, ...] = ()
    tokens: TokenRules = TokenRules()
    oidc: tuple[Issuer, ...] = ()
    metrics: Literal["admin", "anyone"] = "admin"


class Limit(msgspec.Struct, frozen=True):
    """What a token is good for: some actions on one repository, as whoever asked for it writes it."""

    type: str
    name: str
    actions: tuple[str, ...] = ()


Limits = tuple[Limit, ...]


class Identity(msgspec.Struct, frozen=True):
    """Who a client is.

    Attributes:
        user: The name; empty for anybody.
        groups: What somebody else says of the user: an issuer, a certificate.
        how: ``password``, ``token``, ``oidc``, ``certificate`` or ``anonymous``.
        limits: What the token was asked for; None for a login itself.
    """

    user: str = ""
    groups: frozenset[str] = frozenset()
    how: str = "anonymous"
    limits: Limits | None = None


ANONYMOUS = Identity()
