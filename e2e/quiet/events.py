"""What the system calls of a trace mean, as far as somebody could be reached by them or something be left behind."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from pathlib import Path, PurePosixPath

from e2e.quiet.trace import Call

__all__ = ["TRACED", "Event", "Inet", "Kind", "Local", "Other", "Process", "Recording", "record"]

RESOLVER_FILES = (
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/var/lib/nscd",
    "/var/run/nscd",
)
"""What a resolver reads, as files or folders with such files."""

_SOCKET_CALLS = ("socket", "connect", "bind", "listen", "sendto", "sendmsg", "sendmmsg")
_NEW_TASK = ("clone", "clone3", "fork", "vfork")
_OPENING = ("open", "openat", "openat2", "creat")
_CHANGING = (
    *("mkdir", "mkdirat", "mknod", "mknodat", "link", "linkat", "symlink", "symlinkat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "truncate"),
)
_PROGRAM = ("execve", "execveat")
# What is done over an io_uring passes by strace, so that one is made is enough to know.
_RING = "io_uring_setup"
# Not every machine has every call (the older ones of a pair); strace passes over those with a question mark.
TRACED = ",".join(f"?{name}" for name in (*_SOCKET_CALLS, *_NEW_TASK, *_OPENING, *_CHANGING, *_PROGRAM, _RING))
"""For ``strace -e trace=``."""

_QUOTED = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"')
_FAMILY = re.compile(r"sa_family=(?P<family>\w+)")
_PORT = re.compile(r"sin6?_port=htons\((?P<port>\d+)\)")
_HOST = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"(?P<host>[^"]*)"')
_LOCAL = re.compile(r'sun_path=(?P<abstract>@?)"(?P<path>(?:[^"\\]|\\.)*)"')
_SOCKET = re.compile(r"<(?P<socket>[^>]*)>")
_NAMED = re.compile(r"msg_name=(?P<address>\{[^{}]*\})")
_FOLDER = re.compile(r"<(?P<folder>[^>]*)>$")
_WRITING = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)\b")
_SHOWN_WORDS = 8


class Kind(Enum):
    """What was done."""

    SOCKET = "opened a socket"
    CONNECT = "connected"
    SEND = "sent"
    BIND = "bound"
    LISTEN = "listened"
    RESOLVE = "read what a resolver reads"
    WRITE = "changed a file"
    PROGRAM = "started a program"
    PROCESS = "made a process"
    THREAD = "made a thread"
    RING = "made an io_uring"


@dataclass(frozen=True)
class Inet:
    """An address and port of IPv4 or IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's own; also when it is written as an IPv6 address that stands for one of IPv4."""
        address = ip_address(self.host)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@dataclass(frozen=True)
class Local:
    """A socket of this machine, by its path; an abstract one begins with ``@``."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Other:
    """An address of another family, as strace writes it."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Process:
    """Who did it.

    Attributes:
        thread: The id of the thread.
        command: The program's path and its first arguments; of a process that was not seen to start a program, that
            of the one which made it.
        started: The id of the thread in which the program was started.
    """

    thread: int
    command: tuple[str, ...] = ("?",)
    started: int = 0

    @property
    def program(self) -> str:
        """The program's name, without its folder."""
        return PurePosixPath(self.command[0]).name

    def __str__(self) -> str:
        return f"{' '.join(self.command)} (process {self.thread})"


@dataclass(frozen=True)
class Event:
    """One thing that was done, or tried.

    Attributes:
        kind: What.
        call: The system call.
        process: Who.
        address: Of whom; None where there is none.
        socket: Names the socket, the same in all that is done to it.
        detail: A socket's family and type, a file's path, a program's path.
    """

    kind: Kind
    call: str
    process: Process
    address: Inet | Local | Other | None = None
    socket: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.call} {self.address or self.detail}".strip()


@dataclass(frozen=True)
class Recording:
    """All that was done, in order, and what the program said."""

    events: tuple[Event, ...]
    stdout: str = ""
    stderr: str = ""

    def of(self, *kinds: Kind) -> list[Event]:
        """Pick events of some kinds."""
        return [event for event in self.events if event.kind in kinds]


@dataclass
class _Processes:
    """Which thread runs which program."""

    parents: dict[int, int]
    running: dict[int, Process] = field(default_factory=dict)

    def of(self, thread: int) -> Process:
        found = self.running.get(thread)
        if found is None:
            parent = self.parents.get(thread)
            above = self.of(parent) if parent is not None else Process(thread)
            found = Process(thread, above.command, above.started)
            self.running[thread] = found
        return found


def record(calls: Iterable[Call]) -> tuple[Event, ...]:
    """Say what the calls of a trace mean; a call that failed counts as one that did not: it was tried."""
    every = list(calls)
    made = {call.returned or 0: call.thread for call in every if call.name in _NEW_TASK}
    processes = _Processes(made)
    return tuple(event for call in every for event in _events(call, processes))


def _events(call: Call, processes: _Processes) -> Iterator[Event]:
    process = processes.of(call.thread)
    if call.name in _PROGRAM:
        yield from _program(call, process, processes)
    elif call.name in _NEW_TASK:
        is_thread = any("CLONE_THREAD" in argument for argument in call.arguments)
        yield Event(Kind.THREAD if is_thread else Kind.PROCESS, call.name, process, detail=call.result)
    elif call.name in _OPENING or call.name in _CHANGING:
        yield from _files(call, process)
    elif call.name == _RING:
        yield Event(Kind.RING, call.name, process)
    else:
        yield from _network(call, process)


def _program(call: Call, process: Process, processes: _Processes) -> Iterator[Event]:
    if call.returned is None:
        return  # Programs are looked for in each folder of the search path.
    at = call.name == "execveat"
    words = tuple(_text(found["text"]) for found in _QUOTED.finditer(call.arguments[2 if at else 1]))
    path = _path(call.arguments[0:2] if at else call.arguments[0:1])
    started = Process(call.thread, (path, *words[1:_SHOWN_WORDS]), call.thread)
    processes.running[call.thread] = started
    yield Event(Kind.PROGRAM, call.name, process, detail=path)


def _files(call: Call, process: Process) -> Iterator[Event]:
    paths = _paths(call.arguments)
    writes = call.name in _CHANGING or call.name == "creat" or any(map(_WRITING.search, call.arguments))
    for path in paths:
        if any(path == name or path.startswith(f"{name}/") for name in RESOLVER_FILES):
            yield Event(Kind.RESOLVE, call.name, process, detail=path)
        elif writes:
            yield Event(Kind.WRITE, call.name, process, detail=path)


def _network(call: Call, process: Process) -> Iterator[Event]:
    if call.name == "socket":
        made = _SOCKET.search(call.result)
        shown = ", ".join(call.arguments)
        yield Event(Kind.SOCKET, call.name, process, None, made["socket"] if made else "", shown)
        return
    used = _SOCKET.search(call.arguments[0])
    socket = used["socket"] if used else ""
    if call.name == "listen":
        yield Event(Kind.LISTEN, call.name, process, None, socket)
    elif call.name in {"connect", "bind"}:
        kind = Kind.CONNECT if call.name == "connect" else Kind.BIND
        yield Event(kind, call.name, process, _address(call.arguments[1]), socket)
    elif call.name == "sendto":
        # NULL on a connected socket.
        if call.arguments[4].startswith("{"):
            yield Event(Kind.SEND, call.name, process, _address(call.arguments[4]), socket)
    else:
        for found in _NAMED.finditer(call.arguments[1]):
            yield Event(Kind.SEND, call.name, process, _address(found["address"]), socket)


def _address(text: str) -> Inet | Local | Other:
    family = _FAMILY.search(text)
    host, port = _HOST.search(text), _PORT.search(text)
    if family and family["family"] in {"AF_INET", "AF_INET6"} and host and port:
        return Inet(host["host"], int(port["port"]))
    local = _LOCAL.search(text)
    if family and family["family"] == "AF_UNIX" and local:
        return Local(f"{local['abstract']}{_text(local['path'])}")
    return Other(text)


def _paths(arguments: tuple[str, ...]) -> list[str]:
    """Give the paths among the arguments, each on top of the folder that stands before it."""
    found = []
    for position, argument in enumerate(arguments):
        if argument.startswith('"'):
            found.append(_path(arguments[max(position - 1, 0) : position + 1]))
    return found


def _path(arguments: tuple[str, ...]) -> str:
    quoted = _QUOTED.match(arguments[-1])
    text = _text(quoted["text"]) if quoted else arguments[-1]
    folder = _FOLDER.search(arguments[0]) if len(arguments) > 1 and not arguments[0].startswith('"') else None
    return str(Path(folder["folder"], text)) if folder else text


def _text(quoted: str) -> str:
    """Undo strace's escapes, which are those of C."""
    return re.sub(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", _unescaped, quoted)


def _unescaped(found: re.Match[str]) -> str:
    word = found[1]
    if word[0] == "x":
        return chr(int(word[1:], 16))
    return chr(int(word, 8)) if word[0] in "01234567" else {"n": "\n", "t": "\t", "r": "\r"}.get(word, word)
