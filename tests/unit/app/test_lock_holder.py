import os
import subprocess
import sys

from packhorse.app.lock_holder import this_process


def test_this_process_lives() -> None:
    holder = this_process("somebody")
    assert holder.identity == this_process("somebody").identity
    assert holder.identity.startswith("somebody@")
    assert f"/{os.getpid()}-" in holder.identity
    assert not holder.is_gone(holder.identity)


def test_a_process_of_this_machine_that_ended_is_gone() -> None:
    program = "from packhorse.app.lock_holder import this_process; print(this_process('somebody').identity)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert this_process("somebody").is_gone(other)


def test_of_what_is_elsewhere_nothing_is_known() -> None:
    holder = this_process("somebody")
    place, _, process = holder.identity.rpartition("/")
    pid, started, namespace = process.split("-")
    assert not holder.is_gone(f"root@elsewhere/{process}")
    assert not holder.is_gone(f"{place}/{pid}-{started}-{int(namespace) + 1}")
    assert not holder.is_gone("somebody")
    # The same process id, begun at another time: the one that held the lock is no more.
    assert holder.is_gone(f"{place}/{pid}-1-{namespace}")
