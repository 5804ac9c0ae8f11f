"""Sizes and durations on the command line."""

from collections.abc import Callable
from typing import Any

import click

from packhorse.base.units import parse_bytes, parse_duration

__all__ = ["DURATION", "SIZE", "Measure"]


class Measure(click.ParamType[Any]):
    """A number with its unit."""

    def __init__(self, name: str, parse: Callable[[str], int]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SIZE = Measure("size", parse_bytes)
"""Bytes: ``200GiB``."""
DURATION = Measure("duration", parse_duration)
"""Seconds: ``24h``."""
