"""``packhorse init``: a package to start from."""

from pathlib import Path

import click

from packhorse.app.init import create_package
from packhorse.cli.console import Console, examples, pass_console

__all__ = ["command"]


@click.command("init", epilog=examples("packhorse init shop && cd shop && packhorse lock"))
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write it; a new folder called NAME where it is left out.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@pass_console
def command(console: Console, name: str, directory: Path | None, force: bool, dry_run: bool) -> None:  # noqa: FBT001 - click's way
    """Write a package called NAME that works: one component with one chart, its values, and the schema for editors."""
    folder = directory if directory is not None else Path(name)
    made = create_package(name, folder, force=force, dry_run=dry_run)
    if dry_run:
        for file in made.files:
            console.say(f"Would write {folder / file}")
        return
    console.say("Wrote packhorse.yaml (one component, one chart) and values/site.yaml.")
    inside = folder.resolve() == Path.cwd()
    console.say("Next: packhorse lock" if inside else f"Next: cd {folder} && packhorse lock")
