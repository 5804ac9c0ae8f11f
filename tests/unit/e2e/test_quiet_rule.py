"""What the rule lets pass, and what it names."""

from pathlib import Path

import pytest

from e2e.quiet.events import Event, Inet, Kind, Local, Other, Process, Recording
from e2e.quiet.rule import EXCEPTIONS, Named, violations

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "no-phoning-home.md"
REGISTRY = Inet("127.0.0.1", 5000)
PROCESS = Process(25, ("/venv/bin/packhorse", "push", "b.tar", "127.0.0.1:5000"), 25)
TCP = Event(Kind.SOCKET, "socket", PROCESS, None, "s1", "AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP")
UNIX = Event(Kind.SOCKET, "socket", PROCESS, None, "s1", "AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0")
LISTENS = Event(Kind.LISTEN, "listen", PROCESS, None, "s1")
HOSTS = Event(Kind.RESOLVE, "openat", PROCESS, detail="/etc/hosts")


def connect(address: Inet | Local | Other) -> Event:
    return Event(Kind.CONNECT, "connect", PROCESS, address, "s1")


def bind(address: Inet) -> Event:
    return Event(Kind.BIND, "bind", PROCESS, address, "s1")


def judged(named: Named, *events: Event) -> list[str]:
    return violations(Recording(events), named)


@pytest.mark.parametrize(
    ("named", "events"),
    [
        (Named(frozenset({REGISTRY})), [TCP, connect(REGISTRY)]),
        (Named(listen=REGISTRY), [TCP, bind(REGISTRY), LISTENS]),
        (Named(listen=Inet("127.0.0.1", 0)), [TCP, bind(Inet("127.0.0.1", 0)), LISTENS]),
        (Named(sockets=frozenset({"/run/c.sock"})), [UNIX, connect(Local("/run/c.sock"))]),
        (
            Named(frozenset({REGISTRY}), by_name=True),
            [UNIX, connect(Local("/var/run/nscd/socket")), HOSTS, TCP, connect(REGISTRY)],
        ),
        (Named(), [TCP, bind(Inet("::1", 0))]),
        (Named(), [Event(Kind.PROGRAM, "execve", PROCESS, detail="/usr/bin/helm")]),
    ],
)
def test_what_was_named_may_be_spoken_to(named: Named, events: list[Event]) -> None:
    assert judged(named, *events) == []


@pytest.mark.parametrize(
    ("named", "events", "said"),
    [
        (
            Named(frozenset({REGISTRY})),
            [TCP, connect(Inet("127.0.0.1", 5001))],
            "connected to 127.0.0.1:5001, which nob",
        ),
        (
            Named(frozenset({REGISTRY})),
            [TCP, connect(Inet("::1", 5000))],
            r"connected to [::1]:5000, which nobody named",
        ),
        (Named(frozenset({REGISTRY})), [HOSTS], "read /etc/hosts, though no name was given"),
        (Named(frozenset({REGISTRY})), [connect(Local("/var/run/nscd/socket"))], "connected to /var/run/nscd/socket"),
        (Named(), [TCP, connect(REGISTRY)], "a socket (AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP), though nobody"),
        (Named(), [UNIX], "a socket (AF_UNIX"),
        (Named(listen=REGISTRY), [TCP, bind(Inet("0.0.0.0", 5000)), LISTENS], "listens on 0.0.0.0:5000, which nobody"),
        (Named(listen=REGISTRY), [TCP, LISTENS], "listens on any address, which nobody named"),
        (Named(), [TCP, bind(Inet("192.0.2.1", 0))], "bound 192.0.2.1:0, though no address was given to listen on"),
        (Named(), [TCP, bind(Inet("127.0.0.1", 80))], "bound 127.0.0.1:80"),
        (Named(), [Event(Kind.RING, "io_uring_setup", PROCESS)], "an io_uring, whose work cannot be recorded"),
        (
            Named(frozenset({REGISTRY}), by_name=True),
            [Event(Kind.SEND, "sendto", PROCESS, Inet("192.0.2.53", 53), "s2")],
            "sent to 192.0.2.53:53, which nobody named",
        ),
        *(
            (
                Named(frozenset({REGISTRY}), by_name=True),
                [Event(Kind.SOCKET, "socket", PROCESS, None, "s2", kind)],
                said,
            )
            for kind, said in (
                ("AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP", "a socket that is not TCP (AF_INET, SOCK_DGRAM"),
                ("AF_INET6, SOCK_RAW, IPPROTO_ICMPV6", "a socket that is not TCP"),
                ("AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE", "a socket (AF_NETLINK"),
                ("AF_PACKET, SOCK_RAW, 768", "a socket (AF_PACKET"),
                ("AF_VSOCK, SOCK_STREAM, 0", "a socket (AF_VSOCK"),
            )
        ),
    ],
)
def test_anybody_else_is_named_with_who_did_it(named: Named, events: list[Event], said: str) -> None:
    found = judged(named, *events)
    assert any(said in text for text in found), found
    assert all(text.startswith("/venv/bin/packhorse push b.tar 127.0.0.1:5000 (process 25): ") for text in found)
    assert all(f" {event}:" in text for text, event in zip(found, [events[-1].call], strict=False)) or len(found) > 1


def test_an_exception_holds_for_the_programs_that_it_names_only() -> None:
    other = Process(26, ("/usr/bin/curl", "x"), 26)
    socket = Event(Kind.SOCKET, "socket", other, None, "s9", "AF_INET6, SOCK_STREAM, 0")
    assert violations(Recording((socket,)), Named())


def test_the_documentation_has_every_exception() -> None:
    page = " ".join(_PAGE.read_text(encoding="utf-8").split())
    for each in EXCEPTIONS:
        assert f"| {each.what} |" in page
        assert each.why in page
