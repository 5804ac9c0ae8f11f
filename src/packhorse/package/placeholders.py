"""Values for a package's variables while it is locked, when no site has given any.

A variable stands for its default. One without gets a value of its type that is easy to recognise, so that an image
which depends on it is seen: nobody can know its digest here.
"""

import re
from collections.abc import Iterable

from packhorse.package.model import Variable

__all__ = ["lock_values", "unset_variables"]

_UNSET = "packhorse-unset-"
_MARK = re.compile(rf"{_UNSET}([a-z0-9-]+)-end")
_TYPED: dict[str, str | int | float | bool] = {"integer": 1, "number": 1.0, "boolean": False}


def lock_values(variables: Iterable[Variable]) -> dict[str, str | int | float | bool]:
    """Return the value of each variable at the time of locking."""
    return {variable.name: _value(variable) for variable in variables}


def unset_variables(text: str) -> tuple[str, ...]:
    """Return the names of the variables without a default that ``text`` was made with, in their order."""
    return tuple(dict.fromkeys(name.replace("-", "_") for name in _MARK.findall(text)))


def _value(variable: Variable) -> str | int | float | bool:
    if variable.default is not None:
        return variable.default
    if variable.type != "string":
        return _TYPED[variable.type]
    # Dashes make it fit where Kubernetes wants a name.
    return f"{_UNSET}{variable.name.replace('_', '-')}-end"
