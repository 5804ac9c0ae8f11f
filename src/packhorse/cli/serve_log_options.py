"""The option of ``serve`` that makes it log each request, for people or for programs."""

import importlib
from typing import Any

import click

from packhorse.cli.console import Console

__all__ = ["log_format_option"]


def _begin(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        # Loaded when it is asked for: a start is shorter without it.
        log = importlib.import_module("packhorse.cli.server_log")
        log.show_server_log(value, verbose=context.ensure_object(Console).verbose)


log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    expose_value=False,
    callback=_begin,
    help="Log each request to stderr, as lines of text or of JSON.",
)
