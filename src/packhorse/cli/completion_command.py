"""``packhorse completion``: the script that makes a shell complete verbs, options and file names."""

import click
from click.shell_completion import ShellComplete, get_completion_class

from packhorse.base.errors import UsageError
from packhorse.cli.console import examples

__all__ = ["command"]


@click.command(
    "completion",
    epilog=examples("packhorse completion bash > ~/.local/share/bash-completion/completions/packhorse"),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL."""
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"expected bash, zsh or fish, found {shell!r}")
    # click's own way for bash starts this machine's bash to ask its version, though the script may be for another one.
    click.echo(ShellComplete.source(kind(context.find_root().command, {}, "packhorse", "_PACKHORSE_COMPLETE")))
