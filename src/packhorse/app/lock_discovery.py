"""Looking for the images of a package in its workspace."""

from packhorse.app.lock_finds import Discovery, Tools
from packhorse.app.workspace import Workspace
from packhorse.package.model import Package
from packhorse.package.placeholders import lock_values
from packhorse.package.substitution import substitute
from packhorse.package.variables import VariableValues

__all__ = ["discovery_in"]


def discovery_in(workspace: Workspace, package: Package) -> Discovery:
    """Make the search for a package's images; variables have their defaults in it, or what fits their type."""
    values = VariableValues(lock_values(package.variables))
    return Discovery(
        workspace.folder,
        package,
        workspace.charts,
        Tools(workspace.programs.renderer, workspace.programs.kustomize),
        lambda document, where: substitute(document, values, where),
    )
