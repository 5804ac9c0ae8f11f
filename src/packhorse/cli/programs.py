"""Programs of others that verbs run: found on ``PATH``, or named by ``PACKHORSE_HELM`` and ``PACKHORSE_KUBECTL``."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from packhorse.app.workspace import Programs
from packhorse.base.errors import UsageError
from packhorse.base.program import Program
from packhorse.helm.cli_helm import CliHelm
from packhorse.helm.kustomize_cli import CliKustomize
from packhorse.helm.sdk_helm import sdk_renderer

__all__ = ["git_program", "helm_program", "kubectl_program", "kustomize_program", "rendering_programs"]

_HELM = "PACKHORSE_HELM"
_KUBECTL = "PACKHORSE_KUBECTL"


def helm_program() -> Program | None:
    """Return ``helm``; None when there is none."""
    return _find_program(("helm",), _HELM)


def kubectl_program() -> Program | None:
    """Return ``kubectl``; None when there is none."""
    return _find_program(("kubectl",), _KUBECTL)


def kustomize_program() -> Program | None:
    """Return ``kustomize``, or else ``kubectl``, which has it within; None when there is neither."""
    return _find_program(("kubectl", "kustomize") if os.environ.get(_KUBECTL) else ("kustomize", "kubectl"), _KUBECTL)


def git_program() -> Program:
    """Return ``git``; running it says what is wrong when there is none."""
    return _find_program(("git",), "") or Program(Path("git"), dict(os.environ))


def rendering_programs(ca_file: Path | None = None) -> Programs:
    """Return all that a package needs to be locked and built.

    Args:
        ca_file: Certificates that chart repositories are held against, in place of the system's.
    """
    helm = helm_program()
    cli = CliHelm(helm, ca_file) if helm is not None else None
    kustomize = kustomize_program()
    return Programs(
        git=git_program(),
        renderer=cli or sdk_renderer(),
        repositories=cli,
        kustomize=CliKustomize(kustomize) if kustomize is not None else None,
    )


def _find_program(names: Iterable[str], variable: str) -> Program | None:
    """Find a program.

    Args:
        names: What it may be called; the first that is there is taken.
        variable: Of the environment, that names it instead.

    Raises:
        UsageError: The variable names none.
    """
    named = os.environ.get(variable) if variable else None
    if named:
        path = shutil.which(named)
        if path is None:
            raise UsageError(f"{variable} names {named}, which is no program that can be run")
        return Program(Path(path), dict(os.environ))
    found = next((path for path in map(shutil.which, names) if path is not None), None)
    return None if found is None else Program(Path(found), dict(os.environ))
