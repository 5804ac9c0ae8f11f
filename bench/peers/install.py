"""Installs the peers that a package client can install, once, into ``.cache/peers/bin``: ``python -m bench.peers``."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.errors import BenchError
from bench.peers.table import DEBIAN, GO_PROGRAMS, STORY_PROGRAMS, GoProgram
from e2e.cluster.errors import BedError
from e2e.cluster.toolchain import find_go

__all__ = ["ensure_go_program", "install_all", "pinned_version"]

_CACHE = Path(__file__).resolve().parents[2] / ".cache"
_BIN = _CACHE / "peers" / "bin"
_MODULES = Path(__file__).with_name("modules")


def ensure_go_program(name: str) -> Path:
    """Return a program of :data:`GO_PROGRAMS` or :data:`STORY_PROGRAMS`, built once into the tree's cache.

    Raises:
        BenchError: There is no Go toolchain and none could be installed, or the program does not build.
    """
    program = {**GO_PROGRAMS, **STORY_PROGRAMS}[name]
    # The version is in the name, so that a new pin builds anew.
    final = _BIN / f"{name}-{program.version}"
    if not final.exists():
        print(f"Building {program.package} {program.version}", flush=True)
        _BIN.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_BIN, prefix=f".{name}-") as draft:
            _build(program, Path(draft))
            (Path(draft) / name).replace(final)
    link = _BIN / name
    if not link.is_symlink() or link.readlink() != Path(final.name):
        link.unlink(missing_ok=True)
        link.symlink_to(final.name)
    return link


def pinned_version(name: str, path: str | Path) -> str:
    """Return the version of a program that was built here; empty for any other."""
    return GO_PROGRAMS[name].version if Path(path) == _BIN / name else ""


def _build(program: GoProgram, draft: Path) -> None:
    try:
        go = str(find_go(_CACHE))
    except BedError as error:
        raise BenchError(f"{program.name} cannot be built: {error}") from error
    environment = {**os.environ, "GOBIN": str(draft), "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    if program.module:
        # go.mod and go.sum are copied because `go build` may not write into the tree.
        shutil.copytree(_MODULES / program.name, draft / "module")
        command = [go, "build", "-trimpath", "-tags", program.tags, "-o", str(draft / program.name), program.package]
        folder = draft / "module"
    else:
        command = [go, "install", "-trimpath", f"{program.package}@{program.version}"]
        folder = draft
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{program.package} {program.version} does not build:\n{done.stderr.strip()}")


def install_all() -> dict[str, str]:
    """Install what is not here yet.

    Returns:
        What could not be installed, with the reason.
    """
    failed = {}
    for name in GO_PROGRAMS:
        try:
            ensure_go_program(name)
        except BenchError as error:
            failed[name] = str(error)
    for name, package in DEBIAN.items():
        if shutil.which(name) is None and not _apt(package):
            failed[name] = f"apt-get install {package} failed; its output says why"
    return failed


def _apt(package: str) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    if subprocess.run(install, env=environment, check=False).returncode == 0:
        return True
    # The lists may be older than the packages, or not there at all.
    subprocess.run(["apt-get", "update"], env=environment, check=False)
    return subprocess.run(install, env=environment, check=False).returncode == 0
