"""Time that passes only when someone sleeps."""

from collections.abc import Callable

__all__ = ["VirtualClock"]


class VirtualClock:
    """``on_sleep`` is called after each sleep with the seconds since the start: where things happen in the meantime."""

    def __init__(self, on_sleep: Callable[[float], None] = lambda _seconds: None) -> None:
        self.seconds = 0.0
        self.on_sleep = on_sleep

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> float:
        return 1_790_000_000.0 + self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.on_sleep(self.seconds)
