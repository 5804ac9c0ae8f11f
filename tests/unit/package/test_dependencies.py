"""The order of components."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.errors import ConfigError
from packhorse.package.dependencies import cycles, in_order

NAMES = st.sampled_from("abcdef")
EDGES = st.dictionaries(NAMES, st.lists(NAMES, max_size=4))


def test_in_order() -> None:
    assert in_order("abcd", {"a": ["d"], "c": ["a", "b"], "d": ["b"]}) == ["b", "d", "a", "c"]
    assert in_order("ab", {"a": ["x"], "x": ["b"]}) == ["a", "b"]
    with pytest.raises(ConfigError, match="components depend on each other: a → b → a"):
        in_order("ab", {"a": ["b"], "b": ["a"]})


@given(EDGES)
def test_every_circle_is_one_and_without_circles_there_is_an_order(edges: dict[str, list[str]]) -> None:
    found = list(cycles(edges))
    for cycle in found:
        for name, following in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert following in edges[name]
    if found:
        return
    order = in_order("fedcba", edges)
    assert sorted(order) == list("abcdef")
    for name, wanted in edges.items():
        assert all(order.index(other) < order.index(name) for other in wanted)
