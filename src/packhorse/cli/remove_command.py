"""``packhorse remove``: take a release away."""

import sys

import click

from packhorse.app.lock_holder import this_process
from packhorse.app.remove import RemoveOptions, removal_plan, remove_release
from packhorse.base.errors import UsageError
from packhorse.base.units import format_duration
from packhorse.cli.cluster_options import ClusterOptions, cluster_options, user_name
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.plan_text import plan_json, removal_lines
from packhorse.cli.reporters import open_reporter
from packhorse.deploy.model import Plan
from packhorse.deploy.removal import RemovalChoice

__all__ = ["command"]


@click.command(
    "remove", epilog=examples("packhorse remove shop", "packhorse remove shop --yes --delete-data --timeout 120")
)
@click.argument("release")
@click.option("--yes", "-y", is_flag=True, help="Don't ask; needed where nobody can be asked.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and change nothing.")
@click.option("--delete-data", is_flag=True, help="Volume claims go too, and the data in them.")
@click.option("--delete-crds", is_flag=True, help="Definitions of custom resources go too, and all their objects.")
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until things are gone.",
)
@click.option("--steal-lock", is_flag=True, help="Go on though a deployment of this release seems to run.")
@cluster_options
@output_option
@pass_console
def command(  # noqa: PLR0913 - as many as the verb has options
    console: Console,
    release: str,
    cluster: ClusterOptions,
    *,
    yes: bool,
    dry_run: bool,
    delete_data: bool,
    delete_crds: bool,
    timeout: int,
    steal_lock: bool,
    output: OutputFormat,
) -> None:
    """Take away what RELEASE made in the cluster, and nothing else, and wait until it is gone.

    What was there before stays, and so do volumes with data and definitions of custom resources, unless asked for.
    Doing it twice does nothing the second time.
    """
    choice = RemovalChoice(delete_data, delete_crds)
    plan = removal_plan(release, cluster.access(), choice)
    seconds = 0.0
    if plan is not None and not dry_run:
        _confirm(plan, yes=yes)
        options = RemoveOptions(this_process(user_name()), choice, float(timeout), steal_lock)
        with open_reporter(console) as reporter:
            result = remove_release(release, cluster.access(), options, reporter)
        plan, seconds = result.plan, result.seconds
    if output == "json":
        done = plan is not None and not dry_run
        print_json({"removed": done, "seconds": round(seconds, 3), "plan": None if plan is None else plan_json(plan)})
    elif plan is None:
        console.say(f"Nothing to do: there is no release {release} in this cluster.")
    elif dry_run:
        for line in removal_lines(plan):
            console.say(line)
    else:
        console.say(_result(plan, seconds))


def _confirm(plan: Plan, *, yes: bool) -> None:
    """Show what goes, and ask.

    Raises:
        UsageError: Nobody can be asked.
    """
    if yes:
        return
    for line in removal_lines(plan):
        click.echo(line, err=True)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nobody can be asked whether this shall go; nothing was changed", hint="say --yes")
    click.confirm(f"Remove {plan.release}?", err=True, abort=True)


def _result(plan: Plan, seconds: float) -> str:
    stays = [action for action in plan.object_actions if action.kind == "keep"]
    kept = "".join(f"\n  · {action.identity.title}  {action.note}" for action in stays)
    return f"Removed {plan.release} {plan.version} in {format_duration(seconds)}.{kept}"
