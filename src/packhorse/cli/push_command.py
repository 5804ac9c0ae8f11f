"""``packhorse push``: copy a bundle into a registry."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import click

from packhorse.app.push import PushPlan, PushResult, open_source, plan_push, push
from packhorse.app.push_names import PushTarget
from packhorse.base.errors import UsageError
from packhorse.base.units import format_bytes, format_duration
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, output_option, print_json, table_lines
from packhorse.cli.registry_options import RegistryOptions, registry_settings, target_registry_options
from packhorse.cli.reporters import open_reporter
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.registry_settings import Credential

__all__ = ["command"]

_PLAIN = "http://"
_TLS = "https://"


@click.command(
    "push",
    epilog=examples(
        "packhorse push shop-1.4.0.bundle.tar registry.example:5000",
        "packhorse push shop-1.4.0.bundle.tar harbor.example/mirror --prefix upstream --dry-run",
    ),
)
@click.argument("source", metavar="BUNDLE_OR_STORE")
@click.argument("target", metavar="REGISTRY[/PATH]")
@click.option(
    "--prefix",
    metavar="PATH",
    help="Put names below PATH and the host they come from: PATH/docker.io/library/redis.",
)
@click.option(
    "--unwrap-indexes",
    is_flag=True,
    help="For registries that want all of an index or none: push the one image that is there in its place.",
)
@click.option("--username", metavar="NAME", help="Log in as NAME; the password comes with --password-stdin.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and send nothing.")
@target_registry_options
@output_option
@pass_console
def command(console: Console, /, source: str, target: str, registry: RegistryOptions, **options: Any) -> None:
    """Copy the images of BUNDLE_OR_STORE with their signatures and SBOMs into a registry.

    What the registry has is not sent again, and what one of its repositories has is mounted into the others. Names
    are kept: docker.io/library/redis:7.2 becomes REGISTRY/library/redis:7.2. After an interruption, run it again.
    """
    output: OutputFormat = options["output"]
    place, registry = _place(target, registry)
    goal = PushTarget.parse(place, options["prefix"])
    login = _login(goal.registry, options["username"], from_stdin=options["password_stdin"])
    settings = registry_settings(registry, login=login)
    with ExitStack() as opened:
        cargo = open_source(source, opened)
        client = opened.enter_context(RegistryClient(settings))
        plan = plan_push(cargo, goal, client, workers=registry.workers, unwrap=options["unwrap_indexes"])
        for reference in plan.lost_pins:
            console.warn(
                f"{reference} can't be pulled from there: --unwrap-indexes pushes another manifest in its place"
            )
        if options["dry_run"]:
            _show_plan(console, plan, goal.registry, output)
            return
        with open_reporter(console) as reporter:
            result = push(plan, workers=registry.workers, reporter=reporter)
    _show_result(console, plan, result, output)


def _place(target: str, registry: RegistryOptions) -> tuple[str, RegistryOptions]:
    """Take a scheme off the target: a registry's URL is what people copy."""
    if target.startswith(_PLAIN):
        place = target.removeprefix(_PLAIN)
        return place, replace(registry, plain_http=(*registry.plain_http, place.partition("/")[0]))
    return target.removeprefix(_TLS), registry


def _login(registry: str, username: str | None, *, from_stdin: bool) -> tuple[str, Credential] | None:
    if (username is None) == from_stdin:
        raise UsageError("--username and --password-stdin go together", hint='echo "$PASSWORD" | packhorse push …')
    if username is None:
        return None
    return registry, Credential(username, sys.stdin.readline().rstrip("\r\n"))


def _show_plan(console: Console, plan: PushPlan, registry: str, output: OutputFormat) -> None:
    if output == "json":
        print_json(_plan_data(plan))
        return
    steps = plan.copy.plan
    if steps.is_empty:
        console.say(f"{registry} has all {len(plan.names)} images; nothing would be sent.")
        return
    console.say(
        f"Would send {len(steps.blobs)} blobs ({format_bytes(steps.blob_bytes)}), {len(steps.manifests)} manifests "
        f"and {len(steps.tags)} tags to {registry}. It has {steps.held_blobs} blobs ({format_bytes(steps.held_bytes)})."
    )
    for line in table_lines(list(_plan_rows(plan)), right=(1,)):
        console.say(f"  {line}")


def _plan_rows(plan: PushPlan) -> Iterator[tuple[str, str, str]]:
    destinations = plan.copy.destinations
    for blob in plan.copy.plan.blobs:
        first, *others = (destinations[number].name for number in blob.destinations)
        mounts = f" (mounted in {len(others)} more)" if others else ""
        label = plan.copy.labels.get(blob.descriptor.digest, "blob")
        yield blob.descriptor.digest, format_bytes(blob.descriptor.size), f"{label} → {first}{mounts}"
    for manifest in plan.copy.plan.manifests:
        size = format_bytes(manifest.descriptor.size)
        yield manifest.descriptor.digest, size, f"manifest → {destinations[manifest.destination].name}"
    for tag in plan.copy.plan.tags:
        moves = f" (now {tag.moves_from.short})" if tag.moves_from is not None else ""
        yield tag.descriptor.digest, "", f"tag → {destinations[tag.destination].name}:{tag.tag}{moves}"


def _plan_data(plan: PushPlan) -> dict[str, Any]:
    steps, destinations = plan.copy.plan, plan.copy.destinations
    return {
        "images": [{"name": str(reference), "becomes": name} for reference, name in plan.names],
        "blobs": [
            {
                "digest": step.descriptor.digest,
                "size": step.descriptor.size,
                "repositories": [destinations[number].name for number in step.destinations],
            }
            for step in steps.blobs
        ],
        "manifests": [
            {
                "digest": step.descriptor.digest,
                "size": step.descriptor.size,
                "repository": destinations[step.destination].name,
            }
            for step in steps.manifests
        ],
        "tags": [
            {
                "name": f"{destinations[step.destination].name}:{step.tag}",
                "digest": step.descriptor.digest,
                "movesFrom": step.moves_from,
            }
            for step in steps.tags
        ],
        "blobBytes": steps.blob_bytes,
        "manifestBytes": steps.manifest_bytes,
        "heldBlobs": steps.held_blobs,
        "heldBytes": steps.held_bytes,
    }


def _show_result(console: Console, plan: PushPlan, result: PushResult, output: OutputFormat) -> None:
    copied = result.copied
    if output == "json":
        print_json({**_plan_data(plan), "seconds": round(result.seconds, 3)})
        return
    if plan.copy.plan.is_empty:
        console.say(
            f"All {len(plan.names)} images are there already; nothing was sent. {format_duration(result.seconds)}."
        )
        return
    console.say(
        f"Pushed {len(plan.names)} images: {copied.blobs} blobs ({format_bytes(copied.blob_bytes)}), "
        f"{copied.manifests} manifests, {copied.tags} tags in {format_duration(result.seconds)}. "
        f"{copied.held_blobs} blobs ({format_bytes(copied.held_bytes)}) were there."
    )
    for reference, name in plan.names:
        console.say(f"  {reference} → {name}")
