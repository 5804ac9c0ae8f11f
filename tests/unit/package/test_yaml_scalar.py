"""Plain scalars mean what they mean to Kubernetes."""

import pytest

from packhorse.package.yaml_scalar import NotANumberError, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("y", True),
        ("On", True),
        ("NO", False),
        ("off", False),
        ("yEs", "yEs"),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0755", 493),
        ("0o755", 493),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("0b101", 5),
        ("1_000", 1000),
        ("18446744073709551615", 2**64 - 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("08", 8.0),
        ("1.27.3", "1.27.3"),
        ("10:30", "10:30"),
        ("2026-01-31", "2026-01-31"),
        ("-", "-"),
        (".", "."),
        ("._5", "._5"),
        ("0x", "0x"),
        ("1e", "1e"),
        ("٣", "٣"),
        ("=", "="),
        ("shop", "shop"),
    ],
)
def test_resolve(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 401])
def test_what_json_cannot_express_is_refused(text: str) -> None:
    with pytest.raises(NotANumberError):
        resolve(text)
