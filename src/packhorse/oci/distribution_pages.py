"""Lists that a registry gives in pages, each with a ``Link`` to the next (distribution-spec, "Listing Tags")."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from packhorse.base.errors import IntegrityError, RegistryError
from packhorse.base.units import MIB, format_bytes
from packhorse.oci.distribution_exchange import Call, fail, settle_location
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_routes import Access, Place
from packhorse.oci.distribution_transport import Answer

__all__ = ["next_link", "pages"]

_MAX_PAGE_BYTES = 4 * MIB
_MAX_PAGES = 1000
_OK = 200
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[A-Za-z*]+\s*=\s*(?:"[^"]*"|[^",;\s]*))*)', re.ASCII)
_IS_NEXT = re.compile(r';\s*rel\s*=\s*(?:"next"|next)\s*(?:;|$)', re.ASCII | re.IGNORECASE)
_MAX_LINK_LENGTH = 16 * 1024


def next_link(header: str) -> str | None:
    """Return the target with ``rel="next"`` in a ``Link`` header (RFC 8288); None when there is none."""
    for match in _LINK.finditer(header[:_MAX_LINK_LENGTH]):
        if _IS_NEXT.search(match[2]):
            return match[1]
    return None


def pages(access: Access, place: Place, call: Call) -> Iterator[tuple[Answer, bytes]]:
    """Ask for one page after the other; the last given is the first whose answer is no success, if one is not.

    Raises:
        NetworkError: The registry can't be reached.
        RegistryError: It points to another host for the next page, or never comes to an end.
        IntegrityError: A page is larger than any of use.
    """
    for _ in range(_MAX_PAGES):
        answer = access.exchange.run(place.server, call)
        try:
            content = answer.read(_MAX_PAGE_BYTES + 1)
        except TransportFailure as failure:
            fail(place.server, call.what, failure, access.exchange.attempts())
        if len(content) > _MAX_PAGE_BYTES:
            raise IntegrityError(f"could not {call.what}: a page is larger than {format_bytes(_MAX_PAGE_BYTES)}")
        yield answer, content
        link = next_link(answer.headers.get("Link", ""))
        if answer.status != _OK or link is None:
            return
        following = settle_location(answer.url, link, call.what)
        if urlsplit(following)[:2] != urlsplit(answer.url)[:2]:
            raise RegistryError(f"could not {call.what}: {place.server.base} has the next page on another host")
        call = replace(call, path=following)
    raise RegistryError(f"could not {call.what}: more than {_MAX_PAGES} pages")
