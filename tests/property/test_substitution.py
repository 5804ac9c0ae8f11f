"""Substitution: no value ever changes the structure of what it is put into."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.errors import ConfigError
from packhorse.package.substitution import placeholders, substitute, substitute_document
from packhorse.package.variables import Secret, VariableValues
from packhorse.package.yaml_document import load_mapping, read_located

HOSTILE = st.sampled_from(
    ['"', "'", "\n", ": ", "a: b", "\n- x\nb: {c: d}", "# x", "{}", "]", "*a", "&a", "!!int 3", "${var.b}", "$${var.a}"]
)
TEXT = st.one_of(HOSTILE, st.text(max_size=30))
VALUES = st.one_of(TEXT, st.integers(-(2**63), 2**63), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(["${var.a}", "x ${var.a} y ${var.b}"]), TEXT
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=20,
)


def shape_of(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: shape_of(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [shape_of(item) for item in tree]
    return "leaf"


def _texts(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [*tree, *(text for item in tree.values() for text in _texts(item))]
    if isinstance(tree, list):
        return [text for item in tree for text in _texts(item)]
    return [tree] if isinstance(tree, str) else []


def values(**given: Any) -> VariableValues:
    return VariableValues(given)


@given(TREES, VALUES, VALUES)
def test_the_shape_stays_and_nothing_else_changes(tree: Any, a: Any, b: Any) -> None:
    def expected(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: expected(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [expected(inner) for inner in item]
        if item == "${var.a}":
            return a
        if item == "x ${var.a} y ${var.b}":
            return f"x {written(a)} y {written(b)}"
        return item

    def written(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    # Other placeholders that hypothesis makes up are the matter of the tests below.
    known = ("${var.a}", "x ${var.a} y ${var.b}")
    if any("${var." in text and text not in known for text in _texts(tree)):
        return
    result = substitute(tree, values(a=a, b=b), "f")
    assert shape_of(result) == shape_of(tree)
    assert result == expected(tree)


@given(st.text(max_size=60))
def test_a_value_survives_yaml_whatever_it_contains(value: str) -> None:
    if not value.isprintable() and not value.isascii():
        return
    tree = load_mapping("a: ${var.v}\nb: 'x: ${var.v}'\nc: [1, \"${var.v}\"]\nd: {e: '${var.v}'}\n", "f")
    result = substitute(tree, values(v=value), "f")
    again = yaml.safe_load(yaml.safe_dump(result))
    assert again == {"a": value, "b": f"x: {value}", "c": [1, value], "d": {"e": value}}


@given(st.text(max_size=40))
def test_the_escape_gives_what_stands_after_it(rest: str) -> None:
    if "${var." in rest:
        return
    assert substitute("$${var." + rest, values(), "f") == "${var." + rest


@given(st.text(max_size=40))
def test_text_without_placeholders_is_left_alone(text: str) -> None:
    if "${var." not in text:
        assert substitute({text: text}, values(a="x"), "f") == {text: text}


def test_a_whole_placeholder_takes_the_type() -> None:
    tree = {"port": "${var.n}", "text": "port ${var.n}", "on": "${var.t}", "word": "is ${var.t}", "q": "${var.f}"}
    assert substitute(tree, values(n=8080, t=True, f=0.5), "f") == {
        "port": 8080,
        "text": "port 8080",
        "on": True,
        "word": "is true",
        "q": 0.5,
    }


def test_a_secret_is_put_in_as_itself() -> None:
    assert substitute("${var.p}:${var.p}", values(p=Secret("x")), "f") == "x:x"


def test_what_a_value_contains_is_not_looked_at_again() -> None:
    assert substitute(["${var.a}", "-${var.a}-"], values(a="${var.b}", b="no"), "f") == ["${var.b}", "-${var.b}-"]


def test_aliases_stay_shared() -> None:
    tree = load_mapping("a: &a {k: '${var.v}'}\nb: *a\nc: [*a, *a]\n", "f")
    result = substitute(tree, values(v="x"), "f")
    assert result == {"a": {"k": "x"}, "b": {"k": "x"}, "c": [{"k": "x"}, {"k": "x"}]}
    assert result["a"] is result["b"] is result["c"][1]
    assert tree["a"] == {"k": "${var.v}"}


MISTAKES = """\
ingress:
  host: shop.${var.domian}
  port: "${var.Port}"
  "${var.key}": 1
  open: ${var.never
"""


def test_mistakes_are_shown_in_place() -> None:
    document = read_located(MISTAKES, "values/site.yaml")
    with pytest.raises(ConfigError) as caught:
        substitute_document(document, values(domain="x"))
    assert caught.value.message == "values/site.yaml has 4 mistakes."
    assert [failure.message for failure in caught.value.failures] == [
        (
            "values/site.yaml:2:9: the package has no variable domian\n"
            "    2 |   host: shop.${var.domian}\n"
            "      |         ^^^^^^^^^^^^^^^^^^ did you mean domain?"
        ),
        (
            "values/site.yaml:3:9: expected ${var.NAME}, found ${var.Port}\n"
            '    3 |   port: "${var.Port}"\n'
            "      |         ^^^^^^^^^^^^^ $${var. writes it as it is"
        ),
        'values/site.yaml:4:3: variables are not replaced in keys\n    4 |   "${var.key}": 1\n      |   ^^^^^^^^^^^^',
        (
            "values/site.yaml:5:9: expected ${var.NAME}, found ${var.never\n"
            "    5 |   open: ${var.never\n"
            "      |         ^^^^^^^^^^^ $${var. writes it as it is"
        ),
    ]


def test_mistakes_in_a_tree_without_places_are_shown_by_path() -> None:
    with pytest.raises(ConfigError) as caught:
        substitute({"a": ["${var.x}"]}, values(), "the output of kustomize")
    assert caught.value.message == "the output of kustomize: a[0]: the package has no variable x"
    assert caught.value.hint == "known variables: none"
    with pytest.raises(ConfigError, match="f has 2 wrong placeholders") as caught:
        substitute(["${var.x}", "${var.}"], values(), "f")
    assert len(caught.value.failures) == 2


def test_placeholders() -> None:
    tree = load_mapping("a: &a ['${var.x} $${var.y} ${var.z}', '${var.Q}', 3]\nb: *a\n${var.key}: 1\n", "f")
    assert placeholders(tree) == {"x", "z"}
