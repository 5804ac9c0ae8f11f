"""Runs the real command in a process of its own, with faults, and ends it when it is told to."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.disk import Disk
from faults.rounds import Broken

__all__ = ["Ended", "Ending", "environment", "packhorse", "start"]

ROOT = Path(__file__).parents[1]
_PROGRAM = Path(sys.executable).with_name("packhorse")
_LONGEST_SECONDS = 90.0
_LOOK_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Ending:
    """Somebody ends the process."""

    number: signal.Signals
    after_seconds: float
    group: bool = True
    """With what it has started, or alone."""
    alarm: threading.Event | None = None
    """When it comes, in the place of the time."""

    def describe(self) -> str:
        """Say it in a line."""
        whom = "the group" if self.group else "the process alone"
        when = "with a request" if self.alarm is not None else f"after {self.after_seconds:.3f} s"
        return f"{self.number.name} to {whom} {when}"


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    arguments: tuple[str, ...]
    code: int
    """Negative for a signal."""
    out: str
    err: str
    seconds: float
    was_ended: bool = False
    """Whether somebody ended it, or would have but it was faster."""

    @property
    def killed(self) -> bool:
        """Whether a signal ended it at once, so that it could say nothing."""
        return self.code in {-signal.SIGKILL, -signal.SIGTERM}


def packhorse(arguments: Sequence[str], folder: Path, disk: Disk | None = None, ending: Ending | None = None) -> Ended:
    """Run one command line to its end.

    Raises:
        Broken: It did not come to an end.
    """
    begun = time.monotonic()
    process = start(arguments, folder, disk)
    was_ended = False
    try:
        if ending is not None and _lives_until(process, ending):
            was_ended = True
            _send(process, ending)
        out, err = process.communicate(timeout=_LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        _send(process, Ending(signal.SIGKILL, 0))
        out, err = process.communicate()
        raise Broken(f"it did not end within {_LONGEST_SECONDS:.0f} s\n{_text(err)}") from None
    # What the killed process had started must not work on beside the next run, unless that is what is tried.
    if ending is None or ending.group:
        _send(process, Ending(signal.SIGKILL, 0))
    seconds = time.monotonic() - begun
    return Ended(tuple(arguments), process.returncode, _text(out), _text(err), seconds, was_ended)


def start(arguments: Sequence[str], folder: Path, disk: Disk | None = None) -> subprocess.Popen[bytes]:
    """Start one command line in a process group of its own."""
    return subprocess.Popen(
        [str(_PROGRAM), *arguments],
        cwd=folder,
        env=environment(folder) | (disk.environment() if disk is not None else {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def environment(folder: Path) -> dict[str, str]:
    """What the process is told: nothing of the person who runs the rounds."""
    tools = ROOT / ".cache" / "tools" / "bin"
    return {
        "PATH": f"{tools}:{os.environ.get('PATH', '')}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        # Caches of the interpreter would be written by one process while the next reads them.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _lives_until(process: subprocess.Popen[bytes], ending: Ending) -> bool:
    """Wait until it is time to end a process; whether it lives still."""
    end = time.monotonic() + (ending.after_seconds if ending.alarm is None else _LONGEST_SECONDS)
    while process.poll() is None and time.monotonic() < end:
        if ending.alarm is None:
            time.sleep(min(_LOOK_SECONDS, max(0.0, end - time.monotonic())))
        elif ending.alarm.wait(_LOOK_SECONDS):
            break
    return process.poll() is None


def _send(process: subprocess.Popen[bytes], ending: Ending) -> None:
    try:
        if ending.group:
            os.killpg(process.pid, ending.number)
        else:
            process.send_signal(ending.number)
    except ProcessLookupError:
        return


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
