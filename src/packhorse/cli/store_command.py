"""``packhorse store``: what a site's store has, what stays in it, and what goes."""

from pathlib import Path
from typing import Any

import click

from packhorse.app.collect import CollectionResult, collect_store
from packhorse.app.retention_file import load_retention
from packhorse.app.store_inventory import Inventory, take_inventory
from packhorse.app.store_pins import pin, pin_from_cluster, unpin
from packhorse.base.errors import UsageError
from packhorse.base.units import format_bytes, plural
from packhorse.cli.cluster_options import ClusterOptions, cluster_options
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.measures import DURATION
from packhorse.cli.output import OutputFormat, output_option, print_json, table_lines
from packhorse.store.collection import DEFAULT_GRACE_SECONDS, Policy
from packhorse.store.retention import Retention

__all__ = ["command"]

_STORE = click.argument("path", metavar="DIR", type=click.Path(path_type=Path))
_SHOWN = 20


@click.group("store")
def command() -> None:
    """Look after a site's store: what it has, what stays, what goes."""


@command.command(
    "gc",
    epilog=examples(
        "packhorse store gc /srv/packhorse/store --dry-run",
        "packhorse store gc /srv/packhorse/store --retention retention.yaml",
    ),
)
@_STORE
@click.option("--dry-run", is_flag=True, help="Show what would go, and change nothing.")
@click.option(
    "--grace",
    type=DURATION,
    metavar="DURATION",
    default=f"{DEFAULT_GRACE_SECONDS / 3600:.0f}h",
    show_default=True,
    help="Leave what was pushed within this time: somebody may be about to tag it.",
)
@click.option("--retention", type=click.Path(path_type=Path), metavar="FILE", help="Rules for what stays.")
@output_option
@pass_console
def collect(
    console: Console, path: Path, *, dry_run: bool, grace: int, retention: Path | None, output: OutputFormat
) -> None:
    """Remove what no tag, pin or loaded bundle leads to.

    It may run while the store is served and pushed to. What a tag leads to stays with what refers to it (signatures,
    SBOMs), and so does what is pinned. Without rules no tag goes.
    """
    rules = Retention() if retention is None else load_retention(retention)
    result = collect_store(path, Policy(float(grace), rules), dry_run=dry_run)
    if output == "json":
        print_json({"store": str(path), "dryRun": dry_run, **_collection_data(result)})
    else:
        _show_collection(console, result, dry_run=dry_run)


@command.command("inventory", epilog=examples("packhorse store inventory /srv/packhorse/store"))
@_STORE
@output_option
@pass_console
def inventory(console: Console, path: Path, output: OutputFormat) -> None:
    """Show what a store has: repositories with their tags and sizes, bundles, pins, and what nothing needs."""
    found = take_inventory(path)
    if output == "json":
        print_json({"store": str(path), **_inventory_data(found)})
    else:
        _show_inventory(console, found)


@command.command(
    "pin",
    epilog=examples(
        "packhorse store pin /srv/packhorse/store --from-cluster",
        "packhorse store pin /srv/packhorse/store docker.io/library/redis:7.2 --as drill",
    ),
)
@_STORE
@click.argument("references", metavar="[REFERENCE...]", nargs=-1)
@click.option("--as", "owner", metavar="NAME", help="Who needs it, or what the cluster is called; what NAME "
              "pinned before is pinned no more.")  # fmt: skip
@click.option("--from-cluster", is_flag=True, help="Pin what the cluster's releases use, and nothing else for them.")
@cluster_options
@output_option
@pass_console
def pin_command(console: Console, /, path: Path, output: OutputFormat, **options: Any) -> None:
    """Keep content whatever the rules say: images by their names or digests, or all that a cluster's releases use.

    With --from-cluster the bundle of every release is pinned, and every image that its objects, and the pods in their
    namespaces, run. Run it after each deployment and before store gc.
    """
    references: tuple[str, ...] = options["references"]
    owner: str | None = options["owner"]
    if options["from_cluster"] == bool(references) or (references and not owner):
        raise UsageError("expected REFERENCE... with --as NAME, or --from-cluster")
    if references and owner:
        pins = {owner: pin(path, owner, references)}
    else:
        cluster: ClusterOptions = options["cluster"]
        pins = pin_from_cluster(path, cluster.access(), owner or "cluster")
    if output == "json":
        print_json({"store": str(path), "pins": pins})
        return
    for name, digests in pins.items():
        console.say(f"{name}: {plural(len(digests), 'digest')} pinned.")
    if not pins:
        console.say("Nothing is deployed there: nothing is pinned for that cluster.")


@command.command("unpin", epilog=examples("packhorse store unpin /srv/packhorse/store drill"))
@_STORE
@click.argument("owner", metavar="NAME")
@pass_console
def unpin_command(console: Console, path: Path, owner: str) -> None:
    """Take away what NAME has pinned; the next collection may take the content."""
    console.say(f"{owner}: {plural(unpin(path, owner), 'digest')} pinned no more.")


def _collection_data(result: CollectionResult) -> dict[str, Any]:
    found = result.collected
    return {
        "packages": result.packages,
        "tags": found.tags,
        "manifests": found.manifests,
        "blobs": found.blobs,
        "removedFiles": found.swept.blobs,
        "freedBytes": found.swept.freed_bytes,
        "untouched": [{"repository": name, "reason": reason} for name, reason in found.untouched],
    }


def _show_collection(console: Console, result: CollectionResult, *, dry_run: bool) -> None:
    found = result.collected
    verb, freed = ("Would remove", "would be freed") if dry_run else ("Removed", "freed")
    console.say(
        f"{verb} {plural(len(found.tags), 'tag')}, {plural(found.manifests, 'manifest')} and "
        f"{plural(found.blobs, 'blob')}: {format_bytes(found.swept.freed_bytes)} {freed}."
    )
    for title in result.packages:
        console.say(f"  package {title}")
    shown = found.tags if dry_run else found.tags[:_SHOWN]
    for tag in shown:
        console.say(f"  {tag}")
    if len(shown) < len(found.tags):
        console.say(f"  … and {len(found.tags) - len(shown):,} more")
    for name, reason in found.untouched:
        console.warn(f"left {name} as it is: {reason}")


def _inventory_data(found: Inventory) -> dict[str, Any]:
    return {
        "files": found.files,
        "bytes": found.size_bytes,
        "unnamedFiles": found.unnamed_files,
        "unnamedBytes": found.unnamed_bytes,
        "uploads": found.uploads,
        "uploadBytes": found.upload_bytes,
        "repositories": [
            {"name": each.name, "tags": each.tags, "manifests": each.manifests, "bytes": each.size_bytes}
            for each in found.repositories
        ],
        "bundles": [{"root": each.root, "packages": each.packages, "loaded": each.loaded} for each in found.bundles],
        "pins": [{"owner": owner, "digest": digest, "reference": name} for owner, digest, name in found.pins],
    }


def _show_inventory(console: Console, found: Inventory) -> None:
    console.show(
        f"{format_bytes(found.size_bytes)} in {plural(found.files, 'file')}; no repository has "
        f"{format_bytes(found.unnamed_bytes)} of it; {plural(found.uploads, 'upload')} "
        f"({format_bytes(found.upload_bytes)}) not finished."
    )
    rows = [
        (each.name, plural(len(each.tags), "tag"), plural(each.manifests, "manifest"), format_bytes(each.size_bytes))
        for each in found.repositories
    ]
    if rows:
        for line in table_lines(rows, right=(1, 2, 3)):
            console.show(line)
    for bundle in found.bundles:
        console.show(f"bundle {bundle.root.short}  {', '.join(bundle.packages) or 'cannot be read'}  {bundle.loaded}")
    for owner, digest, name in found.pins:
        console.show(f"pin    {digest.short}  {owner}  {name}")
