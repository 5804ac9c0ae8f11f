"""When to try again, by a clock that only the test moves."""

import pytest

from packhorse.oci.retry import Attempts, Pacing, RetryPolicy, retry_after_seconds

NOW = 1_800_000_000.0


class Time:
    """A clock that sleeping moves on."""

    def __init__(self, chance: float = 1.0) -> None:
        self.seconds = 100.0
        self.slept: list[float] = []
        self.pacing = Pacing(clock=lambda: self.seconds, now=lambda: NOW, sleep=self._sleep, chance=lambda: chance)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def test_pauses_double_up_to_a_ceiling_and_end() -> None:
    time = Time()
    attempts = Attempts(RetryPolicy(tries=7, longest_pause_seconds=5), time.pacing)
    while attempts.wait():
        pass
    assert time.slept == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert attempts.count == 7
    assert attempts.elapsed_seconds == sum(time.slept)


def test_chance_takes_from_nothing_to_the_whole_pause() -> None:
    time = Time(chance=0.25)
    attempts = Attempts(RetryPolicy(tries=3), time.pacing)
    while attempts.wait():
        pass
    assert time.slept == [0.125, 0.25]


def test_the_time_is_bounded() -> None:
    time = Time()
    attempts = Attempts(RetryPolicy(tries=100, total_seconds=10, longest_pause_seconds=4), time.pacing)
    while attempts.wait():
        pass
    assert sum(time.slept) <= 10
    time.seconds += 100
    assert not Attempts(RetryPolicy(total_seconds=0.1), time.pacing).wait()


def test_what_the_registry_asks_for_comes_first_but_is_capped() -> None:
    time = Time()
    attempts = Attempts(RetryPolicy(tries=5, longest_retry_after_seconds=30), time.pacing)
    assert attempts.wait("2")
    assert attempts.wait("3600")
    assert attempts.wait("nonsense")
    assert time.slept == [2.0, 30.0, 2.0]


def test_progress_begins_anew() -> None:
    time = Time()
    attempts = Attempts(RetryPolicy(tries=2, total_seconds=1), time.pacing)
    assert attempts.wait()
    assert not attempts.wait()
    time.seconds += 1000
    attempts.progressed()
    assert attempts.wait()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999999999999999", 999_999_999.0),
        ("Fri, 15 Jan 2027 08:00:10 GMT", 10.0),
        ("Fri, 15 Jan 2027 07:59:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("١٢", None),
        ("Fri, 99 Jan 2027 08:00:10 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(text, NOW) == seconds
