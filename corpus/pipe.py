"""Sends bytes through another program on their way to a sink."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, cast

from corpus.errors import CorpusError
from corpus.sinks import Sink

__all__ = ["through"]

_PIECE_BYTES = 1 << 20


@contextmanager
def through(command: Sequence[str], sink: Sink) -> Iterator[Sink]:
    """Start ``command``: what is written goes to its standard input, and what it writes goes to ``sink``.

    Raises:
        CorpusError: The program is not there, or failed.
    """
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except FileNotFoundError as error:
        raise CorpusError(f'Expected the program "{command[0]}" on PATH, found none: install it.') from error
    stream = _Stream(process, sink)
    try:
        yield stream
        stream.close()
    finally:
        stream.end()
    if process.returncode != 0:
        raise CorpusError(f"{' '.join(command)} ended with {process.returncode}.")


class _Stream:
    def __init__(self, process: "subprocess.Popen[bytes]", sink: Sink) -> None:
        self._process = process
        self._sink = sink
        self._input = cast("IO[bytes]", process.stdin)
        self._output = cast("IO[bytes]", process.stdout)
        self._failure: Exception | None = None
        self._reader = threading.Thread(target=self._carry, name="corpus-pipe")
        self._reader.start()

    def write(self, data: bytes, /) -> int:
        try:
            return self._input.write(data)
        except BrokenPipeError as error:
            raise CorpusError(f"{self._process.args!r} ended before it had read all.") from (self._failure or error)

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # its exit code tells why
            self._input.close()
        self._reader.join()
        self._process.wait()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """End the program where it still runs: something else failed."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        self._output.close()

    def _carry(self) -> None:
        try:
            while piece := self._output.read(_PIECE_BYTES):
                self._sink.write(piece)
        except Exception as error:  # noqa: BLE001 - told in the thread that writes
            self._failure = error
            self._process.kill()
