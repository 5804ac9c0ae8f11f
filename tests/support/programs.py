"""Programs that are no part of Packhorse, for tests that compare with them: found on PATH, which the Makefile sets."""

import os
import shutil
from pathlib import Path

import pytest

from packhorse.base.program import Program

HELM = shutil.which("helm")
KUBECTL = shutil.which("kubectl")
GIT = shutil.which("git")

needs_helm = pytest.mark.skipif(HELM is None, reason="needs helm (make tools)")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="needs kubectl (make tools)")
needs_git = pytest.mark.skipif(GIT is None, reason="needs git")


def program(path: str | None) -> Program:
    """A program that is there, as its marker has made sure."""
    assert path is not None
    return Program(Path(path), {"PATH": os.environ["PATH"]})
