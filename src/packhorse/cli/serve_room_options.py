"""What ``packhorse serve --push-to`` takes about room: how much of it, for how long, and what is collected when."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from packhorse.app.retention_file import load_retention
from packhorse.app.store_upkeep import StoreSettings
from packhorse.base.errors import UsageError
from packhorse.cli.measures import DURATION, SIZE
from packhorse.store.collection import DEFAULT_GRACE_SECONDS, Policy
from packhorse.store.retention import Retention
from packhorse.store.room import RoomLimits

__all__ = ["RoomOptions", "room_options"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class RoomOptions:
    """What was written on the command line."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> None:
        """Take one option."""
        self._values[name] = value

    def settings(self, *, takes_pushes: bool) -> StoreSettings:
        """Say how the store is kept.

        Raises:
            UsageError: An option is given that says nothing without another one.
            ConfigError: The file of rules has mistakes.
        """
        given = {name: value for name, value in self._values.items() if value is not None}
        if given and not takes_pushes:
            raise UsageError(f"--{next(iter(given)).replace('_', '-')} goes with --push-to")
        every = given.get("gc_every")
        if every is None and (given.keys() & {"gc_grace", "retention"}):
            raise UsageError("--gc-grace and --retention go with --gc-every")
        rules = given.get("retention")
        return StoreSettings(
            RoomLimits(given.get("max_size"), given.get("keep_free", 0)),
            given.get("upload_expiry", 24 * 3600),
            every,
            Policy(
                given.get("gc_grace", DEFAULT_GRACE_SECONDS), Retention() if rules is None else load_retention(rules)
            ),
        )


def room_options(function: _Decorated) -> _Decorated:
    """Give a verb the options about room; they reach it as ``room``, a :class:`RoomOptions`."""

    def gather(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        context.params.setdefault("room", RoomOptions()).add(str(parameter.name), value)

    def option(name: str, kind: click.ParamType[Any], metavar: str, text: str) -> Callable[[_Decorated], _Decorated]:
        return click.option(name, type=kind, metavar=metavar, expose_value=False, callback=gather, help=text)

    for each in reversed(
        (
            option("--max-size", SIZE, "SIZE", "Refuse pushes that would make the store larger: 200GiB."),
            option("--keep-free", SIZE, "SIZE", "Refuse pushes that would leave less on the store's disk: 10GiB."),
            option("--upload-expiry", DURATION, "DURATION", "Remove uploads that nobody has added to; 24h."),
            option("--gc-every", DURATION, "DURATION", "Collect the store's garbage so often: 6h."),
            option("--gc-grace", DURATION, "DURATION", "Leave what was pushed within this time; 24h."),
            option("--retention", click.Path(path_type=Path), "FILE", "Rules for what stays, as for store gc."),
        )
    ):
        function = each(function)
    return function
