"""Where ``packhorse`` starts: the group of verbs, loaded when they are used, and the one place that exits."""

import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import NoReturn

import click
from click.shell_completion import CompletionItem, shell_complete

from packhorse import __version__
from packhorse.base.errors import PackhorseError
from packhorse.base.printable import printable
from packhorse.base.spelling import nearest
from packhorse.cli.console import Console, add_global_options
from packhorse.cli.failure import print_failure
from packhorse.cli.verbs import SECTIONS, VERBS, Verb

__all__ = ["cli", "entry"]

_PROGRAM = "packhorse"
_COMPLETE_VARIABLE = "_PACKHORSE_COMPLETE"
_EXIT_UNEXPECTED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141


def _verbs() -> dict[str, Verb]:
    return {verb.name: verb for verb in VERBS}


class _Verbs(click.Group):
    """The group of all verbs, that imports only the one which is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the verbs, in the order of the help."""
        return list(_verbs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import one verb."""
        verb = _verbs().get(cmd_name)
        return _load(verb) if verb is not None else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that is asked for, or say which one is near."""
        name = args[0]
        if name not in _verbs() and not name.startswith("-"):
            near = nearest(name, _verbs())
            suggestion = f" Did you mean {near!r}?" if near is not None else ""
            raise click.UsageError(f"There is no verb {name!r}.{suggestion}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the verbs under the heads of the cargo's way."""
        width = max(map(len, _verbs()), default=0)
        for section in SECTIONS:
            rows = [(verb.name.ljust(width), verb.summary) for verb in _verbs().values() if verb.section == section]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete verbs without importing them."""
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [
            *(
                CompletionItem(verb.name, help=verb.summary)
                for verb in _verbs().values()
                if verb.name.startswith(incomplete)
            ),
            *options,
        ]


@cache
def _load(verb: Verb) -> click.Command:
    command = importlib.import_module(verb.module).command
    assert isinstance(command, click.Command)  # noqa: S101 - each verb's own test imports it
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    add_global_options(command)
    return command


@click.group(
    cls=_Verbs,
    invoke_without_command=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with: packhorse init NAME",
)
@click.version_option(__version__, prog_name=_PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """Carry software to Kubernetes clusters that have no road to the internet.

    Pack images, charts, manifests and files into one sealed bundle; on the far side verify, serve, push and deploy it.
    """


add_global_options(cli, root=True)


def run(arguments: Sequence[str], console: Console) -> int:
    """Run one command line and return its exit code; errors are raised.

    Args:
        arguments: Without the program's name.
        console: Filled in from the global options, so that the caller knows them when an error comes.
    """
    try:
        with cli.make_context(_PROGRAM, list(arguments), obj=console) as context:
            result = cli.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return result if isinstance(result, int) else 0


def entry() -> NoReturn:
    """Run the command line of this process, and exit."""
    instruction = os.environ.get(_COMPLETE_VARIABLE)
    if instruction:
        sys.exit(shell_complete(cli, {}, _PROGRAM, _COMPLETE_VARIABLE, instruction))
    # What is imported stays. To search it for garbage, again and again while it grows and once more at the end, finds
    # none and is a twelfth of a start; so the search begins when the verb is there, and leaves out what came before.
    gc.disable()
    code = guarded(sys.argv[1:], Console())
    gc.freeze()
    sys.exit(code)


def guarded(arguments: Sequence[str], console: Console) -> int:
    """Run one command line, print what goes wrong, and return the exit code.

    This is one of the three edges at which every exception is caught.
    """
    try:
        code = run(arguments, console)
        sys.stdout.flush()
    except PackhorseError as error:
        _print_traceback(console)
        print_failure(error, console)
        return error.exit_code
    except click.ClickException as error:
        return _refuse(error, console)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return _EXIT_INTERRUPTED
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            return _fall_silent()
        if not isinstance(error, Exception):
            raise
        return _unexpected(error, console)
    return code


def _refuse(error: click.ClickException, console: Console) -> int:
    """Print a refused command line as any other error, with the help to look at."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return _EXIT_USAGE
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else _PROGRAM
    click.echo(console.styled(error.format_message(), sys.stderr, fg="red", bold=True), err=True)
    click.echo(f"{console.styled('hint:', sys.stderr, bold=True)} {path} --help", err=True)
    return _EXIT_USAGE


def _unexpected(error: Exception, console: Console) -> int:
    """Say in a short line that Packhorse has a defect, and how to show where."""
    _print_traceback(console)
    kind, message = type(error).__name__, printable(str(error))
    click.echo(
        console.styled(f"Packhorse failed unexpectedly: {kind}: {message}", sys.stderr, fg="red", bold=True), err=True
    )
    if not console.traceback:
        click.echo("hint: run it again with --traceback (or PACKHORSE_TRACEBACK=1) and report what it prints", err=True)
    return _EXIT_UNEXPECTED


def _print_traceback(console: Console) -> None:
    if console.traceback:
        # The module traceback costs a fifth of a start, and this prints the same.
        sys.__excepthook__(*sys.exc_info())


def _fall_silent() -> int:
    """End quietly after the reader of stdout went away, also when the interpreter flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return _EXIT_BROKEN_PIPE
