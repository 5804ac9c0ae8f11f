"""The address of this machine that other machines can use, for the line that says where a server listens."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from packhorse.registry.listener import Listener

__all__ = ["reachable_url"]

_INTERFACES = Path("/proc/net/dev")
_SIOCGIFADDR = 0x8915
_INTERFACE_NAME_BYTES = 16
_REQUEST_BYTES = 256
_ADDRESS = slice(20, 24)


def reachable_url(listener: Listener) -> str:
    """Return the server's URL, with an address of this machine where it listens on all of them."""
    if not _is_any(listener.address.host):
        return listener.url
    host = next(_addresses(), listener.address.host)
    return replace(listener, address=replace(listener.address, host=host)).url


def _is_any(host: str) -> bool:
    """Whether ``host`` is the address that stands for all of a machine's."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


def _addresses() -> Iterator[str]:
    """Yield the IPv4 address of each interface but the loopback; asks the kernel only, never the network.

    The socket is one of TCP that is never connected, and the names come from a file: so nothing is opened here by which
    a packet could be sent, or the kernel's routing be spoken to.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asking:
        for name in _interfaces():
            request = struct.pack(f"{_REQUEST_BYTES}s", name.encode()[: _INTERFACE_NAME_BYTES - 1])
            try:
                answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)
            except OSError:
                continue
            address = ipaddress.ip_address(answer[_ADDRESS])
            if not address.is_loopback:
                yield str(address)


def _interfaces() -> Iterator[str]:
    """Yield the names of this network namespace's interfaces, from two lines of heads and one line for each."""
    try:
        lines = _INTERFACES.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines[2:]:
        yield line.partition(":")[0].strip()
