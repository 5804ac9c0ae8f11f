"""Variables on the command line: the options of the verbs that take them, the environment, and questions."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from packhorse.base.errors import ConfigError, UsageError
from packhorse.package.model import Variable
from packhorse.package.source_text import read_file
from packhorse.package.variables import Given, Secret, Settled, VariableValues, check_value, read_values, settle

__all__ = ["VariableOptions", "gather_variables", "variable_options"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_ENVIRONMENT = "PACKHORSE_VAR_"


@dataclass(frozen=True, slots=True)
class VariableOptions:
    """What was written on the command line, unread."""

    pairs: tuple[str, ...] = ()
    file_pairs: tuple[str, ...] = ()
    values_files: tuple[Path, ...] = ()


def variable_options(function: _Decorated) -> _Decorated:
    """Give a verb ``--set``, ``--set-file`` and ``--values-file``; they reach it as ``variables``."""

    def gather(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        found = context.params.get("variables") or VariableOptions()
        context.params["variables"] = replace(found, **{str(parameter.name): tuple(value)})

    options = [
        click.option(
            "--set", "pairs", metavar="NAME=VALUE", multiple=True, expose_value=False, callback=gather,
            help="Give a variable. Not for sensitive ones: others can see a command line.",
        ),
        click.option(
            "--set-file", "file_pairs", metavar="NAME=FILE", multiple=True, expose_value=False, callback=gather,
            help="Give a variable the content of a file, without its last line break.",
        ),
        click.option(
            "--values-file", "values_files", metavar="FILE", multiple=True, expose_value=False, callback=gather,
            type=click.Path(path_type=Path),
            help="Give variables from a YAML file; the last file wins. PACKHORSE_VAR_NAME gives one, too.",
        ),
    ]  # fmt: skip
    for option in options:
        function = option(function)
    return function


def gather_variables(
    declared: Sequence[Variable], options: VariableOptions, environment: Mapping[str, str] = os.environ
) -> VariableValues:
    """Take every variable from the command line, files, the environment, or by asking on a terminal; else its default.

    Raises:
        UsageError: An option is malformed, or shows a sensitive value.
        ConfigError: A value does not fit, a name is unknown, or a variable has no value and nobody can be asked.
    """
    layers = [
        _from_pairs(declared, options.pairs),
        _from_file_pairs(options.file_pairs),
        *(_from_file(path) for path in reversed(options.values_files)),
        _from_environment(declared, environment),
    ]
    settled = settle(declared, layers)
    if settled.missing and sys.stdin.isatty() and sys.stderr.isatty():
        settled = settle(declared, [*layers, _ask(settled)])
    return settled.complete()


def _split(option: str, pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise UsageError(f"{option}: expected NAME=VALUE, found {pair[:60]!r}")
    return name, value


def _from_pairs(declared: Sequence[Variable], pairs: Sequence[str]) -> dict[str, Given]:
    sensitive = {variable.name for variable in declared if variable.sensitive}
    given = {}
    for pair in pairs:
        name, value = _split("--set", pair)
        if name in sensitive:
            raise UsageError(
                f"--set {name}: this variable is sensitive, and everybody on this machine can read a command line",
                hint=f"--set-file {name}=FILE, --values-file, {_ENVIRONMENT}{name.upper()}, or wait to be asked",
            )
        given[name] = Given(value, f"--set {name}")
    return given


def _from_file_pairs(pairs: Sequence[str]) -> dict[str, Given]:
    given = {}
    for pair in pairs:
        name, path = _split("--set-file", pair)
        try:
            text = read_file(Path(path), path).decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"--set-file {name}: {path}: expected text in UTF-8") from error
        given[name] = Given(text.removesuffix("\n").removesuffix("\r"), f"--set-file {name}")
    return given


def _from_file(path: Path) -> dict[str, Given]:
    return read_values(read_file(path, str(path)), str(path))


def _from_environment(declared: Sequence[Variable], environment: Mapping[str, str]) -> dict[str, Given]:
    names = {variable.name: _ENVIRONMENT + variable.name.upper() for variable in declared}
    return {name: Given(environment[key], key) for name, key in names.items() if key in environment}


def _ask(settled: Settled) -> dict[str, Given]:
    answers = {}
    for variable in settled.missing:
        if variable.description:
            click.echo(variable.description, err=True)
        answer = click.prompt(
            variable.name, hide_input=variable.sensitive, err=True, value_proc=_checker(variable), type=str
        )
        answers[variable.name] = Given(Secret(answer) if variable.sensitive else answer, "the answer")
    return answers


def _checker(variable: Variable) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            check_value(variable, Given(text, "the answer"))
        except ConfigError as error:
            raise click.UsageError(error.message) from error
        return text

    return check
