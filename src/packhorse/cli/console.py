"""What every verb is told by the global options, which may stand before and after it."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

import click

from packhorse.base.printable import printable

__all__ = ["Console", "add_global_options", "examples", "pass_console"]

Progress = Literal["auto", "plain", "json", "none"]


@dataclass(slots=True)
class Console:
    """The terminal, as the person wants it used.

    It is filled in while arguments are parsed, and only read afterwards.
    """

    quiet: bool = False
    verbose: bool = False
    progress: Progress = "auto"
    no_color: bool = field(default_factory=lambda: bool(os.environ.get("NO_COLOR")))
    traceback: bool = field(default_factory=lambda: bool(os.environ.get("PACKHORSE_TRACEBACK")))

    def say(self, text: str) -> None:
        """Print a result for people to stdout, without what would steer the terminal; nothing with ``--quiet``."""
        if not self.quiet:
            click.echo(printable(text))

    def show(self, text: str) -> None:
        """Print data for people to stdout, as :meth:`say` does, with ``--quiet`` too: it is what was asked for."""
        click.echo(printable(text))

    def warn(self, text: str) -> None:
        """Print a line for people to stderr, as :meth:`say` does."""
        if not self.quiet:
            click.echo(printable(text), err=True)

    def styled(self, text: str, stream: TextIO, **style: Any) -> str:
        """Return ``text`` in colour where ``stream`` is a terminal and colour is wanted, else as it is.

        Args:
            text: What the words alone must already say.
            stream: Where it will be printed.
            style: As :func:`click.style` takes it.
        """
        return click.style(text, **style) if self.draws_on(stream) and not self.no_color else text

    @staticmethod
    def draws_on(stream: TextIO) -> bool:
        """Whether ``stream`` is a terminal that understands control sequences."""
        return stream.isatty() and os.environ.get("TERM", "") != "dumb"


def examples(*commands: str) -> str:
    """Return the ``epilog`` of a verb that shows ``commands``, each on its line."""
    return "\n".join(("\b", "Examples:" if len(commands) > 1 else "Example:", *(f"  {line}" for line in commands)))


pass_console = click.make_pass_decorator(Console, ensure=True)


_EVERYWHERE = (
    "Every verb takes --quiet, --verbose, --progress, --no-color and --traceback: packhorse --help tells of them."
)


def add_global_options(command: click.Command, *, root: bool = False) -> None:
    """Give ``command`` and, where it is a group, all its commands the global options they do not have yet.

    Args:
        command: Changed in place.
        root: Whether its help shows each of them; elsewhere one line says where they are described.
    """
    names = {parameter.name for parameter in command.params}
    for option in _global_options():
        if option.name not in names:
            option.hidden = not root
            command.params.append(option)
    if not root:
        command.epilog = f"{command.epilog}\n\n{_EVERYWHERE}" if command.epilog else _EVERYWHERE
    if isinstance(command, click.Group):
        for child in command.commands.values():
            add_global_options(child)


def _global_options() -> list[click.Option]:
    return [
        _option(["--quiet", "-q"], is_flag=True, help="Print errors and data only."),
        _option(["--verbose", "-v"], is_flag=True, help="Print diagnostics too."),
        _option(
            ["--progress"],
            type=click.Choice(["auto", "plain", "json", "none"]),
            help="How progress is shown on stderr: live on a terminal, lines in a log, JSON lines.",
        ),
        _option(["--no-color"], is_flag=True, help="Use no colour, as with NO_COLOR=1."),
        _option(["--traceback"], is_flag=True, help="Show where in the program an error came from."),
    ]


def _option(names: list[str], **settings: Any) -> click.Option:
    # The default must be tellable from what was written, or the verb's options would undo those before it.
    return click.Option(
        names, default=None, expose_value=False, is_eager=True, callback=_remember(names[0]), **settings
    )


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    attribute = name.removeprefix("--").replace("-", "_")

    def remember(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        console = context.ensure_object(Console)
        if value is not None:
            setattr(console, attribute, value)
        if console.verbose:
            # Loaded when it is asked for: a start is shorter without logging.
            importlib.import_module("packhorse.cli.diagnostics").show_diagnostics()

    return remember
