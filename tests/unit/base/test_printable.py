"""What comes from outside does not steer a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.printable import in_one_line, printable


def test_printable() -> None:
    assert printable("plain ü 日本 😀") == "plain ü 日本 😀"
    assert printable("a\tb\nc\r\x1b[31m\x9b\u202e\x00\ud800") == "a b\nc��[31m����"


def test_in_one_line() -> None:
    assert in_one_line(" a\n\tb\x1b ") == "a b\N{REPLACEMENT CHARACTER}"
    assert in_one_line("x" * 3000) == "x" * 300 + "…"


@given(st.text(alphabet=st.characters()))
def test_nothing_that_steers_is_left(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\n"]
    assert printable(shown) == shown
