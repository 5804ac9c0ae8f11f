"""How each program does each job, one module for each program."""

from bench.programs.hauler import HAULER
from bench.programs.model import Program
from bench.programs.packhorse import PACKHORSE
from bench.programs.single import CRANE, IMGPKG, ORAS, REGCTL, SKOPEO
from bench.programs.zarf import ZARF, ZARF_WITH_SBOM

__all__ = ["PACKHORSE", "PROGRAMS", "Program"]

PROGRAMS = (PACKHORSE, HAULER, ZARF, ZARF_WITH_SBOM, IMGPKG, CRANE, REGCTL, ORAS, SKOPEO)
"""In the order in which tables name them; Packhorse first."""
