"""``packhorse lock``: find every image and pin every reference to a digest."""

from pathlib import Path

import click

from packhorse.app.lock import LockInput, lock_package, write_lock
from packhorse.app.lock_check import check_lock
from packhorse.app.lock_discovery import discovery_in
from packhorse.app.package_folder import PackageFolder
from packhorse.app.workspace import open_workspace
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.lock_report import lock_data, lock_lines
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.programs import rendering_programs
from packhorse.cli.registry_options import RegistryOptions, registry_options, registry_settings
from packhorse.cli.reporters import open_reporter
from packhorse.package import definition, lock_file
from packhorse.package.lock import Lock

__all__ = ["command"]

LOCK_NAME = "packhorse.lock"


@click.command(
    "lock",
    epilog=examples(
        "packhorse lock",
        "packhorse lock --strict",
        "packhorse lock --update docker.io/library/redis:7.2",
        "packhorse lock --check",
    ),
)
@click.argument("package", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option(
    "--strict", is_flag=True, help="Fail on finds that only look like images and are neither listed nor ignored."
)
@click.option(
    "--update",
    metavar="NAME",
    multiple=True,
    help="Resolve NAME again (an image, chart, artifact or repository; * stands for anything) though it is locked.",
)
@click.option("--check", is_flag=True, help="Only tell whether the lock is stale; asks no registry, writes nothing.")
@registry_options
@output_option
@pass_console
def command(  # noqa: PLR0913 - click hands over each option
    console: Console,
    *,
    package: Path,
    strict: bool,
    update: tuple[str, ...],
    check: bool,
    registry: RegistryOptions,
    output: OutputFormat,
) -> None:
    """Find every image that PACKAGE (a folder with packhorse.yaml) needs, and write every digest to packhorse.lock.

    Charts are rendered with their values and with each declared set of values, kustomizations built, manifests read.
    What the lock has already is kept as it is, until --update names it.
    """
    loaded = definition.load(package)
    folder = loaded.folder or package
    path = folder / LOCK_NAME
    what = LockInput(
        folder=PackageFolder(folder),
        definition=loaded.digest,
        package=loaded.package,
        known=_read_lock(path),
        update=update,
        strict=strict,
        workers=registry.workers,
    )
    programs = rendering_programs(registry.ca_file)
    with (
        open_workspace(folder, programs, registry_settings(registry)) as workspace,
        open_reporter(console) as reporter,
    ):
        discovery = discovery_in(workspace, loaded.package)
        if check:
            check_lock(what, discovery, reporter)
        else:
            result = lock_package(what, discovery, workspace.registries, reporter)
    if check:
        if output == "json":
            print_json({"lock": str(path), "stale": False})
        else:
            console.say(f"{path} is up to date.")
        return
    changed = write_lock(path, lock_file.dumps(result.lock))
    if output == "json":
        print_json(lock_data(path, result, changed=changed))
        return
    renderer = programs.renderer.description if programs.renderer is not None else ""
    for line in lock_lines(result, renderer):
        console.say(line)
    console.say(f"{'Wrote' if changed else 'Nothing changed in'} {path}. Next: packhorse build")


def _read_lock(path: Path) -> Lock | None:
    return lock_file.loads(path.read_bytes(), str(path)) if path.is_file() else None
