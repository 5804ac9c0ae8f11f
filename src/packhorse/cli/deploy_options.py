"""What ``plan`` and ``deploy`` take alike: which package of which bundle, which components, which variables."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from packhorse.app.plan import DeployRequest, declared_variables
from packhorse.cli.variable_options import VariableOptions, gather_variables
from packhorse.deploy.planner import Choice

__all__ = ["DeployChoice", "deploy_options"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class DeployChoice:
    """What was written on the command line."""

    package: str | None = None
    component: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    values_set: str = ""
    allow_missing_images: bool = False
    force_conflicts: bool = False

    def request(self, bundle: Path, variables: VariableOptions) -> DeployRequest:
        """Return what shall be deployed, with the values of all variables."""
        choice = Choice(self.component, self.without, self.allow_missing_images, self.values_set)
        # Asked now: once progress is drawn, nobody can be asked any more.
        values = gather_variables(declared_variables(bundle, self.package), variables)
        return DeployRequest(bundle, self.package, choice, values)


def deploy_options(function: _Decorated) -> _Decorated:
    """Give a verb the options; they reach it as ``choice``."""

    def gather(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        found = context.params.get("choice") or DeployChoice()
        context.params["choice"] = replace(found, **{str(parameter.name): value})

    def option(*names: str, **settings: Any) -> Callable[[_Decorated], _Decorated]:
        return click.option(*names, expose_value=False, callback=gather, **settings)

    options = [
        option("--package", metavar="NAME", help="Which package, where the bundle has several."),
        option(
            "--component", metavar="NAME", multiple=True, help="Deploy an optional component too, and what it needs."
        ),
        option("--without", metavar="NAME", multiple=True, help="Leave an optional component out."),
        option("--values-set", metavar="NAME", default="", help="A set of values that the package's charts offer."),
        option("--force-conflicts", is_flag=True, help="Take over fields that others have set since."),
        option("--allow-missing-images", is_flag=True, help="Go on though the bundle lacks images that are asked for."),
    ]
    for each in reversed(options):
        function = each(function)
    return function
