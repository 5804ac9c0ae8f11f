"""The address that ``serve`` shows, where it listens on all of them."""

import ipaddress
import socket
from urllib.parse import urlsplit

import psutil
import pytest

from packhorse.cli.host_address import reachable_url
from packhorse.registry.listener import Address, Listener


def listener(host: str) -> Listener:
    return Listener(Address(host, 5000), "http", lambda: None)


def own_addresses() -> set[str | None]:
    """The IPv4 addresses of this machine, but for loopback."""
    every = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    found: set[str] = {address.address for address in every if address.family is socket.AF_INET}
    return {address for address in sorted(found) if not ipaddress.ip_address(address).is_loopback}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_one_of_this_machines_addresses_stands_for_all(host: str) -> None:
    shown = urlsplit(reachable_url(listener(host))).hostname
    assert shown in (own_addresses() or {host or None})


def test_an_address_that_was_chosen_is_shown_as_it_is() -> None:
    assert reachable_url(listener("192.0.2.7")) == "http://192.0.2.7:5000"
    assert reachable_url(listener("registry.site")) == "http://registry.site:5000"
