"""Programs that run beside the tests: started with a log, watched while something is awaited, ended by process id.

Every program asks the kernel to be killed when the process that started it dies, so a test run that is itself killed
leaves none behind.
"""

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from e2e.cluster.errors import BedError

__all__ = ["Daemon", "identity", "is_alive", "wait_until"]

_LOG_LINES = 15
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0
_T = TypeVar("_T")
_STAT_START_TIME = 19  # index of field 22, starttime, counted after the command's closing parenthesis (proc(5))


class Daemon:
    """One running program."""

    def __init__(
        self, name: str, argv: Sequence[str | Path], log: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start ``argv``; both its output streams go to the end of ``log``.

        Must be called from a thread that lives as long as the program shall: the kernel's death signal is tied to the
        thread.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; the program itself, not a wrapper."""
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether the program has not ended yet."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the program at once and collect it. Does nothing when it has ended already.

        Raises:
            BedError: It is still there after ten seconds, which only a process stuck in the kernel can be.
        """
        self._process.kill()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            message = f"{self.name} (process {self.pid}) did not die within {_STOP_SECONDS:.0f} s of SIGKILL"
            raise BedError(message) from error

    def log_tail(self) -> str:
        """Return the last lines of the log, for an error message."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(f"    {line}" for line in lines)


def wait_until(
    probe: Callable[[], _T | None], what: str, *, timeout_seconds: float, watching: Iterable[Daemon] = ()
) -> _T:
    """Call ``probe`` until it returns something true, and return that.

    Args:
        probe: Must return quickly; ``None`` and other false values mean "not yet".
        what: What is awaited, as it stands in the error: ``"kube-apiserver to answer /readyz"``.
        timeout_seconds: How long at most.
        watching: Programs without which it can never come true; waiting ends when one of them does.

    Raises:
        BedError: A watched program ended, or time ran out. Has the ends of their logs.
    """
    watched = list(watching)
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = probe()
        if result:
            return result
        dead = [daemon for daemon in watched if not daemon.is_running()]
        if dead or time.monotonic() > deadline:
            why = f"{dead[0].name} ended" if dead else f"{timeout_seconds:.0f} s went by"
            logs = "\n".join(f"  {daemon.name}, {daemon.log}:\n{daemon.log_tail()}" for daemon in dead or watched)
            message = f"waited for {what}, but {why}\n{logs}"
            raise BedError(message)
        time.sleep(_POLL_SECONDS)


def identity(pid: int) -> str:
    """Return a name for process ``pid`` that no later process ever gets: its id and the instant it started."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return f"{pid}-{stat.rpartition(')')[2].split()[_STAT_START_TIME]}"


def is_alive(name: str) -> bool:
    """Tell whether the process that :func:`identity` named still runs."""
    try:
        return identity(int(name.partition("-")[0])) == name
    except (OSError, ValueError):
        return False
