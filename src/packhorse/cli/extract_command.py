"""``packhorse extract``: take one image, chart or file out of a bundle."""

from collections.abc import Callable
from pathlib import Path

import click

from packhorse.app.extract import Extracted, extract_chart, extract_file, extract_image
from packhorse.base.errors import UsageError
from packhorse.base.units import format_bytes
from packhorse.bundle.reader import Bundle
from packhorse.cli.console import Console, examples, pass_console

__all__ = ["command"]


@click.command(
    "extract",
    epilog=examples(
        "packhorse extract shop-1.4.0.bundle.tar --image docker.io/library/redis:7.2 --to ./redis",
        "packhorse extract shop-1.4.0.bundle.tar --chart shop --to .",
        "packhorse extract shop-1.4.0.bundle.tar --file bin/probe --to /usr/local/bin",
    ),
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--image", metavar="NAME", help="An image; it is written as an OCI layout into the new folder --to.")
@click.option("--chart", metavar="NAME", help="A chart; its archive is written into the folder --to.")
@click.option("--file", "file_name", metavar="PATH", help="A file, by its path in the package.")
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="The folder to write to.")
@pass_console
def command(
    console: Console, bundle: Path, image: str | None, chart: str | None, file_name: str | None, folder: Path
) -> None:
    """Take one image, chart or file out of BUNDLE; its bytes are hashed on their way."""
    chosen = [(extract, name) for extract, name in _choices(image, chart, file_name) if name is not None]
    if len(chosen) != 1:
        message = "expected one of --image, --chart and --file"
        raise UsageError(message, hint="packhorse inspect shows what the bundle has")
    extract, name = chosen[0]
    with Bundle.open_file(bundle) as opened:
        result = extract(opened, name, folder)
    console.say(f"Wrote {result.path}, {format_bytes(result.bytes)}.")


_Extract = Callable[[Bundle, str, Path], Extracted]


def _choices(image: str | None, chart: str | None, file_name: str | None) -> list[tuple[_Extract, str | None]]:
    return [(extract_image, image), (extract_chart, chart), (extract_file, file_name)]
