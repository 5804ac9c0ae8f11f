"""The server half of aiohttp, loaded without what only its client needs.

Importing aiohttp makes two TLS contexts for its client, and each reads all certificates that the machine trusts: a
sixth of the time from the start of ``packhorse serve`` to its first answer. The server connects nowhere, so nothing is
read here; a client that used these contexts all the same would trust nobody.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["HttpProcessingError", "web"]

_READ_CERTIFICATES = "set_default_verify_paths"


def _read_nothing(_context: ssl.SSLContext) -> None:
    """Stand in for the reading of the machine's certificates."""


@contextmanager
def _trusting_nobody() -> Iterator[None]:
    own = vars(ssl.SSLContext).get(_READ_CERTIFICATES)
    setattr(ssl.SSLContext, _READ_CERTIFICATES, _read_nothing)
    try:
        yield
    finally:
        if own is None:
            # The method is inherited: it is there again when what stands before it goes.
            delattr(ssl.SSLContext, _READ_CERTIFICATES)
        else:
            setattr(ssl.SSLContext, _READ_CERTIFICATES, own)


with _trusting_nobody():
    from aiohttp import web
    from aiohttp.http_exceptions import HttpProcessingError
