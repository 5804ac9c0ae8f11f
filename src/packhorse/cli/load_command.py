"""``packhorse load``: put a bundle into a site's store."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from packhorse.app.load import Cargo, LoadPlan, LoadResult, NoStore, load, open_cargo, plan_load
from packhorse.base.units import format_bytes, format_duration, plural
from packhorse.bundle.verify import default_workers
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.reporters import open_reporter
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.store_folder import is_store

__all__ = ["command"]


@click.command(
    "load",
    epilog=examples(
        "packhorse load shop-1.4.0.bundle.tar --store /srv/packhorse/store",
        "packhorse load docker-archive:saved.tar --store /srv/packhorse/store --dry-run",
    ),
)
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True)
@click.option("--store", "path", type=click.Path(path_type=Path), required=True, help="The site's store; made if new.")
@click.option("--workers", type=click.IntRange(1, 64), help="Threads that copy; one for each core by default.")
@click.option("--dry-run", is_flag=True, help="Show what would be copied, and copy nothing.")
@output_option
@pass_console
def command(console: Console, /, bundles: tuple[str, ...], path: Path, output: OutputFormat, **options: Any) -> None:
    """Put what the bundles carry into a store directory, hashing every byte on its way.

    What the store has is not copied again; after an interruption, run it again. Packhorse serve and push read the store
    as they read a bundle, and a server that runs shows what comes at once. OCI layouts, oci-archive:FILE and
    docker-archive:FILE are loaded in the same way.
    """
    workers: int = options["workers"] or default_workers()
    dry_run: bool = options["dry_run"]
    results: list[LoadResult] = []
    with ExitStack() as opened:
        cargoes = [open_cargo(text, opened) for text in bundles]
        if dry_run:
            plans = _plan_all(cargoes, path, workers)
        else:
            plans, results = _load_all(console, cargoes, path, workers)
    if output == "json":
        print_json({"store": str(path), "loaded": not dry_run, "bundles": [_data(plan) for plan in plans]})
    elif dry_run:
        _show_plans(console, plans)
    else:
        _show_results(console, results, path)


def _plan_all(cargoes: list[Cargo], path: Path, workers: int) -> list[LoadPlan]:
    """Plan without making a store, or touching one that is there."""
    if not is_store(path):
        return [plan_load(cargo, NoStore(), workers=workers) for cargo in cargoes]
    with closing(DirectoryStore.open_existing(path)) as store:
        return [plan_load(cargo, store, workers=workers) for cargo in cargoes]


def _load_all(
    console: Console, cargoes: list[Cargo], path: Path, workers: int
) -> tuple[list[LoadPlan], list[LoadResult]]:
    """Load one after the other, so that each is planned against what the one before has brought."""
    plans: list[LoadPlan] = []
    results: list[LoadResult] = []
    with closing(DirectoryStore.create(path)) as store, open_reporter(console) as reporter:
        for cargo in cargoes:
            plans.append(plan_load(cargo, store, workers=workers))
            results.append(load(plans[-1], store, workers=workers, reporter=reporter))
    return plans, results


def _show_plans(console: Console, plans: list[LoadPlan]) -> None:
    for plan in plans:
        steps = plan.copy.plan
        console.say(
            f"{plan.cargo.text}: would copy {plural(len(steps.blobs), 'blob')} ({format_bytes(steps.blob_bytes)}) "
            f"and {plural(len(steps.manifests), 'manifest')} for {plural(len(plan.names), 'image')}. "
            f"There already: {plural(steps.held_blobs, 'blob')} ({format_bytes(steps.held_bytes)})."
        )


def _show_results(console: Console, results: list[LoadResult], path: Path) -> None:
    for result in results:
        console.say(
            f"Loaded {plural(len(result.images), 'image')}: {plural(result.blobs, 'blob')} "
            f"({format_bytes(result.blob_bytes)}) in {format_duration(result.seconds)}. "
            f"There already: {plural(result.held_blobs, 'blob')} ({format_bytes(result.held_bytes)})."
        )
        if result.root is not None:
            console.say(f"root  {result.root}")
    console.say(f"Next: packhorse serve {path}")


def _data(plan: LoadPlan) -> dict[str, Any]:
    steps = plan.copy.plan
    return {
        "source": plan.cargo.text,
        "root": plan.cargo.bundle_root.digest if plan.cargo.bundle_root is not None else None,
        "images": [str(reference) for reference in plan.names],
        "blobs": len(steps.blobs),
        "blobBytes": steps.blob_bytes,
        "heldBlobs": steps.held_blobs,
        "heldBytes": steps.held_bytes,
    }
