"""Installs what stories and faults take from the machine: ``python -m e2e.needs``. Does nothing where all is there.

``python -m e2e.needs corpus`` installs what making all images of the corpus takes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["main"]

# What is looked for, and the Debian package that has it.
_NEEDS = {
    "/usr/include/stdlib.h": "libc6-dev",
    "cc": "gcc",
    "buildah": "buildah",
    "conntrack": "conntrack",
    "curl": "curl",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "iptables": "iptables",
    "jq": "jq",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "podman": "podman",
    "runc": "runc",
    "skopeo": "skopeo",
    "strace": "strace",
    "systemd-analyze": "systemd",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
_CORPUS_NEEDS = {
    "dpkg-deb": "dpkg",
    "gzip": "gzip",
    "mvn": "maven",
    "npm": "npm",
}
_PLACES = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def main(arguments: Sequence[str]) -> int:
    """Install what is missing; return the exit code."""
    needs = _CORPUS_NEEDS if "corpus" in arguments else {**_NEEDS, **_CORPUS_NEEDS}
    packages = _missing(needs)
    if not packages:
        return 0
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.stderr.write(
            f"e2e needs programs that are not here: {', '.join(packages)} (as Debian's packages are called)\n"
            f"hint: run this as root: {' '.join(command)}\n"
        )
        return 1
    print(f"Installing {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(command, env=environment, check=False).returncode:
        # The lists may be older than the packages, or not there at all.
        subprocess.run(["apt-get", "update"], env=environment, check=False)
        subprocess.run(command, env=environment, check=False)
    still = _missing(needs)
    if still:
        sys.stderr.write(f"e2e: these packages could not be installed: {', '.join(still)}; apt-get's output says why\n")
    return 1 if still else 0


def _missing(needs: Mapping[str, str]) -> list[str]:
    return sorted(
        package
        for program, package in needs.items()
        if not (Path(program).exists() if "/" in program else shutil.which(program, path=_PLACES))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
