"""Tokens of somebody else (OpenID Connect, Kubernetes' service accounts), checked offline with their public keys.

Each key is used with the one algorithm that it is for, whatever a token says; a token without a signature, or one that
was made with a public key as if it were a secret, finds no key.
"""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from packhorse.base.errors import ConfigError
from packhorse.base.json_decoder import decode_as
from packhorse.registry.access.jwt import Jws, TokenError, decode_claims
from packhorse.registry.access.model import Algorithm, Identity, Issuer
from packhorse.registry.access.policy import GROUP

__all__ = ["Issuers", "Key", "read_issuers", "read_keys"]

_SKEW_SECONDS = 60.0
_LEAST_RSA_BITS = 2048
_COORDINATE_BYTES = 32
_ACCOUNT = "system:serviceaccount:"
_ACCOUNTS = "system:serviceaccounts"
_RESERVED = "system:"


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[_Jwk]


class Key(msgspec.Struct, frozen=True):
    """A public key and the one algorithm it is used with."""

    id: str | None
    algorithm: Algorithm
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey

    def verify(self, signature: bytes, signed: bytes) -> bool:
        """Whether a signature is of this key."""
        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                self.public.verify(signature, signed, padding.PKCS1v15(), SHA256())
                return True
            if len(signature) != 2 * _COORDINATE_BYTES:
                return False
            r, s = (int.from_bytes(half) for half in (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]))
            self.public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def read_keys(data: bytes, where: str) -> tuple[Key, ...]:
    """Read a JSON Web Key Set (RFC 7517); keys of other kinds are passed over.

    Raises:
        ConfigError: It is none, a key is malformed or too weak, or there is none that can be used.
    """
    try:
        found = decode_as(data, _Jwks)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: expected a JSON Web Key Set: {error}") from error
    keys = []
    for number, jwk in enumerate(found.keys):
        if jwk.use not in (None, "sig"):
            continue
        try:
            key = _key(jwk)
        except (ValueError, binascii.Error) as error:
            raise ConfigError(f"{where}: keys[{number}] cannot be used: {error}") from error
        keys += [key] if key is not None else []
    if not keys:
        raise ConfigError(f"{where}: expected an RSA or P-256 key, found none")
    return tuple(keys)


class Issuers:
    """Reads tokens of all issuers that the access file names. Thread-safe.

    Args:
        issuers: Each with its keys.
        clock: Seconds since 1970.
    """

    def __init__(self, issuers: Iterable[tuple[Issuer, tuple[Key, ...]]], clock: Callable[[], float]) -> None:
        self._issuers = tuple(issuers)
        self._clock = clock

    def read(self, token: Jws) -> Identity:
        """Return who a token is for.

        Raises:
            TokenError: It does not hold.
        """
        claims = decode_claims(token.payload)
        reason = "its issuer is not known here"
        for issuer, keys in self._issuers:
            if claims.get("iss") != issuer.issuer:
                continue
            if not _is_signed(token, issuer, keys):
                reason = "no key of its issuer has signed it"
            elif issuer.audience not in _audiences(claims):
                reason = "made for another audience"
            else:
                _check_times(claims, self._clock())
                return _identity(claims, issuer)
        raise TokenError(reason)


def read_issuers(issuers: Iterable[tuple[Issuer, bytes]], clock: Callable[[], float]) -> Issuers:
    """Make the reader of all issuers that an access file names.

    Args:
        issuers: Each with the content of its file of keys.
        clock: Seconds since 1970.

    Raises:
        ConfigError: A file of keys cannot be used.
    """
    return Issuers([(issuer, read_keys(data, issuer.jwks_file)) for issuer, data in issuers], clock)


def _is_signed(token: Jws, issuer: Issuer, keys: tuple[Key, ...]) -> bool:
    if token.algorithm not in issuer.algorithms:
        return False
    fitting = [key for key in keys if key.algorithm == token.algorithm]
    if token.key_id is not None:
        fitting = [key for key in fitting if key.id in (None, token.key_id)]
    return any(key.verify(token.signature, token.signed) for key in fitting)


def _audiences(claims: dict[str, Any]) -> list[Any]:
    found = claims.get("aud")
    return found if isinstance(found, list) else [found]


def _check_times(claims: dict[str, Any], now: float) -> None:
    end, start = claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
    if not isinstance(end, (int, float)) or not isinstance(start, (int, float)):
        raise TokenError("it has no end")
    if now >= end + _SKEW_SECONDS:
        raise TokenError("expired")
    if now < start - _SKEW_SECONDS:
        raise TokenError("not yet valid")


def _identity(claims: dict[str, Any], issuer: Issuer) -> Identity:
    user = claims.get(issuer.user_claim)
    if not isinstance(user, str) or not user:
        raise TokenError(f"its claim {issuer.user_claim} names no user")
    listed = claims.get(issuer.groups_claim, []) if issuer.groups_claim else []
    groups = [group for group in (listed if isinstance(listed, list) else [listed]) if isinstance(group, str)]
    if not issuer.kubernetes:
        # Only the one who is trusted to be a cluster may speak of its accounts.
        if f"{issuer.user_prefix}{user}".startswith(_RESERVED):
            raise TokenError("it names a user of a cluster, and its issuer is none")
        groups = [group for group in groups if not f"{issuer.group_prefix}{group}".startswith(_RESERVED)]
    elif user.startswith(_ACCOUNT):
        groups += [_ACCOUNTS, f"{_ACCOUNTS}:{user.removeprefix(_ACCOUNT).partition(':')[0]}"]
    name = issuer.user_prefix + user
    if name.startswith(GROUP) or not name.isprintable() or "," in name or " " in name:
        raise TokenError("its user has a name that no user has here")
    return Identity(name, frozenset(issuer.group_prefix + group for group in groups), "oidc")


def _key(jwk: _Jwk) -> Key | None:
    if jwk.kty == "RSA" and jwk.alg in (None, "RS256"):
        public = rsa.RSAPublicNumbers(_number(jwk.e), _number(jwk.n)).public_key()
        if public.key_size < _LEAST_RSA_BITS:
            raise ValueError(f"expected an RSA key of at least {_LEAST_RSA_BITS} bits, found {public.key_size}")
        return Key(jwk.kid, "RS256", public)
    if jwk.kty == "EC" and jwk.crv == "P-256" and jwk.alg in (None, "ES256"):
        return Key(
            jwk.kid,
            "ES256",
            ec.EllipticCurvePublicNumbers(_number(jwk.x), _number(jwk.y), ec.SECP256R1()).public_key(),
        )
    return None


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
