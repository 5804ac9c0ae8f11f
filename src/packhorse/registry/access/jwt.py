"""Signed tokens in their compact form (RFC 7515, RFC 7519): taken apart strictly; whoever uses them checks them."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from packhorse.base.json_decoder import decode_as

__all__ = ["MAX_TOKEN_BYTES", "Jws", "TokenError", "decode_claims", "encode_part", "split_token"]

MAX_TOKEN_BYTES = 16 * 1024
_PART = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


class TokenError(Exception):
    """A token that does not hold; the text is for the log, and has nothing of the token in it."""


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: Any = None
    b64: Any = None


class Jws(msgspec.Struct, frozen=True):
    """A token's parts, none of which is to be believed yet."""

    algorithm: str
    key_id: str | None
    type: str | None
    payload: bytes
    signed: bytes
    signature: bytes


def split_token(token: str) -> Jws:
    """Take a token apart.

    Raises:
        TokenError: It has another form, or says that more is needed to understand it (RFC 7515, 4.1.11).
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenError(f"a token of more than {MAX_TOKEN_BYTES} bytes")
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        raise TokenError("not a signed token")
    header, payload, signature = (_decode_part(part) for part in parts)
    try:
        found = decode_as(header, _Header)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise TokenError("its header is not what a token has") from error
    if found.crit is not None or found.b64 is not None:
        raise TokenError("its header asks for what is not understood here")
    return Jws(found.alg, found.kid, found.typ, payload, f"{parts[0]}.{parts[1]}".encode(), signature)


def decode_claims(payload: bytes) -> dict[str, Any]:
    """Read what a token says.

    Raises:
        TokenError: It is no JSON object.
    """
    try:
        return decode_as(payload, dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise TokenError("it does not say anything that can be read") from error


def encode_part(content: bytes | Mapping[str, Any]) -> str:
    """Write one part of a token."""
    data = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode_part(part: str) -> bytes:
    if not _PART.fullmatch(part):
        raise TokenError("not a signed token")
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise TokenError("not a signed token") from error
    if encode_part(decoded) != part:
        # Spare bits that are set make another text of the same bytes.
        raise TokenError("not a signed token")
    return decoded
