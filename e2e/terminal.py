"""A terminal that a test types into, as a person does: one shell, whose variables and folder live from line to line."""

import base64
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.cluster.process import wait_until

__all__ = ["Terminal"]

# Making images takes about a minute when nothing is cached.
_BLOCK_SECONDS = 400
_SERVE_SECONDS = 20
_SERVE = re.compile(r"^packhorse serve .*&$", re.MULTILINE)


class Terminal:
    """A terminal in one place. All that was started from it ends with it."""

    def __init__(self, enter: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start it; ``enter`` is put in front to reach the place."""
        self._log = log
        self._typed = 0
        self._serving = 0
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *enter, "bash", "-e"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def type(self, text: str) -> None:
        """Type ``text`` and wait until it is done, and until what it serves in the background answers.

        Raises:
            AssertionError: A command failed; has all that was said.
        """
        self._typed += 1
        done = f"-- typed {self._typed} --"
        encoded = base64.b64encode(text.encode()).decode()
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(f'eval "$(echo {encoded} | base64 -d)" </dev/null; echo "{done}"\n')
        pipe.flush()
        wait_until(
            lambda: done in self.said() or self._process.poll() is not None,
            f"this to be typed:\n{text}",
            timeout_seconds=_BLOCK_SECONDS,
        )
        assert done in self.said(), f"failed:\n{text}\nIt said:\n{self.said()}"
        self._serving += len(_SERVE.findall(text))
        wait_until(
            lambda: self.said().count("Serving ") >= self._serving, "packhorse serve", timeout_seconds=_SERVE_SECONDS
        )

    def said(self) -> str:
        """Give all that was printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End it with all that was started from it."""
        with contextlib.suppress(ProcessLookupError):  # a command that failed has ended it
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        if self._process.stdin is not None:
            self._process.stdin.close()
