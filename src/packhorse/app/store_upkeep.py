"""What a server does for its store beside serving it: old uploads expire, garbage is collected."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from packhorse.app.collect import collect_store
from packhorse.base.errors import PackhorseError, UsageError
from packhorse.base.units import format_bytes, plural
from packhorse.store.collection import Policy
from packhorse.store.directory_site import DirectorySite
from packhorse.store.room import RoomLimits

__all__ = ["StoreSettings", "StoreUpkeep"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 10.0
_EXPIRE_EVERY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How the store that takes pushes is kept."""

    limits: RoomLimits = field(default_factory=RoomLimits)
    upload_seconds: float = 24 * 3600.0
    """How long an upload stays that nobody adds to."""
    collect_every_seconds: float | None = None
    """How often garbage is collected; None for never."""
    policy: Policy = field(default_factory=Policy)


class StoreUpkeep:
    """Looks after a store in a thread of its own; use it as a context manager."""

    def __init__(self, store: DirectorySite, settings: StoreSettings, look_seconds: float = _LOOK_SECONDS) -> None:
        self._store = store
        self._settings = settings
        self._look_seconds = look_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="store-upkeep", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop; a collection that is at work is waited for until its end."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        begun = time.monotonic()
        expire = _Every(min(_EXPIRE_EVERY_SECONDS, self._settings.upload_seconds), begun)
        every = self._settings.collect_every_seconds
        collect = None if every is None else _Every(every, begun)
        while not self._stop.wait(self._look_seconds):
            _safely("let go of removed files", self._store.forget_removed)
            now = time.monotonic()
            if expire.is_due(now):
                _safely("remove old uploads", self._expire)
            if collect is not None and collect.is_due(now):
                _safely("collect the garbage", lambda: collect_and_tell(self._store.path, self._settings.policy))

    def _expire(self) -> None:
        if removed := self._store.expire_uploads(self._settings.upload_seconds):
            _log.warning("removed %s that nobody has added to", plural(removed, "upload"))


class _Every:
    """Comes due again and again."""

    def __init__(self, seconds: float, begun: float) -> None:
        self._seconds = seconds
        self._next = begun + seconds

    def is_due(self, now: float) -> bool:
        """Whether it is time; then the next time is counted from now."""
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


def collect_and_tell(path: Path, policy: Policy) -> None:
    """Collect the garbage of a store, and log what went."""
    # Another one may be at work: then there is nothing to do.
    with suppress(UsageError):
        collected = collect_store(path, policy, dry_run=False).collected
        _log.warning(
            "collected garbage: %s, %s and %s gone, %s freed",
            plural(len(collected.tags), "tag"),
            plural(collected.manifests, "manifest"),
            plural(collected.blobs, "blob"),
            format_bytes(collected.swept.freed_bytes),
        )
        for name, reason in collected.untouched:
            _log.error("left %s as it is: %s", name, reason)


def _safely(what: str, work: Callable[[], None]) -> None:
    try:
        work()
    except (PackhorseError, OSError) as error:
        _log.error("cannot %s: %s", what, error)
