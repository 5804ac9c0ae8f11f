"""The server's own tokens: what a login is exchanged for, for a few minutes and some repositories.

They are signed with a secret that the replicas of a server share (HMAC with SHA-256); nobody else has to read them. A
token names who it is for. What that somebody may do is looked up at each request, so that a change of the access file
holds at once; what the token was asked for can only make it less.
"""

import hashlib
import hmac
import re
from collections.abc import Callable

import msgspec

from packhorse.registry.access.jwt import Jws, TokenError, decode_claims, encode_part
from packhorse.registry.access.model import Identity, Limit, Limits

__all__ = ["ALGORITHM", "SERVICE", "TokenMint", "parse_scopes"]

ALGORITHM = "HS256"
SERVICE = "packhorse"
"""What the server calls itself in challenges and tokens."""

_TYPE = "packhorse+jwt"
_MOST_SCOPES = 64
_ACTION = re.compile(r"[a-z*]{1,16}", re.ASCII)
_SKEW_SECONDS = 60.0


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    sub: str
    iat: int
    exp: int
    groups: tuple[str, ...] = ()
    access: tuple[Limit, ...] = ()
    password: str = ""


class TokenMint:
    """Makes and reads tokens. Thread-safe.

    Args:
        key: The secret.
        seconds: How long a token is good.
        clock: Seconds since 1970.
    """

    def __init__(self, key: bytes, seconds: int, clock: Callable[[], float]) -> None:
        # Another key for another use, should somebody give the same secret to something else.
        self._key = hmac.digest(key, b"packhorse registry tokens", "sha256")
        self._clock = clock
        self.seconds = seconds

    def make(self, identity: Identity, limits: Limits, hashed: bytes | None, now: int) -> str:
        """Make a token.

        Args:
            identity: Who it is for.
            limits: What it is good for.
            hashed: The hash of the password that was shown; the token ends when the password is changed.
            now: Seconds since 1970.
        """
        claims = _Claims(
            iss=SERVICE,
            aud=SERVICE,
            sub=identity.user,
            iat=now,
            exp=now + self.seconds,
            groups=tuple(sorted(identity.groups)),
            access=limits,
            password=self._fingerprint(hashed),
        )
        head = encode_part({"alg": ALGORITHM, "typ": _TYPE})
        signed = f"{head}.{encode_part(msgspec.json.encode(claims))}"
        return f"{signed}.{encode_part(hmac.digest(self._key, signed.encode(), 'sha256'))}"

    def read(self, token: Jws, hash_of: Callable[[str], bytes | None]) -> Identity:
        """Return who a token is for.

        Args:
            token: Of :data:`ALGORITHM`.
            hash_of: The hash of a user's password; None when there is no such user.

        Raises:
            TokenError: It does not hold.
        """
        if token.algorithm != ALGORITHM or token.type != _TYPE:
            raise TokenError("not a token of this server")
        if not hmac.compare_digest(hmac.digest(self._key, token.signed, "sha256"), token.signature):
            raise TokenError("signed with another key")
        try:
            claims = msgspec.convert(decode_claims(token.payload), _Claims)
        except msgspec.ValidationError as error:
            raise TokenError("not a token of this server") from error
        now = self._clock()
        if claims.iss != SERVICE or claims.aud != SERVICE:
            raise TokenError("made for something else")
        if now >= claims.exp or now < claims.iat - _SKEW_SECONDS:
            raise TokenError("expired" if now >= claims.exp else "made in the future")
        if claims.password and not hmac.compare_digest(claims.password, self._fingerprint(hash_of(claims.sub))):
            raise TokenError("its user is gone, or has another password now")
        return Identity(claims.sub, frozenset(claims.groups), "token" if claims.sub else "anonymous", claims.access)

    def _fingerprint(self, hashed: bytes | None) -> str:
        return "" if hashed is None else hashlib.blake2b(hashed, digest_size=12, key=self._key).hexdigest()


def parse_scopes(texts: list[str]) -> Limits:
    """Read what is asked for: ``repository:team/app:pull,push``, several in one text after blanks.

    What can't be read is left out, as the token service of Docker's registry does.
    """
    found = []
    for word in " ".join(texts).split()[:_MOST_SCOPES]:
        kind, _, rest = word.partition(":")
        name, colon, actions = rest.rpartition(":")
        kind = kind.partition("(")[0]
        wanted = tuple(action for action in actions.split(",") if _ACTION.fullmatch(action))
        if colon and name and wanted:
            found.append(Limit(kind, name, wanted))
    return tuple(found)
