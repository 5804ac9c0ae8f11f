"""Reading challenges (RFC 9110, 11.6.1)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.oci.www_authenticate import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [Challenge("basic")]),
        ('Basic realm="a b"', [Challenge("basic", {"realm": "a b"})]),
        ('Basic realm = "a", charset=UTF-8', [Challenge("basic", {"realm": "a", "charset": "UTF-8"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, Basic realm="x", Bearer realm="y",service=z',
            [
                Challenge("negotiate"),
                Challenge("basic", {"realm": "x"}),
                Challenge("bearer", {"realm": "y", "service": "z"}),
            ],
        ),
        ("Negotiate YWJj==, Basic", [Challenge("negotiate"), Challenge("basic")]),
        (r'Basic realm="a\"b\\c"', [Challenge("basic", {"realm": r'a"b\c'})]),
        ('Bearer REALM="x"', [Challenge("bearer", {"realm": "x"})]),
        ('Bearer realm="good",realm="evil"', [Challenge("bearer", {"realm": "good"})]),
        (',, Basic realm="x",', [Challenge("basic", {"realm": "x"})]),
        ("", []),
        ("   ", []),
        ('Bearer realm="unfinished', [Challenge("bearer")]),
        ("=x", []),
    ],
)
def test_challenges(header: str, expected: list[Challenge]) -> None:
    assert list(parse_challenges([header]))[: len(expected)] == expected
    assert bool(parse_challenges([header])) == bool(expected)


def test_several_headers() -> None:
    assert [challenge.scheme for challenge in parse_challenges(["Basic", "Bearer realm=x"])] == ["basic", "bearer"]


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    for challenge in parse_challenges([text]):
        assert challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize(
    "text",
    [
        "," * 100_000,
        'Basic a="' + "\\" * 100_000,
        "a=b," * 50_000,
        "Basic " + " " * 100_000,
        "x " * 50_000,
    ],
)
def test_long_nonsense_takes_no_time(text: str) -> None:
    started = time.process_time()
    parse_challenges([text])
    assert time.process_time() - started < 1
