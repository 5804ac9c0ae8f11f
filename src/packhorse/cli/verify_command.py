"""``packhorse verify``: hash everything in a bundle, and name what is wrong."""

from pathlib import Path
from typing import Any

import click

from packhorse.app.verify import DamagedBlob, DamagedError, verify_bundle
from packhorse.base.errors import IntegrityError, UsageError
from packhorse.base.units import format_bytes, format_duration
from packhorse.bundle.verify import default_workers
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.reporters import open_reporter
from packhorse.oci.digest import Digest

__all__ = ["command"]


@click.command(
    "verify",
    epilog=examples(
        "packhorse verify /media/usb/shop-1.4.0.bundle.tar",
        "packhorse verify shop-1.4.0.bundle.tar --root sha256:5f1c…",
    ),
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--root", metavar="DIGEST", help="The root digest that the sender gave you; another one is refused.")
@click.option("--workers", type=click.IntRange(1, 64), help="Threads that hash; one for each core by default.")
@output_option
@pass_console
def command(console: Console, bundle: Path, root: str | None, workers: int | None, output: OutputFormat) -> None:
    """Hash everything in BUNDLE with all cores, and name what is wrong and what depends on it.

    Nothing in it is trusted but what the root digest covers, and what no manifest lists is refused. A bundle that
    hashes well is whole; that it is the right one you know by its root digest.
    """
    expected = _digest(root) if root is not None else None
    try:
        with open_reporter(console) as reporter:
            result = verify_bundle(bundle, expected, workers=workers or default_workers(), reporter=reporter)
    except DamagedError as error:
        if output == "json":
            print_json({"bundle": str(bundle), "damaged": [_damaged_data(blob) for blob in error.damaged]})
        raise
    if output == "json":
        print_json(
            {
                "bundle": str(result.path),
                "root": result.root,
                "blobs": result.blobs,
                "totalBytes": result.total_bytes,
                "rootExpected": result.root_expected,
                "damaged": [],
            }
        )
        return
    console.say(
        f"{result.blobs} blobs, {format_bytes(result.total_bytes)}, all as they should be. "
        f"{format_duration(result.seconds)}."
    )
    console.say(f"root  {result.root}" + ("  as expected" if result.root_expected else ""))


def _digest(text: str) -> Digest:
    try:
        return Digest(text)
    except IntegrityError as error:
        raise UsageError(
            f"--root: {error.message}", hint="give all of the digest that packhorse build printed"
        ) from error


def _damaged_data(blob: DamagedBlob) -> dict[str, Any]:
    return {"name": blob.name, "digest": blob.digest, "neededBy": list(blob.needed_by), "message": blob.message}
