"""``packhorse inspect``: what a bundle carries."""

from pathlib import Path

import click
import msgspec

from packhorse.app.inspect import BundleSummary, ImageSummary, PackageSummary, PartSummary, inspect_bundle
from packhorse.base.units import format_bytes
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, Tree, output_option, print_json, tree_lines

__all__ = ["command"]


@click.command(
    "inspect",
    epilog=examples(
        "packhorse inspect shop-1.4.0.bundle.tar",
        "packhorse inspect shop-1.4.0.bundle.tar --output json | jq -r '.packages[].images[].name'",
    ),
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--full", is_flag=True, help="Show whole digests, and every place where an image was found.")
@output_option
@pass_console
def command(console: Console, bundle: Path, full: bool, output: OutputFormat) -> None:  # noqa: FBT001 - click's way
    """Show what BUNDLE carries: packages, components, images by platform, charts, files, and where each came from.

    Only the front of the file is read, and every manifest in it is verified; packhorse verify hashes the rest.
    """
    summary = inspect_bundle(bundle)
    if output == "json":
        print_json({"bundle": str(summary.path), **_plain(summary)})
        return
    for package in summary.packages:
        for line in tree_lines(_package(package, full=full)):
            console.show(line)
    console.show(f"\n{summary.blobs} blobs, {format_bytes(summary.total_bytes)}")
    console.show(f"root  {summary.root}")


def _plain(summary: BundleSummary) -> dict[str, object]:
    data = msgspec.to_builtins(summary, enc_hook=str)
    return {_camel(key): value for key, value in _camel_keys(data).items() if key != "path"}


def _camel_keys(value: object) -> dict[str, object]:
    converted = _convert(value)
    assert isinstance(converted, dict)  # noqa: S101 - a dataclass becomes an object
    return converted


def _convert(value: object) -> object:
    if isinstance(value, dict):
        return {_camel(key): _convert(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_convert(item) for item in value]
    return value


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part.title() for part in rest)


def _package(package: PackageSummary, *, full: bool) -> Tree:
    platforms = ", ".join(package.platforms)
    components = tuple(_component(package, name, full=full) for name in package.components)
    described = f"  {package.description}" if package.description else ""
    return Tree(f"{package.name} {package.version}  {platforms}{described}", components)


def _component(package: PackageSummary, name: str, *, full: bool) -> Tree:
    optional = "  optional" if name in package.optional_components else ""
    images = [_image(image, "image", full=full) for image in package.images if name in image.components]
    artifacts = [_image(item, "artifact", full=full) for item in package.artifacts if name in item.components]
    parts = [
        _part(part, kind, full=full)
        for kind, parts in (("chart", package.charts), ("kustomization", package.kustomizations), ("git", package.git))
        for part in parts
        if part.component == name
    ]
    files = [
        Tree(f"file {file.name}  {format_bytes(file.bytes)}{_digest(file, full=full)}")
        for file in package.files
        if name in file.component.split()
    ]
    return Tree(f"component {name}{optional}", (*images, *artifacts, *parts, *files))


def _image(image: ImageSummary, kind: str, *, full: bool) -> Tree:
    digest = image.digest if full else image.digest.short
    platforms = [
        Tree(f"{item.platform or 'any platform'}  {format_bytes(item.bytes)}{_licences(item.licences)}")
        for item in image.platforms
    ]
    referrers = [Tree(f"with {referrer}") for referrer in image.referrers]
    places = [
        Tree(f"found in {found.file} {found.object} {found.field} ({found.certainty})".replace("  ", " "))
        for found in (image.found if full else ())
    ]
    shared = f", {format_bytes(image.shared_bytes)} shared" if image.shared_bytes else ""
    source = f"  from {image.source}" if image.source else ""
    head = f"{kind} {image.name}  {digest}  {format_bytes(image.bytes)}{shared}{source}"
    return Tree(head, (*platforms, *referrers, *places))


def _part(part: PartSummary, kind: str, *, full: bool) -> Tree:
    version = f" {part.version}" if part.version else ""
    return Tree(
        f"{kind} {part.name}{version}  {format_bytes(part.bytes)}  from {part.source}{_digest(part, full=full)}"
    )


def _digest(part: PartSummary, *, full: bool) -> str:
    return f"  {part.digest}" if full else ""


def _licences(licences: str) -> str:
    return f"  licence {licences}" if licences else ""
