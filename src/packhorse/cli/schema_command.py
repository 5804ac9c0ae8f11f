"""``packhorse schema``: the JSON Schema of packhorse.yaml."""

import click

from packhorse.cli.console import examples
from packhorse.package.schema import SCHEMA_FILE_NAME, schema_text

__all__ = ["command"]


@click.command("schema", epilog=examples(f"packhorse schema > {SCHEMA_FILE_NAME}"))
def command() -> None:
    """Print the JSON Schema of packhorse.yaml.

    Editors complete and check the file with it. packhorse init puts it beside the package and names it in the first
    line of packhorse.yaml, as yaml-language-server reads it.
    """
    click.echo(schema_text(), nl=False)
