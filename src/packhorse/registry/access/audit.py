"""The audit log: a line of JSON for every change and every refusal, on the disk before the client hears of it.

Events that come while others are being written go to the disk together. A log that cannot be written stops all writing
to the registry until it can be again; who pulls is served.
"""

import asyncio
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from packhorse.base.errors import ConfigError

__all__ = ["AuditLog", "Event"]

Event: TypeAlias = Mapping[str, str | int | None]

_log = logging.getLogger(__name__)

_MODE = 0o640
_MOST_TOGETHER = 1000


class AuditLog:
    """Appends to one file, from a thread of its own.

    Args:
        path: Where it is; it is made where there is none.

    Raises:
        ConfigError: It can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None] | None] | None] = queue.SimpleQueue()
        try:
            self._file = self._open()
        except OSError as error:
            raise ConfigError(f"the audit log {path} cannot be written: {error.strerror or error}") from error
        self._reopen = False
        self._lost = 0
        self.works = True
        """Whether the last event is on the disk."""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    async def add(self, event: Event) -> None:
        """Write an event, and return when it is on the disk, or can't be."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stamped = {"time": _timestamp(time.time()), **{key: value for key, value in event.items() if value is not None}}
        self._waiting.put((json.dumps(stamped, ensure_ascii=True).encode() + b"\n", done))
        await asyncio.shield(done)

    def reopen(self) -> None:
        """Go on in a new file, after this one was moved away."""
        self._reopen = True

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            events = [first]
            end = False
            while len(events) < _MOST_TOGETHER and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    end = True
                    break
                events.append(following)
            self._write(b"".join(line for line, _ in events), len(events))
            for _, done in events:
                if done is not None:
                    _tell(done)
            if end:
                return

    def _write(self, lines: bytes, count: int) -> None:
        try:
            if self._reopen:
                self._reopen = False
                fresh = self._open()
                os.close(self._file)
                self._file = fresh
            if self._lost:
                told = {"time": _timestamp(time.time()), "action": "audit", "outcome": "lost", "events": self._lost}
                lines = json.dumps(told).encode() + b"\n" + lines
            _write_all(self._file, lines)
            os.fsync(self._file)
        except OSError as error:
            self._lost += count
            if self.works:
                _log.error("the audit log %s cannot be written, so nothing is taken: %s", self._path, error)
            self.works = False
            return
        if not self.works:
            _log.warning("the audit log %s can be written again; %d events are lost", self._path, self._lost)
        self._lost = 0
        self.works = True

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)


def _write_all(file: int, lines: bytes) -> None:
    begun = os.fstat(file).st_size
    try:
        view = memoryview(lines)
        while view:
            view = view[os.write(file, view) :]
    except OSError:
        # Half a line would spoil the next one.
        os.ftruncate(file, begun)
        raise


def _tell(done: asyncio.Future[None]) -> None:
    def finish() -> None:
        if not done.done():
            done.set_result(None)

    try:
        done.get_loop().call_soon_threadsafe(finish)
    except RuntimeError:
        # The server has ended meanwhile.
        return


def _timestamp(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}Z"
