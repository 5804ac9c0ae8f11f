"""Variables: types, patterns, layers, and secrets that stay secret."""

import copy
import logging
import pickle
import traceback

import pytest

from packhorse.base.errors import ConfigError
from packhorse.package.model import Variable
from packhorse.package.variables import Given, Secret, Settled, VariableValues, read_values, redact, settle

DOMAIN = Variable(name="domain", pattern="[a-z.]+", default="shop.local")
REPLICAS = Variable(name="replicas", type="integer", default=1)
RATIO = Variable(name="ratio", type="number", default=0.5)
DEBUG = Variable(name="debug", type="boolean", default=False)
PASSWORD = Variable(name="password", sensitive=True, pattern="[a-z0-9]{4,}")
ALL = (DOMAIN, REPLICAS, RATIO, DEBUG, PASSWORD)


def text(**values: str) -> dict[str, Given]:
    return {name: Given(value, f"--set {name}") for name, value in values.items()}


def settled(*layers: dict[str, Given]) -> Settled:
    return settle(ALL, layers)


def refusal(*layers: dict[str, Given]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        settled(*layers)
    return caught.value


def test_defaults_and_what_is_missing() -> None:
    result = settled()
    assert {name: result.values[name] for name in result.values} == {
        "domain": "shop.local",
        "replicas": 1,
        "ratio": 0.5,
        "debug": False,
    }
    assert result.missing == (PASSWORD,)
    with pytest.raises(ConfigError, match="1 variable has no value: password") as caught:
        result.complete()
    assert caught.value.hint == "--set-file password=FILE, --values-file, or PACKHORSE_VAR_PASSWORD in the environment"
    assert "--set " not in str(caught.value.hint)


def test_the_first_layer_wins() -> None:
    values = settled(text(domain="a"), text(domain="b", replicas="3")).values
    assert values["domain"] == "a"
    assert values["replicas"] == 3


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("replicas", "3", 3),
        ("replicas", "-3", -3),
        ("ratio", "3", 3.0),
        ("ratio", "1e3", 1000.0),
        ("ratio", ".5", 0.5),
        ("debug", "true", True),
        ("debug", "false", False),
        ("domain", "true", "true"),
    ],
)
def test_text_is_read_as_the_type(name: str, given: str, value: object) -> None:
    found = settled(text(**{name: given})).values[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("replicas", "3.5", "--set replicas: variable replicas expects a whole number, found '3.5'"),
        ("replicas", "true", "--set replicas: variable replicas expects a whole number, found 'true'"),
        ("replicas", "9" * 30, "--set replicas: variable replicas expects a whole number, found '" + "9" * 30 + "'"),
        ("ratio", "much", "--set ratio: variable ratio expects a number, found 'much'"),
        ("debug", "yes", "--set debug: variable debug expects true or false, found 'yes'"),
        ("domain", "a\n", "--set domain: variable domain expects text that matches [a-z.]+, found 'a\\n'"),
        ("domian", "a", "--set domian: the package has no variable domian"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, given: str, message: str) -> None:
    assert refusal(text(**{name: given})).message == message


def test_a_misspelled_name_gets_a_suggestion() -> None:
    assert refusal(text(domian="a")).hint == "did you mean domain?"
    assert refusal(text(x="a")).hint == "known variables: domain, replicas, ratio, debug, password"


def test_all_mistakes_are_told_at_once() -> None:
    error = refusal(text(replicas="x", debug="x", nothing="x"))
    assert error.message == "3 variables were given wrongly."
    assert len(error.failures) == 3


def test_values_of_a_file_have_their_types() -> None:
    layer = read_values(b"domain: a.b\nreplicas: 2\nratio: 1\ndebug: yes\npassword: abcd\n", "site.yaml")
    values = settled(layer).complete()
    assert [values[name] for name in values] == ["a.b", 2, 1, True, "abcd"]


def test_a_number_in_a_file_is_no_text() -> None:
    error = refusal(read_values(b"# first\ndomain: 1.10\n", "site.yaml"))
    assert error.message == "site.yaml:2:9: variable domain expects text, found '1.1' (a number)"
    assert error.hint == "put it in quotes"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"- a", "site.yaml:1:1: expected a mapping of variables to values, found a list"),
        (b"password:\n  - topsecret\n", "site.yaml:2:3: variable password expects one value, found a list"),
        (b"Domain: topsecret\n", "site.yaml:1:9: expected the name of a variable, found 'Domain'"),
        (b"domain:\n", "site.yaml:1:8: variable domain expects one value, found nothing"),
    ],
)
def test_files_that_are_no_variables(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_values(data, "site.yaml")
    assert caught.value.message.startswith(message)
    assert "topsecret" not in caught.value.message


def test_no_message_shows_a_sensitive_value() -> None:
    for layer in (
        text(password="No!"),
        {"password": Given(123456, "site.yaml:1:1", is_text=False)},
        {"password": Given(Secret("No!"), "the answer")},
    ):
        error = refusal(layer)
        shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.hint)
        assert "No!" not in shown
        assert "123456" not in shown


def test_nothing_that_prints_a_secret_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("hunter2")
    values = VariableValues({"password": secret, "domain": "x"})
    logging.getLogger("test").warning("%s %r", secret, values)
    shown = f"{secret} {secret!r} {secret!s:>20} {values} {values!r} {[secret]} {caplog.text}"
    assert "hunter2" not in shown
    assert shown.count("<sensitive>") >= 6
    assert values["password"] == "hunter2"


def test_secrets_are_compared_but_not_told_apart_by_hash() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("b"))
    assert copy.deepcopy(Secret("a")) == Secret("a")
    assert pickle.loads(pickle.dumps(Secret(1))) == Secret(1)  # noqa: S301 - made on this line


def test_redact() -> None:
    secret = 'p"ss wörd\nsecond line'
    log = (
        'plain p"ss wörd\nsecond line, json p\\"ss w\\u00f6rd\\nsecond line, base64 cCJzcyB3w7ZyZApzZWNvbmQgbGluZQ==, '
        "url p%22ss%20w%C3%B6rd%0Asecond%20line, one of its lines: second line, other"
    )
    cleaned = redact(log, [secret, ""])
    assert cleaned == (
        "plain <sensitive>, json <sensitive>, base64 <sensitive>, url <sensitive>, one of its lines: <sensitive>, other"
    )
    assert VariableValues({"a": Secret("xyz"), "b": "abc"}).redact("xyz abc") == "<sensitive> abc"
