"""``packhorse plan``: what a deployment would do."""

from pathlib import Path

import click

from packhorse.app.plan import plan_bundle
from packhorse.cli.cluster_options import ClusterOptions, cluster_options
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.deploy_options import DeployChoice, deploy_options
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.plan_text import plan_json, plan_lines
from packhorse.cli.variable_options import VariableOptions, variable_options
from packhorse.deploy.apply import refuse
from packhorse.deploy.planner import Planned

__all__ = ["command", "show_plan"]


@click.command(
    "plan",
    epilog=examples(
        "packhorse plan shop-1.4.0.bundle.tar",
        "packhorse plan shop-1.4.0.bundle.tar --values-file site.yaml --output json",
        "packhorse plan shop-1.4.0.bundle.tar --offline",
    ),
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--offline", is_flag=True, help="Plan without a cluster: everything would be new.")
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
    offline: bool,
    output: OutputFormat,
) -> None:
    """Show what deploying BUNDLE would create, change and remove, and change nothing.

    Every object is tried on the API server without being stored, so that what is shown is what would happen: defaults
    don't count as changes, and what would be refused is refused here. Sensitive values are never shown.
    """
    access = cluster.offline() if offline else cluster.access()
    planned = plan_bundle(choice.request(bundle, variables), access)
    show_plan(console, planned, output)
    refuse(planned.plan, force_conflicts=choice.force_conflicts)
    if output == "text" and not offline and not planned.is_settled:
        console.say(f"Next: packhorse deploy {bundle}")


def show_plan(console: Console, planned: Planned, output: OutputFormat) -> None:
    """Print a plan to stdout."""
    plan = planned.plan
    if output == "json":
        print_json(plan_json(plan))
    elif planned.is_settled:
        objects = len([action for action in plan.object_actions if action.kind == "unchanged"])
        console.show(
            f"Nothing to do: {plan.release} {plan.version} is deployed as revision {planned.history[0].revision}, "
            f"{'its object is' if objects == 1 else f'all {objects} objects are'} as they should be."
        )
    else:
        for line in plan_lines(plan):
            console.show(line)
