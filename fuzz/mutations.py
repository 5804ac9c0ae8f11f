"""Changes to bytes that know nothing of a format but its words."""

from collections.abc import Callable, Sequence
from random import Random

__all__ = ["LARGEST_INPUT", "Mutator"]

LARGEST_INPUT = 1 << 20
_LONG_REPEATS = (2, 3, 10, 100, 1000, 30_000)
_NUMBERS = (b"0", b"-1", b"1", b"255", b"65536", b"2147483648", b"4294967296", b"9223372036854775807", b"1e999")
_MOST_CHANGES = 6


class Mutator:
    """Makes inputs from inputs.

    Args:
        random: All chance comes from here.
        tokens: What the format is made of.
    """

    def __init__(self, random: Random, tokens: Sequence[bytes]) -> None:
        self._random = random
        self._tokens = (*tokens, *_NUMBERS)
        self._changes: tuple[Callable[[bytes, bytes], bytes], ...] = (
            self._flip_a_bit,
            self._set_a_byte,
            self._cut_out,
            self._truncate,
            self._repeat,
            self._put_in_a_token,
            self._put_a_token_over,
            self._move,
            self._splice,
            self._change_a_number,
        )

    def mutate(self, data: bytes, other: bytes) -> bytes:
        """Return ``data`` with a few changes; some take a part of ``other``."""
        for _ in range(self._random.randint(1, _MOST_CHANGES)):
            data = self._random.choice(self._changes)(data, other)
        return data[:LARGEST_INPUT]

    def _place(self, data: bytes) -> int:
        return self._random.randint(0, len(data))

    def _range(self, data: bytes) -> tuple[int, int]:
        start = self._place(data)
        # Short ranges more often than long ones.
        length = int(len(data) ** self._random.random())
        return start, min(len(data), start + length)

    def _flip_a_bit(self, data: bytes, _other: bytes) -> bytes:
        if not data:
            return data
        place = self._random.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << self._random.randrange(8)]) + data[place + 1 :]

    def _set_a_byte(self, data: bytes, _other: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + bytes([self._random.randrange(256)]) + data[place + 1 :]

    def _cut_out(self, data: bytes, _other: bytes) -> bytes:
        start, end = self._range(data)
        return data[:start] + data[end:]

    def _truncate(self, data: bytes, _other: bytes) -> bytes:
        return data[: self._place(data)]

    def _repeat(self, data: bytes, _other: bytes) -> bytes:
        start, end = self._range(data)
        times = min(self._random.choice(_LONG_REPEATS), LARGEST_INPUT // max(1, end - start))
        return data[:end] + data[start:end] * times + data[end:]

    def _put_in_a_token(self, data: bytes, _other: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + self._random.choice(self._tokens) + data[place:]

    def _put_a_token_over(self, data: bytes, _other: bytes) -> bytes:
        start, end = self._range(data)
        return data[:start] + self._random.choice(self._tokens) + data[end:]

    def _move(self, data: bytes, _other: bytes) -> bytes:
        start, end = self._range(data)
        rest = data[:start] + data[end:]
        place = self._place(rest)
        return rest[:place] + data[start:end] + rest[place:]

    def _splice(self, data: bytes, other: bytes) -> bytes:
        start, end = self._range(other)
        place = self._place(data)
        return data[:place] + other[start:end] + data[place:]

    def _change_a_number(self, data: bytes, _other: bytes) -> bytes:
        places = [place for place, byte in enumerate(data[:10_000]) if 0x30 <= byte <= 0x39]  # noqa: PLR2004 - "0" to "9"
        if not places:
            return data
        start = end = self._random.choice(places)
        while end < len(data) and data[end : end + 1].isdigit():
            end += 1
        return data[:start] + self._random.choice(_NUMBERS) + data[end:]
