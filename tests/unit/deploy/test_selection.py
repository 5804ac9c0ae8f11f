import re
from typing import Any

import pytest

from packhorse.base.errors import ConfigError, UsageError
from packhorse.deploy.selection import select_components
from tests.support.deployable import definition


def component(name: str, *depends_on: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "dependsOn": list(depends_on), **more}


PACKAGE = definition(
    component("web", "api"),
    component("api", "database"),
    component("database"),
    component("debug", "tools", optional=True),
    component("tools", optional=True),
    component("docs", optional=True, default=True),
)


def names(**choice: Any) -> list[str]:
    return [each.name for each in select_components(PACKAGE, **choice)]


def test_each_comes_after_those_it_depends_on() -> None:
    assert names() == ["database", "api", "web", "docs"]


def test_chosen_ones_bring_what_they_need() -> None:
    assert names(chosen=["debug"]) == ["database", "api", "web", "tools", "debug", "docs"]


def test_what_was_chosen_once_stays() -> None:
    assert names(deployed=["tools"]) == ["database", "api", "web", "tools", "docs"]
    assert names(deployed=["tools", "gone"], without=["tools", "docs"]) == ["database", "api", "web"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"chosen": ["dbug"]}, "has no component 'dbug'"),
        ({"without": ["nothing"]}, "has no component 'nothing'"),
        ({"without": ["api"]}, "'api' is not optional"),
        ({"chosen": ["docs"], "without": ["docs"]}, "both chosen and left out"),
        ({"chosen": ["debug"], "without": ["tools"]}, "'tools' can't be left out: 'debug' depends on it"),
    ],
)
def test_wrong_choices_are_refused(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        names(**choice)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UsageError) as caught:
        names(chosen=["dbug"])
    assert caught.value.hint == "did you mean 'debug'?"


def test_circles_are_shown() -> None:
    package = definition(component("a", "b"), component("b", "c"), component("c", "b"))
    with pytest.raises(ConfigError, match="in a circle: b → c → b"):
        select_components(package)


def test_a_component_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="'a' depends on 'b', which is none"):
        select_components(definition(component("a", "b")))
