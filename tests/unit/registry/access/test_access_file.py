"""The access file: what it means, and how its mistakes are shown."""

from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.registry.access.access_file import LoadedAccess, load_access
from packhorse.registry.access.failed_logins import FailedLogins, address_of
from packhorse.registry.access.htpasswd import hash_password, is_right, parse_users, write_users
from tests.support.guarding import ACCESS
from tests.support.guarding import write_users as make_users


def load(folder: Path, text: str, **settings: bool) -> LoadedAccess:
    """Write a file and read it."""
    make_users(folder, "admin", "node", "ci", "cleaner")
    (folder / "token.key").write_text("k" * 40)
    (folder / "access.yaml").write_text(text)
    return load_access(folder / "access.yaml", **settings)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    load(tmp_path, ACCESS)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("role: push", "role: psuh", ":8:11", 'did you mean "push"?'),
        ("usersFile:", "userFile:", ":1:1", 'did you mean "usersFile"?'),
        ("groups: [admins]", "groups: [admin]", ":7:14", 'did you mean "admins"?'),
        ("users: [ci]", "users: [cj]", ":9:13", 'did you mean "ci"?'),
        ("[admin]\n", "[admn]\n", ":3:12", 'did you mean "admin"?'),
        ("\n    users: [ci]", "", ":8:5", "a rule for nobody"),
        ("[team/old]", "[Team/old]", ":16:20", "lower case"),
        ("[team/old]", "[team**/old]", ":16:20", "as a whole part"),
        ("[team/old]", '["/x"]', ":16:20", "expected a repository"),
        ("groups: [admins]\n", "groups: [admins]\n    repositories: [team/*]\n", ":8:19", "whole registry"),
        ("usersFile: users.htpasswd", "usersFile: nobody.htpasswd", ":1:12", "no such file"),
        ("keyFile: token.key", "keyFile: access.yaml\n  seconds: 5", ":19:12", "expected at least 60"),
        ("keyFile: token.key", "keyFile: users.htpasswd\nmetrics: all", ":19:10", 'expected "admin" or "anyone"'),
    ],
)
def test_each_mistake_is_shown_in_its_place(tmp_path: Path, old: str, new: str, place: str, said: str) -> None:
    assert old in ACCESS
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, ACCESS.replace(old, new, 1))
    told = [caught.value, *caught.value.failures]
    assert any(f"access.yaml{place}" in each.message and said in each.message for each in told), told


def test_all_mistakes_are_shown_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 mistakes") as caught:
        load(tmp_path, ACCESS.replace("users: [ci]", "users: [cj]").replace("team/old", "team//old"))
    assert len(caught.value.failures) == 2


def test_users_need_not_be_in_a_file_where_certificates_name_them(tmp_path: Path) -> None:
    loaded = load(tmp_path, ACCESS.replace("users: [ci]", "users: [robot]"), with_certificates=True)
    assert any("robot" in rule.users for rule in loaded.access.rules)


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short.key").write_text("secret\n")
    with pytest.raises(ConfigError, match="at least 32 bytes, found 6"):
        load(tmp_path, ACCESS.replace("token.key", "short.key"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("anna", "expected NAME:HASH"),
        ("anna:$apr1$x$y", "htpasswd -nB NAME"),
        ("anna:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=", "expected a bcrypt hash"),
        ("anna:$2y$31$" + "a" * 53, "expected a cost of 5 to 15"),
        ("an na:$2y$05$" + "a" * 53, "without blanks"),
        ("token:$2y$05$" + "a" * 53, "not one of token"),
        ("ben:$2y$05$" + "b" * 53, "ben is listed twice"),
    ],
)
def test_a_line_that_is_no_user_is_shown_by_its_number_and_without_its_hash(line: str, said: str) -> None:
    data = f"# people\nben:$2y$05${'a' * 53}\n\n{line}\n".encode()
    with pytest.raises(ConfigError, match=r"^users:4:1: ") as caught:
        parse_users(data, "users")
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert "$2y$" not in caught.value.message


def test_passwords_are_hashed_and_compared() -> None:
    hashed = hash_password("grüße")
    assert parse_users(write_users({"anna": hashed}), "users") == {"anna": hashed}
    assert is_right("grüße".encode(), hashed)
    assert not is_right("grüsse".encode(), hashed)
    assert not is_right(b"x" * 73, hashed)
    assert not is_right(b"a\0b", hashed)
    for bad in ("", "x" * 73, "a\0b"):
        with pytest.raises(ConfigError, match="1 to 72 bytes"):
            hash_password(bad)


def test_the_wait_doubles_and_ends(virtual: list[float]) -> None:
    failed = FailedLogins(lambda: virtual[0])
    waits = []
    for _ in range(16):
        failed.failed("anna", "10.0.0.1")
        waits.append(failed.seconds_to_wait("ben", "10.0.0.1"))
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert failed.seconds_to_wait("anna", "10.0.0.2") == 30
    virtual[0] += 901
    failed.failed("anna", "10.0.0.1")
    assert failed.seconds_to_wait("anna", "10.0.0.1") == 0


def test_what_is_remembered_of_failures_is_bounded(virtual: list[float]) -> None:
    failed = FailedLogins(lambda: virtual[0])
    for number in range(30_000):
        failed.failed(f"user{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(failed._records) == 10_000


def test_a_right_login_forgives_the_user_but_not_the_address(virtual: list[float]) -> None:
    failed = FailedLogins(lambda: virtual[0])
    for _ in range(8):
        failed.failed("anna", "10.0.0.1")
    failed.succeeded("anna")
    assert failed.seconds_to_wait("anna", "10.0.0.2") == 0
    assert failed.seconds_to_wait("ben", "10.0.0.1") > 0


@pytest.fixture
def virtual() -> list[float]:
    return [1000.0]


@pytest.mark.parametrize(
    ("remote", "stands"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
        ("unix", "unix"),
    ],
)
def test_an_address_stands_for_its_network(remote: str | None, stands: str) -> None:
    assert address_of(remote) == stands
