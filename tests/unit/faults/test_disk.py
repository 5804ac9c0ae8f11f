"""The faulty disk and clock do what they are told, to real programs: without that, rounds would show nothing."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from faults.disk import CANNOT_WRITE, FULL, Disk, Rule
from faults.disk.trace import read_trace

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def run(disk: Disk, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=disk.root,
        env=disk.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip() if done.returncode >= 0 else f"signal {-done.returncode}"


_WRITE = """
import os
fd = os.open("file", os.O_RDWR | os.O_CREAT)
try:
    print(os.pwrite(fd, b"x" * 1000, 0), os.pwrite(fd, b"y" * 1000, 1000))
    os.fsync(fd)
    os.rename("file", "final")
except OSError as error:
    print(error.strerror)
print(os.pread(fd, 2, 10))
"""


@pytest.mark.parametrize(
    ("rules", "printed"),
    [
        ((), "1000 1000\nb'xx'"),
        ([Rule("write", "short", 7)], "7 7\nb'\\x00\\x00'"),
        ([Rule("write", "errno", FULL, skip=1)], "No space left on device\nb'xx'"),
        ([Rule("write", "full", 1500)], "1000 500\nb'xx'"),
        ([Rule("write", "full", 1000)], "No space left on device\nb'xx'"),
        ([Rule("sync", "errno", CANNOT_WRITE)], "1000 1000\nInput/output error\nb'xx'"),
        ([Rule("sync", "lose")], "1000 1000\nInput/output error\nb'\\x00\\x00'"),
        ([Rule("rename", "errno", CANNOT_WRITE, "final")], "1000 1000\nInput/output error\nb'xx'"),
        ([Rule("write", "errno", FULL, "another")], "1000 1000\nb'xx'"),
        ([Rule("sync", "kill")], "signal 9"),
    ],
)
def test_calls_fail_as_the_rules_say(tmp_path: Path, rules: Sequence[Rule], printed: str) -> None:
    assert run(Disk(tmp_path, rules), _WRITE) == printed


def test_a_bad_sector_fails_only_what_touches_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))
    program = """
import os
fd = os.open("file", os.O_RDONLY)
for at in (0, 450, 501):
    try:
        print(len(os.preadv(fd, [bytearray(100)], at) * b"."))
    except OSError as error:
        print(error.strerror)
"""
    assert run(Disk(tmp_path, [Rule("read", "sector", 500)]), program) == "100\nInput/output error\n100"


def test_files_elsewhere_are_left_alone(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    program = "open('../outside', 'w').write('x')\ntry: open('in', 'w')\nexcept OSError as error: print(error.errno)"
    assert run(Disk(inside, [Rule("open", "errno", CANNOT_WRITE)]), program) == str(CANNOT_WRITE)
    assert (tmp_path / "outside").read_text() == "x"


def test_databases_go_through_it(tmp_path: Path) -> None:
    program = """
import sqlite3
try:
    sqlite3.connect("db").execute("CREATE TABLE t (a)")
except sqlite3.OperationalError as error:
    print(error)
"""
    assert run(Disk(tmp_path, [Rule("write", "full", 0)]), program) == "database or disk is full"


def test_time_goes_faster_and_jumps(tmp_path: Path) -> None:
    program = """
import threading, time
wall, begun = time.time(), time.monotonic()
time.sleep(20)
threading.Event().wait(20)
print(39 < time.monotonic() - begun < 60, time.time() - wall > 80000)
"""
    assert run(Disk(tmp_path, speed=40, jumps=[(300, 86_400)]), program) == "True True"


def test_the_boot_is_another(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("another")
    program = "print(open('/proc/sys/kernel/random/boot_id').read())"
    assert run(Disk(tmp_path, boot=tmp_path / "boot"), program) == "another"


def test_changes_are_recorded_in_their_order(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    program = """
import os
os.mkdir("folder")
fd = os.open("folder/new", os.O_WRONLY | os.O_CREAT)
os.ftruncate(fd, 5)
os.write(fd, b"ab")
os.write(fd, b"cd")
os.fsync(fd)
os.rename("folder/new", "final")
os.fsync(os.open(".", os.O_RDONLY))
os.unlink("final")
"""
    run(Disk(root, trace=tmp_path / "trace"), program)
    found = [
        (each.kind, each.path, each.other, each.offset, each.data) for each in read_trace(tmp_path / "trace", root)
    ]
    assert found == [
        ("d", "folder", "", 0, b""),
        ("c", "folder/new", "", 0, b""),
        ("t", "folder/new", "", 5, b""),
        ("w", "folder/new", "", 0, b"ab"),
        ("w", "folder/new", "", 2, b"cd"),
        ("s", "folder/new", "", 0, b""),
        ("r", "folder/new", "final", 0, b""),
        ("s", "", "", 0, b""),
        ("u", "final", "", 0, b""),
    ]
