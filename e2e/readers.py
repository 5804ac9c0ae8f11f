"""Programs of others that read OCI layouts and talk to registries, built from their Go modules."""

import os
import shutil
import subprocess
from pathlib import Path

from e2e.cluster.errors import BedError
from e2e.cluster.toolchain import find_go

__all__ = ["MODULES", "ensure_go_program"]

MODULES = {
    "crane": "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "regctl": "github.com/regclient/regclient/cmd/regctl@v0.11.6",
}
_CACHE = Path(__file__).resolve().parents[1] / ".cache"


def ensure_go_program(name: str) -> Path:
    """Return a program of :data:`MODULES`: the machine's own, or one built once into the tree's cache.

    Raises:
        BedError: There is no Go toolchain and none could be installed, or the module does not build.
    """
    on_path = shutil.which(name)
    if on_path is not None:
        return Path(on_path)
    folder = _CACHE / "readers"
    if not (folder / name).exists():
        print(f"Building {MODULES[name]}", flush=True)
        environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
        command = [str(find_go(_CACHE)), "install", MODULES[name]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"{MODULES[name]} does not build:\n{done.stderr.strip()}"
            raise BedError(message)
    return folder / name
