"""Who holds the lock of a release: this process, named so that another one on the same machine can tell if it lives.

An identity is ``user@machine/process-start-namespace``: process ids are used again, and mean nothing in another
process namespace, so the start time (proc(5), field 22 of ``stat``) and the namespace's inode go with it.
"""

import os
import socket
from pathlib import Path

from packhorse.deploy.release_lock import LockHolder

__all__ = ["this_process"]

_START_TIME = 19
"""Of the fields of ``/proc/PID/stat`` behind the command's closing parenthesis."""


def this_process(user: str) -> LockHolder:
    """Return the identity of this process, and the way to tell whether another holder is gone.

    Args:
        user: Who runs it, for people to read. It is not looked up in the account database: that may be a directory on
            the network, and nobody has named it.
    """
    machine = socket.gethostname()
    namespace = _namespace()
    identity = f"{user}@{machine}/{os.getpid()}-{_started(os.getpid())}-{namespace}"

    def is_gone(other: str) -> bool:
        place, _, process = other.rpartition("/")
        pid, _, rest = process.partition("-")
        started, _, its_namespace = rest.partition("-")
        if place.rpartition("@")[2] != machine or its_namespace != namespace or not pid.isdigit() or not namespace:
            return False
        return _started(int(pid)) != started

    return LockHolder(identity, is_gone)


def _started(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_START_TIME]


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""
