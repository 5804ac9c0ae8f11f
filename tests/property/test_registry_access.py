"""Laws of the patterns of repositories, and of what is read out of tokens, scopes and logins."""

import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.errors import ConfigError
from packhorse.registry.access.credentials import Basic, read_authorization
from packhorse.registry.access.htpasswd import parse_users
from packhorse.registry.access.jwt import TokenError, encode_part, split_token
from packhorse.registry.access.model import Identity, Limit
from packhorse.registry.access.patterns import Pattern
from packhorse.registry.access.tokens import TokenMint, parse_scopes

_PARTS = st.text("ab.*", min_size=1, max_size=4).filter(lambda part: "**" not in part) | st.just("**")
_PATTERNS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_NAMES = st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=5).map("/".join)


def as_expression(pattern: str) -> str:
    """A pattern as a regular expression: what the pages say of it, in other words."""
    parts = pattern.split("/")
    expression = ""
    for number, part in enumerate(parts):
        if part != "**":
            expression += "[^/]*".join(map(re.escape, part.split("*"))) + ("/" if number < len(parts) - 1 else "")
        elif number == len(parts) - 1:
            expression += ".+"
        else:
            expression += "(?:[^/]+/)*"
    return expression


@given(_PATTERNS, _NAMES)
def test_a_pattern_matches_what_its_expression_matches(pattern: str, name: str) -> None:
    assert Pattern(pattern).matches(name) == (re.fullmatch(as_expression(pattern), name) is not None)


@given(_NAMES)
def test_a_name_matches_itself_and_everything_matches_it(name: str) -> None:
    assert Pattern(name).matches(name)
    assert Pattern("**").matches(name)
    assert Pattern(f"{name}/**").matches(f"{name}/x")
    assert not Pattern(f"{name}/**").matches(name)
    assert not Pattern(f"{name}/*").matches(f"{name}/x/y")


def test_many_stars_end_soon() -> None:
    assert not Pattern("*a" * 60 + "b").matches("a" * 500)
    assert not Pattern("**/a/" * 60 + "b").matches("a/" * 200 + "a")


@given(st.text(max_size=60))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        assert Pattern(text).text == text
    except ConfigError:
        return


@given(st.text(max_size=200) | st.lists(st.binary(max_size=30).map(encode_part), min_size=3, max_size=3).map(".".join))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        token = split_token(text)
    except TokenError:
        return
    assert token.signed.decode() + "." + encode_part(token.signature) == text


@given(st.binary(min_size=1, max_size=40), st.integers(0, 10_000), st.integers(0, 7))
def test_a_token_with_any_bit_turned_is_refused(user: bytes, place: int, bit: int) -> None:
    mint = TokenMint(b"k" * 32, 300, lambda: 1000.0)
    limits = (Limit("repository", "team/app", ("pull",)),)
    token = mint.make(Identity(user.hex(), how="password"), limits, b"hash", 1000)
    assert mint.read(split_token(token), lambda _: b"hash").limits == limits
    turned = bytearray(token.encode())
    turned[place % len(turned)] ^= 1 << bit
    try:
        mint.read(split_token(turned.decode("latin-1")), lambda _: b"hash")
    except TokenError:
        return
    raise AssertionError(turned)


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_scopes_are_read(texts: list[str]) -> None:
    for limit in parse_scopes(texts):
        assert limit.name
        assert limit.actions


@given(st.lists(st.sampled_from(["pull", "push", "delete", "*"]), min_size=1, max_size=4), _NAMES)
def test_a_scope_is_read_as_it_is_written(actions: list[str], name: str) -> None:
    scope = f"repository:{name}:{','.join(actions)}"
    assert parse_scopes([scope, scope]) == (Limit("repository", name, tuple(actions)),) * 2


@given(st.text(max_size=80))
def test_any_header_is_read(text: str) -> None:
    read_authorization(text)


@given(st.text(max_size=20).filter(lambda text: ":" not in text), st.binary(max_size=40))
def test_a_login_is_read_as_it_is_sent(user: str, password: bytes) -> None:
    sent = base64.b64encode(user.encode() + b":" + password).decode()
    assert read_authorization(f"basic {sent}") == Basic(user, password)


@given(st.binary(max_size=200))
def test_any_file_of_users_is_read_or_refused(data: bytes) -> None:
    try:
        parse_users(data, "users")
    except ConfigError:
        return
