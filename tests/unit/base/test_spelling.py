"""What somebody may have meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.spelling import distance, nearest

KEYS = ["source", "values", "valuesSets", "dependsOn", "name", "namespace", "git"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("vaules", "values"),
        ("value", "values"),
        ("depends_on", "dependsOn"),
        ("dependson", "dependsOn"),
        ("soruce", "source"),
        ("NAMESPACE", "namespace"),
        ("names", "name"),
        ("depend", "dependsOn"),
        ("nmae", "name"),
        ("gti", "git"),
        ("it", "git"),
        ("x", None),
        ("zzz", None),
        ("", None),
        ("-", None),
        ("y" * 1000, None),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    assert nearest(word, KEYS) == meant


def test_nothing_is_near_to_nothing() -> None:
    assert nearest("name", []) is None


def test_distance() -> None:
    assert distance("", "abc") == distance("abc", "") == 3
    assert distance("abcd", "acbd") == 1
    assert distance("kitten", "sitting") == 3
    assert distance("ca", "abc") == 3


WORDS = st.text(alphabet="abc", max_size=8)


@given(WORDS, WORDS)
def test_distance_is_symmetric_and_bounded(left: str, right: str) -> None:
    found = distance(left, right)
    assert found == distance(right, left)
    assert abs(len(left) - len(right)) <= found <= max(len(left), len(right))
    assert (found == 0) == (left == right)
