"""What a client shows: reading ``Authorization``, and the subject of its certificate."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from packhorse.registry.access.model import Identity
from packhorse.registry.access.policy import GROUP

__all__ = ["Basic", "Bearer", "Malformed", "of_certificate", "read_authorization"]

_MAX_HEADER = 24 * 1024


class Basic(msgspec.Struct, frozen=True):
    """A name and a password (RFC 7617)."""

    user: str
    password: bytes = b""

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Basic({self.user!r})"


class Bearer(msgspec.Struct, frozen=True):
    """A token (RFC 6750)."""

    token: str

    def __repr__(self) -> str:
        """Leave the token out."""
        return "Bearer()"


class Malformed(msgspec.Struct, frozen=True):
    """Something else."""


def read_authorization(header: str | None) -> Basic | Bearer | Malformed | None:
    """Read the header; None when there is none."""
    if header is None:
        return None
    scheme, _, rest = header[:_MAX_HEADER].partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return Bearer(rest)
    if scheme.lower() != "basic":
        return Malformed()
    try:
        user, colon, password = base64.b64decode(rest, validate=True).partition(b":")
        return Basic(user.decode(), password) if colon else Malformed()
    except (binascii.Error, ValueError):
        return Malformed()


def of_certificate(certificate: Mapping[str, Any] | None) -> Identity | None:
    """Return who a verified certificate is for, as Kubernetes has it: the common name, and organisations as groups."""
    if not certificate:
        return None
    names = [pair for rdn in certificate.get("subject", ()) for pair in rdn]
    users = [value for key, value in names if key == "commonName"]
    if len(users) != 1 or users[0].startswith(GROUP) or not users[0].isprintable():
        return None
    groups = frozenset(value for key, value in names if key == "organizationName")
    return Identity(users[0], groups, "certificate")
