"""Builds the cluster's programs from the Go modules beside this file: ``python -m e2e.cluster.build``.

The result is a folder named by a hash of everything it was made from (module files, sources, flags, toolchain), so a
second run finds it and does nothing, and a change of any of them builds anew. A cold build takes some ten minutes on
two cores, a relink half a minute.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.errors import BedError
from e2e.cluster.toolchain import find_go

__all__ = ["CACHE", "ensure_programs"]

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "e2e"
_MODULES = Path(__file__).resolve().parent / "go"
_KUBERNETES_VERSION = "v1.34.4"
_CONTAINERD_VERSION = "2.2.9"


@dataclass(frozen=True)
class _Program:
    """One binary: the module folder and package it is built from, and the further names it answers to."""

    name: str
    module: str
    package: str
    link_flags: str = "-s -w"
    names: tuple[str, ...] = ()


def _kubernetes_link_flags() -> str:
    """Give the version that upstream's own build stamps in: clients and the kubelet compare it."""
    stamps = {
        "gitVersion": _KUBERNETES_VERSION,
        "gitMajor": "1",
        "gitMinor": "34",
        "gitTreeState": "clean",
        "gitCommit": "unknown",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return "-s -w " + " ".join(f"-X {where}.{key}={value}" for where in packages for key, value in stamps.items())


_CONTAINERD = "github.com/containerd/containerd/v2"
_CONTAINERD_LINK_FLAGS = f"-s -w -X {_CONTAINERD}/version.Version={_CONTAINERD_VERSION}"
_PROGRAMS = (
    _Program(
        "machine",
        "kubernetes",
        ".",
        _kubernetes_link_flags(),
        ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"),
    ),
    _Program("pause", "kubernetes", "./pause"),
    _Program("agnhost", "kubernetes", "k8s.io/kubernetes/test/images/agnhost"),
    _Program("containerd", "containerd", f"{_CONTAINERD}/cmd/containerd", _CONTAINERD_LINK_FLAGS),
    _Program("containerd-shim-runc-v2", "containerd", f"{_CONTAINERD}/cmd/containerd-shim-runc-v2"),
    _Program("ctr", "containerd", f"{_CONTAINERD}/cmd/ctr", _CONTAINERD_LINK_FLAGS),
    _Program("coredns", "coredns", "."),
)
# notest and grpcnotrace are upstream's own tags for its release binaries: the linker can drop more with them.
_FLAGS = ("-trimpath", "-tags", "notest,grpcnotrace")


def ensure_programs(cache: Path = CACHE) -> Path:
    """Return the folder with all programs, building it first if it is not there.

    Safe to call from several processes: the second waits for the first. Progress goes to standard error.

    Raises:
        BedError: There is no toolchain, or the compiler refused.
    """
    cache.mkdir(parents=True, exist_ok=True)
    go = find_go(cache)
    target = cache / "bin" / _key(go)
    if target.is_dir():
        return target
    with (cache / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _build_all(go, target)
    return target


def _key(go: Path) -> str:
    """Hash everything that the programs depend on."""
    toolchain = subprocess.run([go, "version"], capture_output=True, check=True).stdout
    parts = [toolchain, platform.machine().encode(), repr((_PROGRAMS, _FLAGS)).encode()]
    for path in sorted(_MODULES.rglob("*")):
        if path.is_file():
            parts += [str(path.relative_to(_MODULES)).encode(), path.read_bytes()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _build_all(go: Path, target: Path) -> None:
    """Build into a folder beside ``target``, rename it when it is whole, and drop the results of older sources."""
    partial = target.with_name("part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _say(f"building the cluster's programs into {target}; the first build takes some ten minutes")
    for number, program in enumerate(_PROGRAMS, 1):
        started = time.monotonic()
        _build(go, program, partial)
        size = (partial / program.name).stat().st_size / 2**20
        seconds = time.monotonic() - started
        _say(f"  {number}/{len(_PROGRAMS)} {program.name:<24} {size:4.0f} MiB in {seconds:.1f} s")
    older = [path for path in target.parent.iterdir() if path != partial]
    partial.rename(target)
    for path in older:
        shutil.rmtree(path, ignore_errors=True)


def _build(go: Path, program: _Program, target: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    command: list[str | Path] = [
        go,
        "build",
        *_FLAGS,
        "-ldflags",
        program.link_flags,
        "-o",
        target / program.name,
        program.package,
    ]
    done = subprocess.run(
        command, cwd=_MODULES / program.module, env=environment, stdout=sys.stderr, stderr=sys.stderr, check=False
    )
    if done.returncode:
        message = f"go build of {program.package} in {_MODULES / program.module} ended with {done.returncode}"
        raise BedError(message)
    for name in program.names:
        (target / name).symlink_to(program.name)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.stdout.write(f"{ensure_programs()}\n")
