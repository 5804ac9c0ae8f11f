"""``packhorse build``: seal everything the lock lists into one bundle."""

from pathlib import Path

import click

from packhorse.app.build import build
from packhorse.app.build_model import BuildInput, BuildResult
from packhorse.app.workspace import open_workspace
from packhorse.base.errors import ConfigError
from packhorse.base.units import format_bytes, format_duration, format_rate, plural
from packhorse.bundle.content import PackageConfig
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import print_json
from packhorse.cli.programs import rendering_programs
from packhorse.cli.registry_options import RegistryOptions, registry_options, registry_settings
from packhorse.cli.reporters import open_reporter
from packhorse.package import definition, lock_file
from packhorse.package.lock import Lock

__all__ = ["command"]

_LOCK_NAME = "packhorse.lock"


@click.command(
    "build",
    epilog=examples(
        "packhorse build",
        "packhorse build ./shop --output /media/usb/shop.tar",
        "packhorse build --reuse shop-1.3.2.bundle.tar",
        "packhorse build --mirror docker.io=https://mirror.example/docker.io",
    ),
)
@click.argument("package", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option(
    "--output",
    "-o",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the bundle goes; NAME-VERSION.bundle.tar in the package's folder by default.",
)
@click.option(
    "--reuse",
    metavar="BUNDLE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Take what BUNDLE has from there (the version before, say) instead of fetching it again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON with a schema version.")
@registry_options
@pass_console
def command(
    console: Console,
    *,
    package: Path,
    target: Path | None,
    reuse: tuple[Path, ...],
    as_json: bool,
    registry: RegistryOptions,
) -> None:
    """Seal everything that packhorse.lock of PACKAGE lists into one bundle, and print its root digest last.

    The content is read once and nothing is copied in between. Run again after an interruption it goes on; the same
    lock gives the same bytes on any machine.
    """
    loaded = definition.load(package)
    folder = loaded.folder or package
    metadata = loaded.package.metadata
    what = BuildInput(
        folder=folder,
        definition_text=_definition_file(package).read_bytes(),
        config=PackageConfig(definition=loaded.package, lock=_read_lock(folder / _LOCK_NAME)),
        output=target or folder / f"{metadata.name}-{metadata.version}.bundle.tar",
        workers=registry.workers,
        reuse=reuse,
    )
    settings = registry_settings(registry)
    with (
        open_workspace(folder, rendering_programs(registry.ca_file), settings) as workspace,
        open_reporter(console) as reporter,
    ):
        result = build(what, workspace.materials, reporter)
    if as_json:
        print_json(_data(result))
        return
    console.say(_summary(result))
    # Whatever else is quiet: the root digest is what a receiver must know.
    click.echo(f"root  {result.root}")


def _definition_file(package: Path) -> Path:
    return package / definition.FILE_NAME if package.is_dir() else package


def _read_lock(path: Path) -> Lock:
    if not path.is_file():
        message = f"{path}: no such file"
        raise ConfigError(message, hint="packhorse lock writes it")
    return lock_file.loads(path.read_bytes(), str(path))


def _summary(result: BuildResult) -> str:
    parts = [plural(result.images, "image")]
    parts += [plural(result.charts, "chart")] if result.charts else []
    amount = ", ".join([*parts, format_bytes(result.total_bytes)])
    if result.unchanged:
        return f"{result.path} is there already, and every byte of it is right: {amount}."
    rate = format_rate(result.total_bytes, result.seconds)
    fetched = f" {format_bytes(result.reused_bytes)} was here already." if result.reused_bytes else ""
    shared = f" {format_bytes(result.shared_bytes)} was shared and stored once." if result.shared_bytes else ""
    return f"Built {result.path}: {amount} in {format_duration(result.seconds)} ({rate}).{fetched}{shared}"


def _data(result: BuildResult) -> dict[str, object]:
    return {
        "bundle": str(result.path),
        "root": result.root,
        "images": result.images,
        "charts": result.charts,
        "blobs": result.blobs,
        "totalBytes": result.total_bytes,
        "sharedBytes": result.shared_bytes,
        "fetchedBytes": result.fetched_bytes,
        "reusedBytes": result.reused_bytes,
        "seconds": round(result.seconds, 3),
        "unchanged": result.unchanged,
    }
