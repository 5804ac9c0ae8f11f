"""When to try again: bounded tries, bounded time, full jitter, and what the registry asks for in ``Retry-After``."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

__all__ = ["RETRY_STATUSES", "Attempts", "Pacing", "RetryPolicy", "retry_after_seconds"]

RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Answers that another try may turn into a good one."""

_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on. A try is one request with its answer; the time runs from the first of them."""

    tries: int = 5
    total_seconds: float = 120.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 15.0
    longest_retry_after_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Pacing:
    """Time and chance as the client sees them; tests put in their own."""

    clock: Callable[[], float] = time.monotonic
    """Seconds that only go forward."""
    now: Callable[[], float] = time.time
    """Seconds since 1970, to read dates with."""
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    """Evenly from [0, 1)."""


class Attempts:
    """The tries of one exchange: counts them, and waits between them. Used by one thread."""

    def __init__(self, policy: RetryPolicy, pacing: Pacing) -> None:
        self._policy = policy
        self._pacing = pacing
        self._started = pacing.clock()
        self.count = 1

    @property
    def elapsed_seconds(self) -> float:
        """Time since the first try."""
        return self._pacing.clock() - self._started

    def wait(self, retry_after: str | None = None) -> bool:
        """Wait before the next try; False, without waiting, when there shall be none.

        Args:
            retry_after: The header of that name: seconds or an HTTP date.
        """
        if self.count >= self._policy.tries:
            return False
        pause = self._pause_seconds(retry_after)
        if self.elapsed_seconds + pause > self._policy.total_seconds:
            return False
        self._pacing.sleep(pause)
        self.count += 1
        return True

    def progressed(self) -> None:
        """Begin to count anew, for the last try brought something: a layer may break more often than a request."""
        self.count = 1
        self._started = self._pacing.clock()

    def _pause_seconds(self, retry_after: str | None) -> float:
        asked = None if retry_after is None else retry_after_seconds(retry_after, self._pacing.now())
        if asked is not None:
            return min(asked, self._policy.longest_retry_after_seconds)
        ceiling = self._policy.first_pause_seconds * 2.0 ** (self.count - 1)
        return self._pacing.chance() * min(ceiling, self._policy.longest_pause_seconds)


def retry_after_seconds(text: str, now: float) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110, 10.2.3); None when it is neither seconds nor a date.

    Args:
        text: The header's value.
        now: Seconds since 1970.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MAX_DIGITS])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
