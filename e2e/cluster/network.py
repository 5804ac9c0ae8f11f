"""Networks that lead nowhere: anonymous namespaces, and a site whose only way out ends at a border that counts.

A namespace here has no name under ``/run/netns``: a process holds it, so it goes when that process goes, however the
test run ends.
"""

import ctypes
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from e2e.cluster.errors import BedError
from e2e.cluster.process import Daemon, wait_until

__all__ = ["Attempt", "NetworkNamespace", "SiteNetwork"]

_T = TypeVar("_T")
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_START_SECONDS = 10.0


class NetworkNamespace:
    """A new network namespace with nothing in it but a loopback device that is up."""

    def __init__(self, name: str, log: Path) -> None:
        """Make the namespace. ``name`` is for messages only."""
        self.name = name
        self._holder = Daemon(f"namespace {name}", ["unshare", "--net", "sleep", "infinity"], log)
        self._thread: ThreadPoolExecutor | None = None
        try:
            wait_until(
                self._is_held, f"the network namespace {name}", timeout_seconds=_START_SECONDS, watching=[self._holder]
            )
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def _is_held(self) -> bool:
        # unshare becomes sleep once the namespace is there.
        return Path(f"/proc/{self._holder.pid}/comm").read_text().strip() == "sleep"

    @property
    def path(self) -> Path:
        """The namespace as a file, for ``nsenter --net=`` and ``setns``."""
        return Path(f"/proc/{self._holder.pid}/ns/net")

    @property
    def pid(self) -> int:
        """The process that holds it, for ``ip link … netns PID``."""
        return self._holder.pid

    def command(self, *argv: str | Path) -> list[str]:
        """Return the command line that runs ``argv`` inside, and becomes it (same process id)."""
        return ["nsenter", f"--net={self.path}", *map(str, argv)]

    def run(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run a program inside to its end and return what it printed.

        Raises:
            BedError: It ended with an error; the message has what it said.
        """
        done = subprocess.run(self.command(*argv), input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BedError(f"in the namespace {self.name}: {' '.join(map(str, argv))}: {done.stderr.strip()}")
        return done.stdout

    def call(self, function: Callable[[], _T]) -> _T:
        """Call ``function`` in a thread that is inside, and return its result: the sockets it opens are inside too."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, f"netns-{self.name}", self._enter)
        return self._thread.submit(function).result()

    def set(self, key: str, value: int) -> None:
        """Set one of the namespace's own kernel settings: ``set("ipv4/ip_forward", 1)``."""
        self.call(lambda: Path(f"/proc/sys/net/{key}").write_text(f"{value}\n"))

    def close(self) -> None:
        """Let go of the namespace. Programs that still run inside keep it alive."""
        if self._thread is not None:
            self._thread.shutdown()
        self._holder.kill()

    def _enter(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns to {self.path}")
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class Attempt:
    """Packets of one kind that tried to leave a site."""

    address: str
    protocol: str
    port: int | None
    packets: int


class SiteNetwork:
    """A site's network: the node's address on an empty LAN, and a default route that ends at the border.

    The border is a namespace of its own at the far end of a pair of virtual Ethernet devices. Everything that arrives
    there was sent to a place that the site does not have: it is counted by destination and refused, as by a firewall.
    Counting there sees what no rule inside can hide, and an attempt is made (and so is seen) because there is a route.
    """

    node_address = "10.10.0.1"
    pod_range = "10.244.0.0/24"
    service_range = "10.96.0.0/16"
    api_service_address = "10.96.0.1"
    dns_address = "10.96.0.10"
    # What the node has in resolv.conf: to ask it for a name is to try to leave.
    outer_name_server = "192.0.2.53"

    # Documentation ranges (RFC 5737, RFC 3849): nothing is ever there.
    _inside, _outside = "192.0.2.1", "192.0.2.2"
    _inside_6, _outside_6 = "2001:db8::1", "2001:db8::2"
    _rules = """
        table inet border {
            counter attempts { }
            set ports_4 { type ipv4_addr . inet_proto . inet_service; size 65535; flags dynamic; counter; }
            set others_4 { type ipv4_addr . inet_proto; size 65535; flags dynamic; counter; }
            set ports_6 { type ipv6_addr . inet_proto . inet_service; size 65535; flags dynamic; counter; }
            set others_6 { type ipv6_addr . inet_proto; size 65535; flags dynamic; counter; }
            chain arriving {
                type filter hook prerouting priority -300; policy accept;
                iifname != "wire" accept
                ip6 daddr { ff00::/8, fe80::/10, 2001:db8::/126 } accept comment "talk between the two ends"
                counter name attempts
                meta l4proto { tcp, udp } update @ports_4 { ip daddr . meta l4proto . th dport }
                meta l4proto { tcp, udp } update @ports_6 { ip6 daddr . meta l4proto . th dport }
                meta l4proto != { tcp, udp } update @others_4 { ip daddr . meta l4proto }
                meta l4proto != { tcp, udp } update @others_6 { ip6 daddr . meta l4proto }
                meta l4proto tcp reject with tcp reset
                reject with icmpx admin-prohibited
            }
        }
    """

    def __init__(self, log: Path) -> None:
        """Make both namespaces and everything in them."""
        with ExitStack() as stack:
            self.site = NetworkNamespace("site", log)
            stack.callback(self.site.close)
            self._border = NetworkNamespace("border", log)
            stack.callback(self._border.close)
            self._make_lan()
            self._make_border()
            stack.pop_all()

    def escaped_packets(self) -> int:
        """Count the packets that tried to leave so far."""
        objects = self._list("counter", "attempts")
        return sum(item["counter"]["packets"] for item in objects if "counter" in item)

    def attempts(self) -> list[Attempt]:
        """Tell where those packets were going, by address, protocol and port."""
        found = []
        for name in ("ports_4", "ports_6", "others_4", "others_6"):
            for item in self._list("set", name):
                for entry in item.get("set", {}).get("elem", ()):
                    address, protocol, *port = entry["elem"]["val"]["concat"]
                    packets = entry["elem"]["counter"]["packets"]
                    found.append(Attempt(address, str(protocol), port[0] if port else None, packets))
        return sorted(found, key=lambda attempt: (attempt.address, attempt.protocol, attempt.port or 0))

    def close(self) -> None:
        """Take both namespaces down."""
        self.site.close()
        self._border.close()

    def _make_lan(self) -> None:
        ip = ("ip", "-batch", "-")
        self.site.run(
            *ip,
            stdin=f"""
                link add lan type bridge
                address add {self.node_address}/24 dev lan
                link set lan up
                route add {self.service_range} dev lan src {self.node_address}
            """,
        )
        self.site.set("ipv4/ip_forward", 1)
        # Traffic between two pods of the node passes a bridge: kube-proxy's rules must see it.
        self.site.set("bridge/bridge-nf-call-iptables", 1)

    def _make_border(self) -> None:
        self.site.run(
            "ip", "link", "add", "uplink", "type", "veth", "peer", "name", "wire", "netns", str(self._border.pid)
        )
        for namespace, device, own, own_6 in (
            (self.site, "uplink", self._inside, self._inside_6),
            (self._border, "wire", self._outside, self._outside_6),
        ):
            namespace.run(
                *("ip", "-batch", "-"),
                stdin=f"""
                    address add {own}/30 dev {device}
                    address add {own_6}/126 dev {device} nodad
                    link set {device} up
                """,
            )
        self._border.run("nft", "-f", "-", stdin=self._rules)
        self._border.run("ip", "route", "add", "10.0.0.0/8", "via", self._inside)
        self.site.run("ip", "route", "add", "default", "via", self._outside, "src", self.node_address)
        self.site.run("ip", "-6", "route", "add", "default", "via", self._outside_6)

    def _list(self, kind: str, name: str) -> list[dict[str, Any]]:
        text = self._border.run("nft", "--json", "list", kind, "inet", "border", name)
        objects: list[dict[str, Any]] = json.loads(text)["nftables"]
        return objects
