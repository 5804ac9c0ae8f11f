"""What every verb that talks to a cluster takes: which one, and the programs beside it."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from packhorse.app.site import ClusterAccess, OfflineAccess
from packhorse.cli.proxies import cluster_proxies

__all__ = ["ClusterOptions", "cluster_options", "user_name"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_DEFAULT_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What was written on the command line."""

    kubeconfig: Path | None = None
    context: str | None = None

    def access(self, environment: Mapping[str, str] = os.environ) -> ClusterAccess:
        """Say how the cluster is reached: ``--kubeconfig``, else ``KUBECONFIG``, else the user's own file."""
        if self.kubeconfig is not None:
            files = [self.kubeconfig]
        else:
            listed = environment.get("KUBECONFIG") or _DEFAULT_KUBECONFIG
            files = [Path(name).expanduser() for name in listed.split(os.pathsep) if name]
        proxies = cluster_proxies(environment)
        return ClusterAccess(_helm(environment), dict(environment), tuple(files), self.context, proxies)

    @staticmethod
    def offline(environment: Mapping[str, str] = os.environ) -> OfflineAccess:
        """Say how to do without a cluster."""
        return OfflineAccess(_helm(environment), dict(environment))


def cluster_options(function: _Decorated) -> _Decorated:
    """Give a verb ``--kubeconfig`` and ``--context``; they reach it as ``cluster``."""

    def gather(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        found = context.params.get("cluster") or ClusterOptions()
        context.params["cluster"] = replace(found, **{str(parameter.name): value})

    kubeconfig = click.option(
        "--kubeconfig",
        metavar="FILE",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=gather,
        help="How to reach the cluster; KUBECONFIG, else ~/.kube/config where it is left out.",
    )
    context = click.option(
        "--context",
        metavar="NAME",
        expose_value=False,
        callback=gather,
        help="Another context of the kubeconfig than its current one.",
    )
    return kubeconfig(context(function))


def user_name(environment: Mapping[str, str] = os.environ) -> str:
    """Return the name of who runs this, as the login left it in the environment; else the number."""
    return environment.get("LOGNAME") or environment.get("USER") or str(os.getuid())


def _helm(environment: Mapping[str, str]) -> Path:
    """Return where Helm is; its bare name when it isn't found, which is an error only when it is needed."""
    named = environment.get("PACKHORSE_HELM")
    return Path(named or shutil.which("helm", path=environment.get("PATH")) or "helm")
