"""Which request is answered wrongly, and how: decided by a seed, the request's line and how often it came."""

import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

__all__ = ["Chosen", "Schedule"]

_SESSION = re.compile(r"/uploads/[0-9a-zA-Z_=-]+")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to do to one request."""

    kind: str
    """The name of a misdeed; empty to be good."""
    random: Random


@dataclass
class Schedule:
    """The faults of one run.

    Threads ask in any order, so the choice depends on nothing but the request: its line and how often that came before.

    Attributes:
        seed: Makes the same choices again.
        kinds: Names of misdeeds to choose from; none for a good proxy.
        rate: Of how many requests, from 0 to 1.
        sticky: Whether the same line always meets the same fate, so that no retry helps.
        lines: Only requests whose line has a match for this are harmed.
        most: How many requests are harmed at most.
        alarm_at: With which request :attr:`alarm` is set; 0 for never.
        alarm: For whoever waits for that.
    """

    seed: str = ""
    kinds: Sequence[str] = ()
    rate: float = 0.0
    sticky: bool = False
    lines: str = ""
    most: int = 1_000_000
    alarm_at: int = 0
    alarm: threading.Event = field(default_factory=threading.Event)
    _seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, line: str) -> Chosen:
        """Decide about a request; called once for each."""
        line = _SESSION.sub("/uploads/*", line)
        with self._lock:
            number = self._seen[line]
            self._seen[line] += 1
            if self._seen.total() == self.alarm_at:
                self.alarm.set()
            random = Random(f"{self.seed}/{line}" if self.sticky else f"{self.seed}/{line}/{number}")
            kinds = self.kinds
            if not kinds or self.most <= 0 or not re.search(self.lines, line) or random.random() >= self.rate:
                return Chosen("", random)
            self.most -= 1
            return Chosen(random.choice(kinds), random)

    def describe(self) -> str:
        """Say it in a line."""
        if not self.kinds:
            return "a good network"
        sticky = ", the same each time" if self.sticky else ""
        return f"{self.rate:.0%} of requests{sticky}: {', '.join(self.kinds)}"
