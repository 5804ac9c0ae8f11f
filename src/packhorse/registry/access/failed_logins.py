"""Limits on failed logins: after some of them, each further one makes the next wait twice as long."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

import msgspec

__all__ = ["FailedLogins", "address_of"]

_FREE = 5
"""So many failures cost nothing."""
_LONGEST_SECONDS = 300.0
_LONGEST_FOR_USER_SECONDS = 30.0
"""Shorter than for an address, since anybody can fail in a user's name."""
_FORGOTTEN_SECONDS = 900.0
_KEPT = 10_000
_IPV6_PREFIX = 64


class _Record(msgspec.Struct):
    failures: int
    last: float
    until: float


class FailedLogins:
    """Remembers failures by user and by address; used by one thread.

    Args:
        clock: Seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()

    def seconds_to_wait(self, user: str, address: str) -> float:
        """Return how long a login must wait; 0 when it may be tried now."""
        now = self._clock()
        until = [record.until for key in _keys(user, address) if (record := self._records.get(key)) is not None]
        return max(0.0, max(until, default=0.0) - now)

    def failed(self, user: str, address: str) -> None:
        """Remember a failure."""
        now = self._clock()
        for key in _keys(user, address):
            record = self._records.pop(key, None)
            if record is None or now - record.last > _FORGOTTEN_SECONDS:
                record = _Record(0, now, now)
            record.failures += 1
            record.last = now
            longest = _LONGEST_FOR_USER_SECONDS if key[0] == "user" else _LONGEST_SECONDS
            beyond = record.failures - _FREE
            record.until = now + min(longest, 2.0 ** min(beyond, 20)) if beyond >= 0 else now
            self._records[key] = record
        while len(self._records) > _KEPT:
            self._records.popitem(last=False)

    def succeeded(self, user: str) -> None:
        """Forget a user's failures; those of an address stay, or whoever has one login could guess others."""
        self._records.pop(("user", user), None)


def address_of(remote: str | None) -> str:
    """Return what stands for a client: its address, or the network that its IPv6 address is one of many in."""
    try:
        found = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return remote or ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
    return str(found)


def _keys(user: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("user", user), ("address", address)
