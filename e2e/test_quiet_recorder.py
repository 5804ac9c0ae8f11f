"""The recorder is not blind: programs that do what Packhorse must not are seen doing it, by it and by the border."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.quiet.events import Inet, Kind
from e2e.quiet.recorder import Recorder
from e2e.quiet.rule import Named, violations
from e2e.quiet.site import QuietSite

# A documentation range: nothing is ever there.
_ELSEWHERE = "192.0.2.80"
_NAMED = Named(frozenset({Inet("127.0.0.1", 5000)}))
_IN_A_CHILD = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", "import socket; socket.socket().connect(('{_ELSEWHERE}', 80))"])
"""
_IN_A_THREAD = f"""
import socket, threading
threading.Thread(target=lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{_ELSEWHERE}', 514))).start()
"""
_RING = """
import ctypes
print(ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120)))
"""


@pytest.fixture(scope="module")
def site(bin_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuietSite]:
    with QuietSite(tmp_path_factory.mktemp("seen"), bin_dir, has_way_out=True) as made:
        yield made


@pytest.fixture
def recorder(site: QuietSite, tmp_path: Path) -> Recorder:
    return site.recorder(tmp_path)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import socket; socket.gethostbyname('packhorse.example')", "read /etc/"),
        (
            f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{_ELSEWHERE}', 53))",
            f"sendto: sent to {_ELSEWHERE}:53",
        ),
        (f"import socket; socket.socket().connect(('{_ELSEWHERE}', 443))", f"connect: connected to {_ELSEWHERE}:443"),
        ("import socket; socket.socket().connect(('127.0.0.1', 5001))", "connect: connected to 127.0.0.1:5001"),
        ("import socket; socket.create_server(('127.0.0.1', 0))", "listens on 127.0.0.1:0"),
        ("import socket; socket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')", "/run/dbus/system_bus"),
        ("import socket; socket.if_nameindex()", "AF_NETLINK"),
        (_RING, "io_uring_setup: an io_uring, whose work cannot be recorded"),
        (_IN_A_CHILD, f"connected to {_ELSEWHERE}:80"),
        (_IN_A_THREAD, f"sent to {_ELSEWHERE}:514"),
    ],
)
def test_what_is_done_is_told_with_the_process_that_did_it(recorder: Recorder, program: str, said: str) -> None:
    script = recorder.place.folder / "canary.py"
    script.write_text(f"try:\n    {program}\nexcept OSError:\n    pass\n" if "\n" not in program else program)
    found = violations(recorder.run(sys.executable, script), _NAMED)
    assert any(said in text for text in found), found
    assert all("python" in text and "(process " in text for text in found)


def test_the_border_counts_what_is_sent(site: QuietSite, recorder: Recorder) -> None:
    before = {attempt.address: attempt.packets for attempt in site.attempts()}
    address = "198.51.100.9"
    recorder.run(sys.executable, "-c", f"import socket; socket.socket(type=2).sendto(b'x', ('{address}', 9))")
    assert address not in before
    (seen,) = [attempt for attempt in site.attempts() if attempt.address == address]
    assert (seen.protocol, seen.port, seen.packets) == ("udp", 9, 1)


def test_a_program_that_goes_on_is_recorded_to_its_end(recorder: Recorder) -> None:
    program = f"import socket, time\nsocket.socket(type=2).sendto(b'x', ('{_ELSEWHERE}', 1))\nprint('sent', flush=True)"
    script = recorder.place.folder / "goes_on.py"
    script.write_text(f"{program}\nwhile True: time.sleep(1)\n")
    with recorder.running("goes-on", sys.executable, script) as running:
        while "sent" not in running.daemon.log_tail():
            assert running.daemon.is_running()
    assert [str(event.address) for event in running.recording.of(Kind.SEND)] == [f"{_ELSEWHERE}:1"]
