"""What Helm says of values that a schema refuses, as Helm has put it over the years, told with file and line."""

import pytest

from packhorse.app.values_refusal import is_values_refusal, values_refusal
from packhorse.package.yaml_document import read_located

OWN = read_located("replicas: 1\nimage: {tag: v1}\ncache: {size: 1}\n", "charts/shop/values.yaml")
SITE = read_located("image:\n  tag: 1.2\nports:\n  - {name: http}\n  - {name: 7}\ncache: {size: big}\n", "site.yaml")
SAID = "values don't meet the specifications of the schema(s) in the following chart(s):\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("shop:\n- at '/image/tag': got number, want string\n", ["site.yaml:2:8: image.tag: got number, want string"]),
        ("shop:\n- at '/ports/1/name': got number", ["site.yaml:5:12: ports.1.name: got number"]),
        ("shop:\n- at '/replicas': minimum: 2\n", ["charts/shop/values.yaml:1:11: replicas: minimum: 2"]),
        ("shop:\n- at '': missing property 'host'\n", ["site.yaml:1:1: missing property 'host'"]),
        (
            "shop:\n- at '/image': validation failed\n  - at '/image': additional properties 'tag' not allowed\n",
            ["site.yaml:2:8: image.tag: additional properties 'tag' not allowed"],
        ),
        (
            "cache:\n- at '/size': got string, want integer\nshop:\n- at '/replicas': maximum: 0\n",
            [
                "charts/shop/values.yaml:1:11: replicas: maximum: 0",
                "site.yaml:6:15: cache.size: got string, want integer",
            ],
        ),
        # Before 3.18.
        (
            "shop:\n- image.tag: Invalid type. Expected: string, given: number\n",
            ["site.yaml:2:8: image.tag: Invalid type. Expected: string, given: number"],
        ),
        ("shop:\n- (root): host is required\n", ["site.yaml:1:1: host is required"]),
        (
            "shop:\n- (root): Additional property ports is not allowed\n",
            ["site.yaml:4:3: ports: Additional property ports is not allowed"],
        ),
        ("shop:\n- at '/a~1b/~0c': got null\n", ["site.yaml:1:1: a/b.~c: got null"]),
    ],
)
def test_each_fault_has_its_place(said: str, told: list[str]) -> None:
    errors = values_refusal(SAID + said, "shop", [OWN, SITE])
    assert [error.message.splitlines()[0] for error in errors] == told


def test_without_any_file_the_words_are_left() -> None:
    (error,) = values_refusal(f"{SAID}shop:\n- at '/image': missing property 'tag'\n", "shop", [])
    assert error.message == "image: missing property 'tag'"


def test_other_failures_are_none_of_its_business() -> None:
    said = "execution error at (shop/templates/a.yaml:1:2): - at '/x': y"
    assert not is_values_refusal(said)
    assert values_refusal(said, "shop", [OWN]) == []
    assert is_values_refusal(SAID)
