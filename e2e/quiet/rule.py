"""What a program may do that is told whom to speak to: speak to those, and to nobody else."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from e2e.quiet.events import Event, Inet, Kind, Local, Recording

__all__ = ["EXCEPTIONS", "Named", "Tolerated", "violations"]

_TALKING = (Kind.SOCKET, Kind.CONNECT, Kind.SEND, Kind.BIND, Kind.LISTEN, Kind.RESOLVE, Kind.RING)
_INTERNET = ("AF_INET", "AF_INET6")
_NAME_SERVICES = frozenset({"/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"})
"""Caches of this machine that libc asks before it reads a resolver's files."""


@dataclass(frozen=True)
class Named:
    """Whom the operator has named, on the command line or in the files that it names.

    Attributes:
        endpoints: Addresses that may be spoken to.
        listen: The address that may be listened on; port 0 is any.
        sockets: Sockets of this machine that may be spoken to, such as containerd's.
        by_name: Whether an endpoint was named by a name, which may be looked up.
    """

    endpoints: frozenset[Inet] = frozenset()
    listen: Inet | None = None
    sockets: frozenset[str] = frozenset()
    by_name: bool = False

    def is_nobody(self) -> bool:
        """Whether nobody was named, so that there is no need of a socket."""
        return not (self.endpoints or self.listen or self.sockets)


@dataclass(frozen=True)
class Tolerated:
    """What is done without being told to, reaches nobody, and stays. The table of them stands in the documentation.

    Attributes:
        what: What is done.
        who: By which programs; a pattern of names.
        why: The reason, and why it reaches nobody.
        is_it: Tells whether an event is of this kind, given all of them.
    """

    what: str
    who: re.Pattern[str]
    why: str
    is_it: Callable[[Event, Sequence[Event]], bool] = field(repr=False)

    def covers(self, event: Event, every: Sequence[Event]) -> bool:
        """Tell whether an event is tolerated."""
        return self.who.fullmatch(event.process.program) is not None and self.is_it(event, every)


def _asks_for_a_family(event: Event, every: Sequence[Event]) -> bool:
    """Whether it is about a TCP socket that is bound to a free port of loopback, or not at all, and never used."""
    about = [each for each in every if each.socket == event.socket] if event.socket else []
    if {each.kind for each in about} - {Kind.SOCKET, Kind.BIND}:
        return False
    opened = [each for each in about if each.kind is Kind.SOCKET]
    return any(map(_is_tcp, opened)) and _on_a_free_port_of_loopback(about)


def _is_the_trap(event: Event, every: Sequence[Event]) -> bool:
    about = [each for each in every if each.socket == event.socket] if event.socket else []
    return (
        event.process.command[1:3] == ("node", "mirror")
        and {each.kind for each in about} == {Kind.SOCKET, Kind.BIND, Kind.LISTEN}
        and _on_a_free_port_of_loopback(about)
    )


def _on_a_free_port_of_loopback(about: Sequence[Event]) -> bool:
    binds = [each.address for each in about if each.kind is Kind.BIND]
    return all(isinstance(address, Inet) and address.is_loopback and not address.port for address in binds)


def _is_tcp(event: Event) -> bool:
    family, kind, *_ = event.detail.split(", ")
    return family in _INTERNET and kind.startswith("SOCK_STREAM")


EXCEPTIONS: tuple[Tolerated, ...] = (
    Tolerated(
        "A TCP socket is opened, bound to a free port of loopback or to nothing, and closed",
        re.compile(r"python[0-9.]*|packhorse|helm|kubectl|ctr"),
        "It asks the kernel which families of addresses there are; nothing is connected, sent or listened on.",
        _asks_for_a_family,
    ),
    Tolerated(
        "`node mirror` listens on a free port of loopback",
        re.compile(r"packhorse"),
        "It is the trap that proves the mirror: a container runtime that is set up well never connects to it.",
        _is_the_trap,
    ),
)


def violations(recording: Recording, named: Named) -> list[str]:
    """Tell all that was done and nobody asked for, but for what is in :data:`EXCEPTIONS`.

    Each text names the system call, the address, the process and its command.
    """
    every = recording.of(*_TALKING)
    return [
        f"{event.process}: {event.call}: {why}"
        for event in every
        for why in _faults(event, every, named)
        if not any(each.covers(event, every) for each in EXCEPTIONS)
    ]


def _faults(event: Event, every: Sequence[Event], named: Named) -> Iterator[str]:
    if event.kind is Kind.RING:
        yield "an io_uring, whose work cannot be recorded"
    elif event.kind is Kind.RESOLVE:
        if not named.by_name:
            yield f"read {event.detail}, though no name was given"
    elif event.kind is Kind.SOCKET:
        yield from _socket_faults(event, named)
    elif event.kind is Kind.BIND:
        if not _may_be_bound(event, named):
            yield f"bound {event.address}, though {named.listen or 'no address'} was given to listen on"
    elif event.kind is Kind.LISTEN:
        bound = [each for each in every if each.kind is Kind.BIND and each.socket == event.socket]
        if not any(_may_be_bound(each, named) for each in bound):
            yield f"listens on {', '.join(str(each.address) for each in bound) or 'any address'}, which nobody named"
    elif not _may_be_reached(event, named):
        yield f"{event.kind.value} to {event.address}, which nobody named"


def _socket_faults(event: Event, named: Named) -> Iterator[str]:
    family = event.detail.partition(",")[0]
    if family in _INTERNET and not _is_tcp(event):
        yield f"a socket that is not TCP ({event.detail})"
    elif family == "AF_UNIX" and (named.sockets or named.by_name):
        return
    elif family not in _INTERNET or named.is_nobody():
        yield f"a socket ({event.detail}), though nobody to speak to was named"


def _may_be_bound(event: Event, named: Named) -> bool:
    if named.listen is None or not isinstance(event.address, Inet):
        return False
    return event.address.host == named.listen.host and named.listen.port in {0, event.address.port}


def _may_be_reached(event: Event, named: Named) -> bool:
    if isinstance(event.address, Local):
        return event.address.path in named.sockets | (_NAME_SERVICES if named.by_name else frozenset())
    return event.address in named.endpoints
