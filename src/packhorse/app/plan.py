"""``plan``: what a deployment would do, and nothing else."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packhorse.app.bundled_package import BundledContent, choose_package
from packhorse.app.redaction import redacted_errors
from packhorse.app.site import OfflineAccess, Site, open_site
from packhorse.bundle.reader import Bundle
from packhorse.deploy.planner import Choice, Planned, Planner, SiteValues
from packhorse.deploy.ports import PackageContent
from packhorse.package.model import Variable
from packhorse.package.substitution import substitute
from packhorse.package.variables import Secret, VariableValues

__all__ = ["DeployRequest", "declared_variables", "make_plan", "plan_bundle", "site_values"]


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """What shall be deployed."""

    bundle: Path
    package: str | None = None
    choice: Choice = field(default_factory=Choice)
    variables: VariableValues = field(default_factory=lambda: VariableValues({}), repr=False)
    """Of every variable that the package declares."""


def plan_bundle(request: DeployRequest, access: OfflineAccess) -> Planned:
    """Say what deploying a bundle would do.

    Raises:
        UsageError, ConfigError, IntegrityError: The bundle, the variables or the choice are wrong.
        ClusterError, NetworkError: The cluster can't be looked at.
    """
    with Bundle.open_file(request.bundle) as bundle, open_site(access) as site:
        content = BundledContent(bundle, choose_package(bundle, request.package))
        with redacted_errors(request.variables.redact):
            return make_plan(content, site, request.choice, site_values(request.variables))


def make_plan(content: PackageContent, site: Site, choice: Choice, values: SiteValues) -> Planned:
    """Plan one package for one site."""
    return Planner(site.cluster, site.renderer, site.installer, site.charts).plan(content, choice, values)


def declared_variables(bundle: Path, package: str | None) -> tuple[Variable, ...]:
    """Return the variables that a package of a bundle declares.

    Raises:
        UsageError, IntegrityError: There is no such bundle or package, or it is damaged.
    """
    with Bundle.open_file(bundle) as opened:
        return choose_package(opened, package).definition.variables


def site_values(values: VariableValues) -> SiteValues:
    """Return the values as deploying takes them."""

    def put(document: Any, source: str) -> Any:
        return substitute(document, values, source)

    return SiteValues(put, *_divided(values))


def _divided(values: VariableValues) -> tuple[dict[str, Any], dict[str, str]]:
    shown = {name: value for name, value in values.values.items() if not isinstance(value, Secret)}
    sensitive = {name: str(value.reveal()) for name, value in values.values.items() if isinstance(value, Secret)}
    return shown, sensitive
