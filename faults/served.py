"""A server that rounds are played with: the real command, its port, and what it has said."""

import re
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from faults.command import Ended, start
from faults.disk import Disk
from faults.rounds import Broken

__all__ = ["Served"]

_URL = re.compile(rb"http://127\.0\.0\.1:(\d+)")
_READY_SECONDS = 20.0
_STOP_SECONDS = 30.0


class Served:
    """A running server; ``port`` is 0 where it ended instead of beginning."""

    def __init__(self, folder: Path, arguments: Sequence[str], disk: Disk | None = None) -> None:
        self.process = start(["serve", *arguments, "--listen", "127.0.0.1:0"], folder, disk)
        self._lines: list[str] = []
        self._sent: list[signal.Signals] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self._wait()

    @property
    def log(self) -> str:
        """What it has printed to stderr so far."""
        return "".join(self._lines)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._sent.append(number)
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def stop(self, number: signal.Signals) -> int:
        """End it, and return its exit code."""
        # A second signal would end it at once.
        if self.process.poll() is None and number not in self._sent:
            self.send(number)
        try:
            code = self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Broken(f"the server did not end within {_STOP_SECONDS:.0f} s of {number.name}\n{self.log}") from None
        self._close()
        return code

    def ended(self) -> Ended:
        """What came of one that did not begin."""
        code = self.process.wait()
        self._close()
        return Ended(("serve",), code, "", self.log, 0.0)

    def _close(self) -> None:
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        if self.process.stderr is not None:
            for line in self.process.stderr:
                self._lines.append(line.decode("utf-8", "replace"))

    def _wait(self) -> int:
        """Wait until it says where it is."""
        end = time.monotonic() + _READY_SECONDS
        said = b""
        with selectors.DefaultSelector() as selector:
            assert self.process.stdout is not None  # noqa: S101 - it was asked for
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while selector.select(max(0.0, end - time.monotonic())):
                piece = self.process.stdout.read1()  # type: ignore[attr-defined]
                said += piece
                if found := _URL.search(said):
                    return int(found[1])
                if not piece:
                    return 0
        self.process.kill()
        raise Broken(f"the server did not begin within {_READY_SECONDS:.0f} s\n{self.log}")
