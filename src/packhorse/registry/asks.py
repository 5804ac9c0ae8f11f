"""What a client asks: a request without its connection and its body, and how its parts are read."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from packhorse.base.errors import IntegrityError
from packhorse.oci.digest import Digest

__all__ = ["Ask", "as_digest", "etags", "kept_query", "names_etag"]

_ETAG = re.compile(r'(?:W/)?"([^"]*)"', re.ASCII)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request.

    Attributes:
        path: Decoded.
        query: The decoded parameters; of one that is given several times, the first.
        headers: Can be asked in any case.
        method: In capitals.
        tags: All values of ``tag`` (distribution-spec main, end-7b).
        length: How many bytes the body has; None when that is not said beforehand.
        sees: Whether the client may know of a repository (its full name); None where it may know of all.
    """

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    tags: Sequence[str] = ()
    length: int | None = 0
    sees: Callable[[str], bool] | None = None

    @property
    def namespace(self) -> str | None:
        """The registry that the client would have asked (``ns``); None when that is this very server."""
        named = self.query.get("ns")
        return None if not named or named.lower() == self.headers.get("Host", "").lower() else named


def as_digest(text: str) -> Digest | None:
    """Read a digest; None when it is none that can be served."""
    try:
        return Digest(text)
    except IntegrityError:
        return None


def kept_query(ask: Ask, *names: str) -> dict[str, str]:
    """Return some of the parameters, for a link to what follows."""
    return {name: value for name in names if (value := ask.query.get(name)) is not None}


def etags(header: str) -> frozenset[str] | None:
    """Read ``If-Match`` or ``If-None-Match`` (RFC 9110, section 13.1); None for ``*``."""
    return None if header.strip() == "*" else frozenset(_ETAG.findall(header))


def names_etag(header: str | None, digest: str) -> bool:
    """Whether a client has what it asks for already: the entity tag of content is its digest."""
    if header is None:
        return False
    named = etags(header)
    return named is None or digest in named
