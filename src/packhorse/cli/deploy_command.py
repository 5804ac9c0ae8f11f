"""``packhorse deploy``: run a package in a cluster."""

from pathlib import Path

import click

from packhorse.app.deploy import DeployOptions, DeployResult, deploy_bundle
from packhorse.app.lock_holder import this_process
from packhorse.app.plan import plan_bundle
from packhorse.base.units import format_duration
from packhorse.cli.cluster_options import ClusterOptions, cluster_options, user_name
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.deploy_options import DeployChoice, deploy_options
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.plan_command import show_plan
from packhorse.cli.plan_text import plan_json
from packhorse.cli.reporters import open_reporter
from packhorse.cli.variable_options import VariableOptions, variable_options
from packhorse.deploy.apply import ApplySettings, refuse

__all__ = ["command"]


@click.command(
    "deploy",
    epilog=examples(
        "packhorse deploy shop-1.4.0.bundle.tar",
        "packhorse deploy shop-1.4.0.bundle.tar --set domain=shop.site --component debug-tools",
        "PACKHORSE_VAR_DATABASE_PASSWORD=… packhorse deploy shop-1.4.0.bundle.tar",
    ),
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing, as packhorse plan does.")
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the objects of one component.",
)
@click.option("--steal-lock", is_flag=True, help="Go on though another deployment of this release seems to run.")
@deploy_options
@variable_options
@cluster_options
@output_option
@pass_console
def command(  # noqa: PLR0913 - as many as the verb has options
    console: Console,
    bundle: Path,
    choice: DeployChoice,
    variables: VariableOptions,
    cluster: ClusterOptions,
    *,
    dry_run: bool,
    timeout: int,
    steal_lock: bool,
    output: OutputFormat,
) -> None:
    """Run the package of BUNDLE in a cluster, and wait until everything in it is ready.

    Components come one after another as they depend on each other: namespaces and definitions first, settings and
    accounts, charts (installed by Helm), then what uses them. What left the package is removed. Doing it twice does
    nothing the second time; after a failure it goes on from where it was, and nothing is rolled back by itself.
    """
    request = choice.request(bundle, variables)
    if dry_run:
        planned = plan_bundle(request, cluster.access())
        show_plan(console, planned, output)
        refuse(planned.plan, force_conflicts=choice.force_conflicts)
        return
    settings = ApplySettings(float(timeout), choice.force_conflicts)
    options = DeployOptions(this_process(user_name()), settings, steal_lock)
    with open_reporter(console) as reporter:
        result = deploy_bundle(request, cluster.access(), options, reporter)
    if output == "json":
        print_json({"changed": result.changed, "seconds": round(result.seconds, 3), "plan": plan_json(result.plan)})
        return
    console.say(_result(result))
    if result.changed:
        console.say(f"Next: packhorse status {result.record.name}")


def _result(result: DeployResult) -> str:
    record = result.record
    if result.changed:
        return (
            f"Deployed {record.name} {record.version} as revision {record.revision} in "
            f"{format_duration(result.seconds)}."
        )
    return (
        f"Nothing to do: {record.name} {record.version} is deployed as revision {record.revision}, "
        f"{'its object is' if result.objects == 1 else f'all {result.objects} objects are'} as they should be."
    )
