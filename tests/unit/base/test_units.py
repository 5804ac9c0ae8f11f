"""Figures are shown as people say them, and never with a rounding that changes their unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.units import GIB, KIB, MIB, format_bytes, format_duration, format_rate, plural

UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB, "PiB": 1024 * 1024 * GIB}


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (950, "950 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (118 * MIB, "118 MiB"),
        (MIB - 1, "1.0 MiB"),
        (int(1.42 * GIB), "1.42 GiB"),
        (GIB - 1, "1.00 GiB"),
        (5000 * 1024 * 1024 * GIB, "5000.00 PiB"),
    ],
)
def test_bytes(count: int, shown: str) -> None:
    assert format_bytes(count) == shown


@given(st.integers(min_value=0, max_value=2**60))
def test_shown_bytes_are_the_count_within_their_rounding(count: int) -> None:
    number, unit = format_bytes(count).split(" ")
    assert float(number) < 1024 or unit == "PiB"
    assert float(number) * UNITS[unit] == pytest.approx(count, rel=0.06)


@pytest.mark.parametrize(
    ("count", "seconds", "shown"),
    [
        (412_000_000, 1, "412 MB/s"),
        (1_500_000, 1, "1.5 MB/s"),
        (10, 0, "-"),
        (10, -1.0, "-"),
    ],
)
def test_rates(count: int, seconds: float, shown: str) -> None:
    assert format_rate(count, seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (0.84, "0.8 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (41.2, "41 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.7, "1 h 0 min"),
        (2 * 3600 + 4 * 60 + 30, "2 h 4 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


@given(st.floats(min_value=0, max_value=1e6))
def test_no_duration_has_sixty_of_anything(seconds: float) -> None:
    words = format_duration(seconds).split(" ")
    assert all(float(number) < 60 for number, unit in zip(words[::2], words[1::2], strict=True) if unit != "h")


def test_nouns_follow_their_number() -> None:
    assert plural(1, "image") == "1 image"
    assert plural(0, "image") == "0 images"
    assert plural(1200, "entry", "entries") == "1,200 entries"
