"""Tokens of our own, passwords that are checked once, and the audit log against a disk that fails."""

import asyncio
import errno
import hmac
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from packhorse.base.errors import ConfigError
from packhorse.registry.access import htpasswd
from packhorse.registry.access import passwords as passwords_module
from packhorse.registry.access.audit import AuditLog
from packhorse.registry.access.jwt import TokenError, encode_part, split_token
from packhorse.registry.access.model import Identity, Issuer
from packhorse.registry.access.oidc import Issuers
from packhorse.registry.access.passwords import Passwords, TooManyError
from packhorse.registry.access.tokens import TokenMint

ANNA = Identity("anna", how="password")


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


def read(mint: TokenMint, token: str, hashed: bytes | None = b"hash") -> Identity:
    """Read a token."""
    return mint.read(split_token(token), lambda _: hashed)


def test_a_token_ends_when_it_says() -> None:
    clock = Clock()
    mint = TokenMint(b"k" * 32, 300, clock)
    token = mint.make(ANNA, (), b"hash", 10_000)
    clock.now = 10_299.9
    assert read(mint, token).user == "anna"
    clock.now = 10_300
    with pytest.raises(TokenError, match="expired"):
        read(mint, token)
    clock.now = 9_939
    with pytest.raises(TokenError, match="made in the future"):
        read(mint, token)


def test_a_token_ends_with_the_password_or_the_user() -> None:
    mint = TokenMint(b"k" * 32, 300, Clock())
    token = mint.make(ANNA, (), b"hash", 10_000)
    for hashed in (b"other", None):
        with pytest.raises(TokenError, match="another password"):
            read(mint, token, hashed)


def test_replicas_with_one_secret_take_each_others_tokens_and_no_others() -> None:
    clock = Clock()
    token = TokenMint(b"k" * 32, 300, clock).make(ANNA, (), b"hash", 10_000)
    assert read(TokenMint(b"k" * 32, 60, clock), token).user == "anna"
    with pytest.raises(TokenError, match="another key"):
        read(TokenMint(b"j" * 32, 300, clock), token)


@pytest.mark.parametrize("changes", [{"iss": "other"}, {"aud": "other"}, {"aud": ["packhorse"]}, {"exp": "never"}])
def test_what_is_signed_with_our_secret_for_something_else_is_refused(changes: dict[str, Any]) -> None:
    key = b"k" * 32
    claims = {"iss": "packhorse", "aud": "packhorse", "sub": "anna", "iat": 10_000, "exp": 10_300}
    signed = f"{encode_part({'alg': 'HS256', 'typ': 'packhorse+jwt'})}.{encode_part({**claims, **changes})}"
    secret = hmac.digest(key, b"packhorse registry tokens", "sha256")
    token = f"{signed}.{encode_part(hmac.digest(secret, signed.encode(), 'sha256'))}"
    with pytest.raises(TokenError, match=r"something else|not a token of this server"):
        read(TokenMint(key, 300, Clock()), token)


def test_one_token_has_one_form() -> None:
    token = TokenMint(b"k" * 32, 300, Clock()).make(ANNA, (), None, 10_000)
    # 32 bytes leave two bits of the last character unused; a lax reader would take four texts for one signature.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    with pytest.raises(TokenError):
        split_token(token[:-1] + alphabet[last + 1])


def test_an_issuer_that_is_limited_to_one_algorithm_is_held_to_it() -> None:
    class Any256:
        id = None
        algorithm = "RS256"

        @staticmethod
        def verify(_signature: bytes, _signed: bytes) -> bool:
            return True

    claims = {"iss": "https://i.example", "aud": "a", "sub": "anna", "exp": 20_000}
    token = split_token(f"{encode_part({'alg': 'RS256'})}.{encode_part(claims)}.{encode_part(b'x')}")
    both = Issuer(issuer="https://i.example", audience="a", jwks_file="k")
    one = Issuer(issuer="https://i.example", audience="a", jwks_file="k", algorithms=("ES256",))
    key: Any = Any256()
    assert Issuers([(both, (key,))], Clock()).read(token).user == "anna"
    with pytest.raises(TokenError, match="no key"):
        Issuers([(one, (key,))], Clock()).read(token)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note each password that is hashed."""
    hashed: list[bytes] = []
    check = htpasswd.is_right

    def count(password: bytes, against: bytes) -> bool:
        hashed.append(password)
        time.sleep(0.02)
        return check(password, against)

    monkeypatch.setattr(passwords_module, "is_right", count)
    return hashed


def test_a_password_is_hashed_once_however_many_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = counted(monkeypatch)
    users = {"anna": bcrypt.hashpw(b"right", bcrypt.gensalt(5))}

    async def use() -> None:
        checked = Passwords()
        checked.load(users)
        assert all(await asyncio.gather(*(checked.is_right("anna", b"right") for _ in range(50))))
        assert checked.is_known_right("anna", b"right")
        assert not checked.is_known_right("anna", b"wrong")
        assert not checked.is_known_right("ann", b"aright")
        # A name that nobody has takes as long.
        assert not await checked.is_right("ben", b"right")
        checked.load({})
        assert not checked.is_known_right("anna", b"right")
        checked.close()

    asyncio.run(use())
    assert hashed == [b"right", b"right"]


def test_no_more_passwords_are_hashed_at_a_time_than_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch)

    async def use() -> list[object]:
        checked = Passwords()
        checked.load({"anna": bcrypt.hashpw(b"right", bcrypt.gensalt(5))})
        tries = (checked.is_right("anna", str(number).encode()) for number in range(40))
        found = await asyncio.gather(*tries, return_exceptions=True)
        checked.close()
        return list(found)

    found = asyncio.run(use())
    assert found.count(False) == 32
    assert sum(isinstance(each, TooManyError) for each in found) == 8


def events(path: Path) -> list[dict[str, Any]]:
    """What a log has."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, *numbers: int, before: Callable[[int], None] = lambda _: None) -> None:
    """Write events one after another."""

    async def use() -> None:
        log = AuditLog(path)
        for number in numbers:
            before(number)
            await log.add({"number": number, "nothing": None})
        log.close()

    asyncio.run(use())


def test_an_event_is_on_the_disk_before_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def note(file: int) -> None:
        sync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", note)
    path = tmp_path / "audit.log"
    sizes: list[int] = []
    write(path, 1, 2, 3, before=lambda _: sizes.append(path.stat().st_size))
    assert synced == [*sizes[1:], path.stat().st_size]
    assert [event["number"] for event in events(path)] == [1, 2, 3]


def test_a_line_that_was_cut_by_a_full_disk_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    real = os.write
    full: list[bool] = []

    def cut(file: int, data: bytes) -> int:
        if full and b"number" in bytes(data):
            real(file, bytes(data)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", cut)
    write(path, 1, 2, 3, before=lambda number: full.append(True) if number == 2 else full.clear())
    assert [event.get("number", event.get("events")) for event in events(path)] == [1, 1, 3]
    assert events(path)[1]["outcome"] == "lost"


def test_a_log_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        AuditLog(tmp_path / "nowhere" / "audit.log")
