"""Traces as strace 6.1 really writes them: what they say, and that nothing in them is passed over."""

import pytest

from e2e.quiet.events import Event, Inet, Kind, Local, Other, record
from e2e.quiet.trace import Call, TraceError, parse

CONNECT_4 = (
    "25  connect(3<socket:[17]>, {sa_family=AF_INET, sin_port=htons(5001), "
    'sin_addr=inet_addr("127.0.0.1")}, 16) = -1 ECONNREFUSED (Connection refused)'
)
CONNECT_6 = (
    "25  connect(3<socket:[17]>, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
    'inet_pton(AF_INET6, "2001:db8::7", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH (Network is unreachable)'
)
SENT_TO = (
    '25  sendto(4<socket:[18]>, "\\256\\5\\1\\0\\0\\1\\0\\0) = \\"1\\""..., 31, MSG_NOSIGNAL, {sa_family=AF_INET, '
    'sin_port=htons(53), sin_addr=inet_addr("192.0.2.53")}, 16) = 31'
)
SENT_NETLINK = (
    "25  sendto(5<socket:[19]>, [{nlmsg_len=20, nlmsg_type=RTM_GETADDR, nlmsg_pid=0}, {ifa_family=AF_UNSPEC}], 20, "
    "0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20"
)
BOUND_6 = (
    "25  bind(6<socket:[2]>, {sa_family=AF_INET6, sin6_port=htons(0), sin6_flowinfo=htonl(0), "
    'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0'
)
SENT_MESSAGE = (
    "25  sendmsg(4<socket:[1]>, {msg_name={sa_family=AF_INET, sin_port=htons(53), "
    'sin_addr=inet_addr("192.0.2.1")}, msg_namelen=16, msg_iov=[{iov_base="a", iov_len=1}], msg_iovlen=1, '
    "msg_controllen=0, msg_flags=0}, 0) = 1"
)
SENT_TWICE = (
    "25  sendmmsg(4<socket:[18]>, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(53), "
    'sin_addr=inet_addr("192.0.2.53")}, msg_namelen=16, msg_iov=[{iov_base="a", iov_len=1}], msg_iovlen=1, '
    "msg_controllen=0, msg_flags=0}, msg_len=1}, {msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(54), "
    'sin_addr=inet_addr("192.0.2.54")}, msg_namelen=16, msg_iovlen=0, msg_flags=0}}], 2, MSG_NOSIGNAL) = 2'
)


def events(*lines: str) -> list[Event]:
    return list(record(parse("\n".join(lines))))


@pytest.mark.parametrize(
    ("line", "kind", "address"),
    [
        (CONNECT_4, Kind.CONNECT, Inet("127.0.0.1", 5001)),
        (CONNECT_6, Kind.CONNECT, Inet("2001:db8::7", 443)),
        (
            '25  connect(3<socket:[9]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = 0',
            Kind.CONNECT,
            Local("/var/run/nscd/socket"),
        ),
        (
            '25  connect(3<socket:[9]>, {sa_family=AF_UNIX, sun_path=@"/tmp/bus"}, 12) = 0',
            Kind.CONNECT,
            Local("@/tmp/bus"),
        ),
        (SENT_TO, Kind.SEND, Inet("192.0.2.53", 53)),
        (
            BOUND_6,
            Kind.BIND,
            Inet("::1", 0),
        ),
        (SENT_NETLINK, Kind.SEND, Other("{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}")),
        (
            "25  connect(3<socket:[9]>, {sa_family=AF_VSOCK, svm_cid=VMADDR_CID_HOST, svm_port=0x3e8}, 16) = 0",
            Kind.CONNECT,
            Other("{sa_family=AF_VSOCK, svm_cid=VMADDR_CID_HOST, svm_port=0x3e8}"),
        ),
        (
            SENT_MESSAGE,
            Kind.SEND,
            Inet("192.0.2.1", 53),
        ),
    ],
)
def test_whom_a_call_is_about(line: str, kind: Kind, address: Inet | Local | Other) -> None:
    (event,) = events(line)
    assert (event.kind, event.address) == (kind, address)


def test_each_message_of_a_call_that_sends_several_counts() -> None:
    assert [event.address for event in events(SENT_TWICE)] == [Inet("192.0.2.53", 53), Inet("192.0.2.54", 54)]


def test_what_is_sent_over_a_connection_was_judged_when_it_was_made() -> None:
    assert events('25  sendto(3<socket:[17]>, "GET / HTTP/1.1\\r\\n"..., 120, 0, NULL, 0) = 120') == []


def test_a_socket_is_known_again() -> None:
    opened, bound, listens = events(
        "25  socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 6<socket:[42]>",
        '25  bind(6<socket:[42]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0',
        "25  listen(6<socket:[42]>, 1024) = 0",
    )
    assert opened.socket == bound.socket == listens.socket == "socket:[42]"
    assert opened.detail == "AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP"


def test_calls_that_others_cut_in_on_are_put_together() -> None:
    assert list(
        parse(
            '25  openat(AT_FDCWD</tmp/a, b>, "/etc/hosts", O_RDONLY <unfinished ...>\n'
            "26  socket(AF_INET, SOCK_DGRAM, IPPROTO_IP <unfinished ...>\n"
            "25  <... openat resumed>)             = 3</etc/hosts>\n"
            "26  <... socket resumed>)             = 4<socket:[1]>"
        )
    ) == [
        Call(25, "openat", ("AT_FDCWD</tmp/a, b>", '"/etc/hosts"', "O_RDONLY"), "3</etc/hosts>"),
        Call(26, "socket", ("AF_INET", "SOCK_DGRAM", "IPPROTO_IP"), "4<socket:[1]>"),
    ]


@pytest.mark.parametrize("ending", ["25  +++ killed by SIGKILL +++", "25  +++ exited with 0 +++", ""])
def test_a_call_that_never_came_back_counts(ending: str) -> None:
    begun = CONNECT_4.partition(") = -1")[0] + " <unfinished ...>"
    (event,) = events(begun, *filter(None, [ending]))
    assert event.address == Inet("127.0.0.1", 5001)


def test_a_call_that_the_end_of_its_process_cut_off() -> None:
    assert list(parse("25  socket(AF_INET, SOCK_DGRAM, IPPROTO_IP <unfinished ...>) = ?")) == [
        Call(25, "socket", ("AF_INET", "SOCK_DGRAM", "IPPROTO_IP"), "?")
    ]


def test_the_program_that_did_it_is_told_with_its_command() -> None:
    *_, mine, of_a_thread, of_a_child = events(
        '25  execve("/venv/bin/packhorse", ["/venv/bin/packhorse", "lock", "shop"], 0x7f /* 9 vars */) = 0',
        "25  clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, child_tid=0x7f} => {parent_tid=[26]}, 88) = 26",
        "25  vfork( <unfinished ...>",
        '27  execve("/usr/bin/helm", ["helm", "version"], 0x7f /* 9 vars */) = -1 ENOENT (No such file or directory)',
        '27  execve("/opt/bin/helm", ["helm", "version"], 0x7f /* 9 vars */) = 0',
        "25  <... vfork resumed>)              = 27",
        CONNECT_4,
        CONNECT_4.replace("25", "26", 1),
        CONNECT_4.replace("25", "27", 1),
    )
    assert (mine.process.thread, mine.process.command) == (25, ("/venv/bin/packhorse", "lock", "shop"))
    assert (of_a_thread.process.thread, of_a_thread.process.program) == (26, "packhorse")
    assert str(of_a_child.process) == "/opt/bin/helm version (process 27)"


def test_processes_and_threads_are_told_apart() -> None:
    made = events(
        "25  clone3({flags=CLONE_VM|CLONE_THREAD} => {parent_tid=[26]}, 88) = 26",
        "25  clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 27",
        "25  vfork()                           = 28",
    )
    assert [event.kind for event in made] == [Kind.THREAD, Kind.PROCESS, Kind.PROCESS]


@pytest.mark.parametrize(
    "path", ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/var/lib/nscd/hosts", "/run/systemd/resolve/x"]
)
def test_what_a_resolver_reads_is_seen(path: str) -> None:
    (event,) = events(
        f'25  openat(AT_FDCWD</tmp>, "{path}", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)'
    )
    assert (event.kind, event.detail) == (Kind.RESOLVE, path)


def test_changes_of_files_are_seen_with_their_whole_paths() -> None:
    changes = events(
        '25  openat(AT_FDCWD</tmp/home>, "notes", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3</tmp/home/notes>',
        '25  openat(AT_FDCWD</tmp/home>, "/usr/lib/python3/os.py", O_RDONLY|O_CLOEXEC) = 3</usr/lib/python3/os.py>',
        '25  mkdirat(4</srv>, "cache", 0777) = 0',
        '25  rename("/tmp/a\\"b", "/tmp/c") = 0',
    )
    assert [event.kind for event in changes] == [Kind.WRITE] * 4
    assert [event.detail for event in changes] == ["/tmp/home/notes", "/srv/cache", '/tmp/a"b', "/tmp/c"]


def test_an_io_uring_is_seen() -> None:
    (event,) = events("25  io_uring_setup(8, {flags=0, sq_thread_cpu=0, sq_thread_idle=0}) = 5<anon_inode:[io_uring]>")
    assert event.kind is Kind.RING


@pytest.mark.parametrize(
    "line",
    [
        "connect(3, NULL, 0) = 0",
        "25  connect(3, {sa_family=AF_INET",
        "25  connect(3, NULL, 0)",
        "25  <... connect resumed>) = 0",
        "25  what is this",
    ],
)
def test_a_line_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(TraceError):
        list(parse(line))


def test_signals_and_ends_are_no_calls() -> None:
    assert (
        events("25  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=26} ---", "25  +++ exited with 3 +++")
        == []
    )
