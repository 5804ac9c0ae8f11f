"""Runs programs under strace, in a place whose network leads nowhere."""

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from e2e.cluster.process import Daemon, wait_until
from e2e.quiet.events import TRACED, Recording, record
from e2e.quiet.trace import parse
from e2e.workplace import Workplace

__all__ = ["Recorder", "Running"]

# Go wakes its threads by this one all the time. Without any signal shown, an end by one would not be, either.
_WITHOUT_NOISE = "--signal=!SIGURG"
_STRACE = (
    *("strace", "--follow-forks", "--quiet=attach", "--decode-fds=path", "--string-limit=96"),
    # The kernel itself passes over the calls that are not asked for, so the program runs at nearly its own speed.
    *("--seccomp-bpf", f"--trace={TRACED}", _WITHOUT_NOISE),
)
_END_SECONDS = 30.0
_numbers = count(1)


@dataclass
class Running:
    """A program that goes on, and, once it has ended, what it did."""

    daemon: Daemon
    _recording: Recording | None = field(default=None, init=False)

    @property
    def recording(self) -> Recording:
        """What it did; there when it has ended."""
        assert self._recording is not None, "it still runs"
        return self._recording

    def ended(self, recording: Recording) -> None:
        """Keep what it did."""
        self._recording = recording


@dataclass(frozen=True)
class Recorder:
    """Records programs that run in ``place``."""

    place: Workplace

    def given(self, environment: Mapping[str, str]) -> "Recorder":
        """Return a recorder whose programs have these variables too."""
        return Recorder(replace(self.place, environment={**self.place.environment, **environment}))

    def run(self, *argv: str | Path, exit_code: int = 0, stdin: str | None = None) -> Recording:
        """Run a program to its end, with all that it starts, and return what it did.

        Raises:
            AssertionError: It ended with another code than ``exit_code``; has all that it said.
        """
        trace = self._trace()
        done = self.place.run(*_STRACE, f"--output={trace}", *argv, exit_code=exit_code, stdin=stdin)
        return _read(trace, done.stdout, done.stderr)

    @contextmanager
    def running(self, name: str, *argv: str | Path) -> Iterator[Running]:
        """Run a program meanwhile, and end it with SIGTERM; its log is ``name.log`` in the place's folder."""
        trace = self._trace()
        # The program itself is what is started, and strace stands aside: so the signal reaches the program.
        daemon = self.place.start_program(name, *_STRACE, "--daemonize=grandchild", f"--output={trace}", *argv)
        running = Running(daemon)
        ended = re.compile(rf"^{daemon.pid} +\+\+\+ ", re.MULTILINE)
        try:
            yield running
            os.kill(daemon.pid, signal.SIGTERM)
            wait_until(
                lambda: not daemon.is_running() and ended.search(trace.read_text(errors="replace")),
                f"{name} to end and its trace with it",
                timeout_seconds=_END_SECONDS,
            )
        finally:
            daemon.kill()
        running.ended(_read(trace, daemon.log.read_text(errors="replace"), ""))

    def _trace(self) -> Path:
        return self.place.folder / f"trace-{next(_numbers)}.txt"


def _read(trace: Path, stdout: str, stderr: str) -> Recording:
    return Recording(record(parse(trace.read_text(errors="replace"))), stdout, stderr)
